from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from lightfast.base.errors import DataError
from lightfast.report.statistics import CostPoint, cost_figure

ROWS = [CostPoint("slow & sure", 0.97, (0.96, 0.98), 200.0), CostPoint("fast", 0.91, (0.89, 0.93), 20_000.0)]


def test_the_faster_model_stands_further_right_and_the_better_one_higher():
    places = [
        (float(x), float(y))
        for x, y in re.findall(r'<use[^>]*? x="([\d.]+)" y="([\d.]+)"[^>]*var\(--after\)', cost_figure(ROWS))
    ]
    (slow_x, slow_y), (fast_x, fast_y) = places
    assert slow_x < fast_x
    assert slow_y < fast_y


def test_names_and_words_are_there():
    root = ET.fromstring(cost_figure(ROWS))
    assert {"slow & sure", "fast"} <= {"".join(element.itertext()).strip() for element in root.iter("text")}
    assert (
        root.get("aria-label")
        == "Accuracy against pictures a second: slow & sure 97.0 % at 200, fast 91.0 % at 20,000"
    )


@pytest.mark.parametrize("rows", [[], [CostPoint("still", 0.9, (0.8, 1.0), 0.0)]])
def test_nothing_to_draw_is_refused(rows):
    with pytest.raises(DataError, match="expected"):
        cost_figure(rows)
