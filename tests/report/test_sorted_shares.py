from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.report.sorted_shares import shares_band, sorted_shares_figure


def test_the_band_holds_the_whole_true_curve_in_95_of_100_samples():
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        low, high = shares_band(np.sort(rng.random(100)))
        # Of a uniform distribution the value at every share is the share itself.
        places = np.arange(100) / 100
        held += bool((~(low > places + 0.01) & ~(high < places)).all())
    assert held >= 0.95 * 400


def test_the_band_says_nothing_beyond_the_samples_ends():
    low, high = shares_band(np.linspace(0, 1, 100))
    steps = int(np.ceil(100 * np.sqrt(np.log(40) / 200)))
    assert np.isnan(low[:steps]).all()
    assert np.isnan(high[-steps:]).all()
    assert low[steps] == 0
    assert high[-steps - 1] == 1


def test_the_figure_names_its_series_and_the_share_under_one_half():
    drawing = sorted_shares_figure({"a < b": [0.9, 0.1, 0.2, 0.8], "ours": [0.9, 0.9, 0.9, 0.4]})
    root = ET.fromstring(drawing)
    assert "a < b 50.0 %, ours 25.0 %" in root.get("aria-label", "")
    assert "a < b" in ["".join(text.itertext()).strip() for text in root.iter("text")]


@pytest.mark.parametrize("values", [[], [0.5, 1.2], [-0.1], [float("nan")], [[0.5]]])
def test_what_is_no_list_of_shares_is_refused(values):
    with pytest.raises(DataError, match=r"sorted shares of ours.*0\.\.1"):
        sorted_shares_figure({"ours": values})
