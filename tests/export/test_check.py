"""The comparison of an export with its original."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError, LightfastError
from lightfast.cli.text.export import graph_lines
from lightfast.export.check import compare_graph
from lightfast.tagging.card import ModelCard

CARD = ModelCard("cnn", (8, 8, 3), ("a", "b"))
ORIGINAL = np.array([[0.9, 0.1], [0.2, 0.8], [0.50001, 0.49999]], dtype=np.float32)


def test_small_differences_are_measured_and_pass():
    check = compare_graph(ORIGINAL, ORIGINAL + np.float32([0.00001, -0.00001]), CARD).require_identical("run")
    assert (check.n, check.same, check.ties) == (3, 3, 0)
    assert check.max_difference == pytest.approx(1e-5, rel=0.02)


def test_a_tie_that_falls_the_other_way_is_said_and_passes():
    turned = ORIGINAL.copy()
    turned[2] = 0.49999, 0.50001
    check = compare_graph(ORIGINAL, turned, CARD)
    assert (check.same, check.ties) == (2, 1)
    assert "1 decision(s) differ, 1 of them by a tie" in graph_lines(check)[0]


def test_another_decision_is_refused():
    wrong = ORIGINAL.copy()
    wrong[0] = 0.4, 0.6
    with pytest.raises(
        LightfastError, match="decides otherwise than its original on 1 of 3 pictures"
    ) as caught:
        compare_graph(ORIGINAL, wrong, CARD).require_identical("run")
    assert caught.value.exit_code == 1


def test_of_several_labels_the_tags_are_compared():
    card = ModelCard("cnn", (8, 8, 3), ("a", "b"), task="multi-label", thresholds=(0.95, 0.8))
    # The second picture's tag stands on its threshold: a tie.
    near = ORIGINAL - np.float32(1e-5)
    assert (compare_graph(ORIGINAL, near, card).same, compare_graph(ORIGINAL, near, card).ties) == (2, 1)
    far = ORIGINAL + np.float32([0.1, 0.0])
    assert not compare_graph(ORIGINAL, far, card).identical


def test_no_pictures_are_no_check():
    with pytest.raises(DataError):
        compare_graph(ORIGINAL[:0], ORIGINAL[:0], CARD)
