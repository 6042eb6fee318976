from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.evaluate.confusions import confused_pairs

COUNTS = np.array([[90, 7, 3], [3, 17, 0], [0, 7, 193]])
NAMES = ("cat", "dog", "fox")


def test_every_cell_off_the_diagonal_is_a_pair_the_most_frequent_first():
    pairs = confused_pairs(COUNTS, NAMES)
    assert [(pair.given, pair.read, pair.count) for pair in pairs] == [
        ("cat", "dog", 7),
        ("fox", "dog", 7),
        ("dog", "cat", 3),
        ("cat", "fox", 3),
    ]
    assert sum(pair.count for pair in pairs) == COUNTS.sum() - COUNTS.trace()


def test_share_interval_and_the_opposite_confusion():
    first = confused_pairs(COUNTS, NAMES)[0]
    assert (first.row, first.column, first.support, first.share, first.both_ways) == (0, 1, 100, 0.07, 10)
    assert first.interval == pytest.approx(proportion_confint(7, 100, method="wilson"))
    assert as_json(first)["interval"] == list(first.interval)


def test_no_error_is_no_pair_and_other_shapes_are_refused():
    assert confused_pairs(np.eye(3, dtype=int), NAMES) == ()
    with pytest.raises(DataError, match="confused pairs"):
        confused_pairs(COUNTS, ("cat", "dog"))
