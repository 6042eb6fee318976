from __future__ import annotations

import pytest

from lightfast.base.errors import DataError
from lightfast.report import tables
from lightfast.report.page import Cell, Table

TABLE = Table(
    ("Mixture", "Paper", "After"),
    (("clean", "99.00 %", tables.share_cell(0.994, (0.989, 0.997))), ("50 % fog", "–", "9.00 %")),
    caption="Accuracy",
    notes=("n = 1,500.",),
)


@pytest.mark.parametrize(
    "share, text", [(0.9793, "97.93 %"), (1.0, "100.00 %"), (0.0, "0.00 %"), (None, "–"), (float("nan"), "–")]
)
def test_percent(share, text):
    assert tables.percent(share) == text


def test_a_share_with_its_interval():
    assert tables.share_text(0.9793, (0.971, 0.985)) == "97.93 % [97.1–98.5]"
    assert tables.share_text(0.9793) == "97.93 %"


@pytest.mark.parametrize(
    "difference, text", [(0.1524, "+15.24"), (-0.001, "−0.10"), (0.0, "0.00"), (-0.00001, "0.00")]
)
def test_points_carry_their_sign(difference, text):
    assert tables.points(difference) == text


@pytest.mark.parametrize(
    "interval, tone", [((0.01, 0.03), "good"), ((-0.03, -0.01), "bad"), ((-0.01, 0.01), "")]
)
def test_a_difference_is_coloured_only_where_its_interval_leaves_out_0(interval, tone):
    assert tables.points_cell(sum(interval) / 2, interval).tone == tone


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.04, "0.0 s"),
        (3.21, "3.2 s"),
        (9.99, "10 s"),
        (59.7, "1 min 0 s"),
        (75, "1 min 15 s"),
        (7260, "2 h 1 min"),
    ],
)
def test_durations(seconds, text):
    assert tables.duration(seconds) == text


def test_plain_text_lines_up():
    lines = tables.text_table(TABLE).splitlines()
    assert lines == [
        "Accuracy",
        "Mixture     Paper                After",
        "────────  ───────  ───────────────────",
        "clean     99.00 %  99.40 % [98.9–99.7]",
        "50 % fog        –               9.00 %",
        "n = 1,500.",
    ]


def test_markdown_has_a_rule_and_escapes_bars():
    table = Table(("a|b", "n"), (("x|y", "1"),))
    assert tables.markdown_table(table) == "| a\\|b | n |\n| --- | ---: |\n| x\\|y | 1 |\n"


def test_columns_of_words_are_not_numbers():
    table = Table(
        ("name", "n", "model", "gain"),
        (("1", "1,500", "U-Net", Cell("+15.24", "+1 to +2")), ("2", "2", "3", "−0.1")),
    )
    assert table.numeric == (False, True, False, True)


def test_a_row_of_the_wrong_length_is_named():
    with pytest.raises(DataError, match="'Sizes', row 'fog': expected 2 cells, got 1"):
        Table(("a", "b"), (("fog",),), caption="Sizes")


def test_a_table_without_rows_is_a_heading():
    assert tables.text_table(Table(("a", "b"), ())) == "a  b\n─  ─\n"


def test_a_figure_that_was_not_run_leaves_its_column_one_of_figures():
    assert Table(("set", "accuracy"), (("a", "76.15 %"), ("b", "not run"), ("c", "–"))).numeric == (
        False,
        True,
    )
    assert Table(("set", "verdict"), (("a", "passes"), ("b", "not run"))).numeric == (False, False)


def test_a_difference_with_its_interval_in_one_text():
    assert tables.points_text(0.1524, (0.12, 0.1849), 1) == "+15.24 [+12.0 to +18.5]"
    assert tables.points_text(-0.001, (-0.01, 0.0), unit=" points") == "−0.10 points [−1.00 to 0.00]"
