"""Deletion and insertion as a figure."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.explain.faithfulness import Faithfulness, FaithfulnessCurve
from lightfast.pages.figures_faithfulness import faithfulness_curves
from lightfast.statistics.intervals import Interval

STEPS = np.linspace(0, 1, 5)
WHOLE = Interval(0.0, 1.0)


def curve(name: str, area: float = 0.4, points: int = 5) -> FaithfulnessCurve:
    mean, areas = STEPS[::-1][:points], np.full(3, area)
    random = np.full(5, 0.5)
    return FaithfulnessCurve(name, mean, random, areas, areas, area, WHOLE, 0.55, WHOLE, 0.1, WHOLE, "better")


def test_both_areas_stand_in_the_figure_and_in_its_words() -> None:
    drawing = faithfulness_curves(Faithfulness(curve("deletion"), curve("insertion", 0.625), 3, 4, 0))
    assert "deletion: area 0.400 in the order of the map, 0.550" in drawing
    assert "insertion: area 0.625 in the order of the map, 0.550 in a random order" in drawing


def test_a_curve_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="5 values, one a share"):
        faithfulness_curves(Faithfulness(curve("deletion", points=3), curve("insertion"), 3, 4, 0))
