"""Deletion and insertion as a figure."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.pages.figures_faithfulness import faithfulness_curves

SHARES = np.linspace(0, 1, 5)
CURVE = {"mean": SHARES[::-1], "random_mean": np.full(5, 0.5), "area": 0.4, "random_area": 0.55}


def test_both_areas_stand_in_the_figure_and_in_its_words() -> None:
    drawing = faithfulness_curves(SHARES, {"deletion": CURVE, "insertion": {**CURVE, "area": 0.625}})
    assert "deletion: area 0.400 in the order of the map, 0.550" in drawing
    assert "insertion: area 0.625 in the order of the map, 0.550 in a random order" in drawing


def test_a_curve_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="5 values, one a share"):
        faithfulness_curves(SHARES, {"deletion": {**CURVE, "mean": SHARES[:3]}})
