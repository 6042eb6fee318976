from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from lightfast.base.errors import DataError
from lightfast.report.grouped import GroupedShare, grouped_intervals_figure

GROUPS = {
    "smiles": [
        GroupedShare("ours", 0.91, (0.9, 0.92), True),
        GroupedShare("Clarifai", 0.72, (0.62, 0.8), False),
    ],
    "bags": [GroupedShare("ours", 0.99, (0.98, 1.0), True)],
}


def words_of(drawing: str) -> list[str]:
    return ["".join(text.itertext()).strip() for text in ET.fromstring(drawing).iter("text")]


def test_every_group_row_and_figure_is_written():
    found = words_of(grouped_intervals_figure(GROUPS))
    assert {"smiles", "bags", "ours", "Clarifai", "72.0", "99.0", "accuracy, %"} <= set(found)


def test_the_legend_names_only_what_is_drawn():
    assert {"measured here", "published"} <= set(words_of(grouped_intervals_figure(GROUPS)))
    alone = words_of(grouped_intervals_figure({"bags": GROUPS["bags"]}))
    assert "published" not in alone


def test_published_and_measured_rows_differ_in_colour_and_filling():
    drawing = grouped_intervals_figure(GROUPS)
    assert "fill-opacity: 0" in drawing or "fill: none" in drawing
    assert {"var(--before)", "var(--after)"} <= {
        one for one in ("var(--before)", "var(--after)") if one in drawing
    }


@pytest.mark.parametrize("groups", [{}, {"smiles": []}])
def test_nothing_to_draw_is_refused(groups):
    with pytest.raises(DataError, match="grouped intervals"):
        grouped_intervals_figure(groups)
