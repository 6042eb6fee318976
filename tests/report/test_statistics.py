from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.report import statistics

POINTS = [(500, 0.6, (0.58, 0.62)), (2000, 0.8, (0.79, 0.81)), (12_000, 0.9, None)]
BAND = [(500, 0.6, 0.55, 0.65), (12_000, 0.9, 0.88, 0.92), (24_000, 0.92, 0.89, 0.95)]
MODELS = [("ours <small>", 0.94, (0.935, 0.945)), ("forest", 0.88, (0.87, 0.89)), ("mlp", 0.9, (0.89, 0.91))]
RATE = np.linspace(0, 1, 5)
ROC = {f"class {place}": (RATE, RATE**0.1, 0.9 + place / 100) for place in range(8)}
PR = {f"class {place}": (RATE, 1 - RATE**4, 0.8 + place / 100) for place in range(8)}
LINES = {f"series {place}": [(1, 0.5, (0.4, 0.6)), (2, 0.6 + place / 100, None)] for place in range(6)}
DRAWN = {
    "learning": lambda: statistics.learning_curve_figure(POINTS, BAND, 0.95, (24_000, 0.918, (0.91, 0.925))),
    "points alone": lambda: statistics.learning_curve_figure(POINTS, []),
    "residuals": lambda: statistics.residual_figure([0.8, 0.85, 0.9, 0.95], [0.01, -0.02, 0.02, -0.01]),
    "residuals in seconds": lambda: statistics.residual_figure([80, 85, 90], [1, -2, 1], label="seconds"),
    "intervals": lambda: statistics.interval_figure(MODELS, groups=[(1, 2)]),
    "coefficients": lambda: statistics.interval_figure(
        [("classes", -1.88, (-2.1, -1.6))], unit="points a step"
    ),
    "lines": lambda: statistics.lines_figure(LINES, x_label="epoch", y_label="accuracy, %"),
    "log lines": lambda: statistics.lines_figure(
        {"a": [(500, 0.5, None), (24_000, 0.1, None)]}, x_label="n", y_label="error, %", log_x=True
    ),
    "losses": lambda: statistics.lines_figure(
        {"training": [(1, 2.5, None), (2, 1.25, None)]},
        x_label="epoch",
        y_label="loss",
        level=("paper", 0.1365),
    ),
    "roc": lambda: statistics.roc_pr_figure(ROC, PR),
}


def texts(svg):
    return ["".join(element.itertext()).strip() for element in ET.fromstring(svg).iter("text")]


@pytest.fixture(scope="module")
def drawings():
    return {name: draw() for name, draw in DRAWN.items()}


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_is_well_formed_named_and_takes_its_colours_from_the_page(drawings, name):
    root = ET.fromstring(drawings[name])
    assert root.get("role") == "img"
    assert len(root.get("aria-label", "")) > 20
    assert re.findall(r"#[0-9a-fA-F]{6}\b", drawings[name]) == []


@pytest.mark.parametrize("name", DRAWN)
def test_no_letters_leave_the_figure(name, monkeypatch):
    figures = []
    monkeypatch.setattr(statistics, "svg", lambda figure, alt: figures.append(figure) or alt)
    DRAWN[name]()
    figure = figures[0]
    figure.draw_without_rendering()
    found = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]
        found += [*shown_ticks(axes.xaxis), *shown_ticks(axes.yaxis)]
    boxes = [text.get_window_extent() for text in found if text.get_text()]
    assert len(boxes) > 4
    corners = np.array([box.extents for box in boxes])
    assert (corners > -1).all()
    assert (corners.reshape(-1, 2, 2) < figure.bbox.size + 1).all()


def shown_ticks(axis):
    """The labels of the ticks that are seen."""
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [tick.label1 for tick in ticks if tick.label1.get_visible()]


def test_the_same_numbers_give_the_same_bytes(drawings):
    assert drawings["roc"] == DRAWN["roc"]()


def test_the_learning_curve_names_target_band_and_the_point_held_back(drawings):
    told = texts(drawings["learning"])
    assert {
        "target 95 %",
        "power law",
        "95 % of new measurements",
        "measured",
        "measured, not fitted",
    } <= set(told)
    assert {"500", "1,000", "10,000"} <= set(told)
    assert "95 % of new measurements" not in texts(drawings["points alone"])


def test_intervals_stand_in_the_given_order_with_their_values(drawings):
    told = texts(drawings["intervals"])
    assert [text for text in told if text in ("ours <small>", "forest", "mlp")] == [
        "ours <small>",
        "forest",
        "mlp",
    ]
    assert {"94.0", "88.0", "90.0"} <= set(told)
    assert "forest: 88 [87 to 89]" in ET.fromstring(drawings["intervals"]).get("aria-label", "")


def test_bars_are_drawn_only_where_there_are_groups(drawings):
    assert "not told" in " ".join(texts(drawings["intervals"]))
    assert "not told" not in " ".join(texts(drawings["coefficients"]))


def test_residuals_of_shares_are_told_in_points(drawings):
    assert "residual, points" in texts(drawings["residuals"])
    assert "residual, units" in texts(drawings["residuals in seconds"])


def test_the_hardest_classes_are_named_and_the_rest_is_counted(drawings):
    told = texts(drawings["roc"])
    assert {"class 0 0.800", "class 0 0.900", "class 5 0.850", "2 other classes"} <= set(told)
    assert "class 6 0.860" not in told


def test_six_series_differ_in_marker_and_dash(drawings):
    assert {f"series {place}" for place in range(6)} <= set(texts(drawings["lines"]))
    assert (
        len({style[0] for style in statistics.SERIES_STYLES})
        == len({style[2] for style in statistics.SERIES_STYLES})
        == 6
    )


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda: statistics.learning_curve_figure([], []), "at least one measured point"),
        (lambda: statistics.residual_figure([1, 2], [1, 2, 3]), "two arrays"),
        (lambda: statistics.interval_figure([]), "at least one row"),
        (lambda: statistics.interval_figure(MODELS, groups=[(1, 3)]), r"0 to 2, got \[1, 3\]"),
        (
            lambda: statistics.lines_figure(LINES | {"more": [(1, 1, None)]}, x_label="x", y_label="y"),
            "second figure",
        ),
        (lambda: statistics.lines_figure({"none": []}, x_label="x", y_label="y"), "none of them empty"),
        (lambda: statistics.roc_pr_figure(ROC, {}), "the same classes"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(DataError, match=message):
        draw()


def test_without_percent_values_are_shown_as_they_are_beside_the_level(drawings):
    assert "training 1.25" in drawings["losses"]
    assert {"paper", "loss", "2.5"} <= set(texts(drawings["losses"]))


def test_many_points_carry_no_markers(monkeypatch):
    figures = []
    monkeypatch.setattr(statistics, "svg", lambda figure, alt: figures.append(figure) or alt)
    for count in (5, 50):
        line = [(place, 0.5, None) for place in range(count)]
        statistics.lines_figure({"a": line}, x_label="epoch", y_label="loss")
    assert [figure.axes[0].lines[0].get_marker() for figure in figures] == ["o", ""]
