from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.curate.neighbours import nearest
from lightfast.curate.outvoted import outvoted


def test_it_is_the_count_of_a_slow_loop():
    rng = np.random.default_rng(0)
    vectors, labels = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    near = nearest(vectors, 4)
    slow = []
    for own, rows in enumerate(near.rows):
        agreeing = 0
        for row in rows:
            agreeing += labels[row] == labels[own]
        slow.append(agreeing < 2)
    found = outvoted(near, labels)
    assert found.tolist() == slow
    assert 0 < found.sum() < 60


def test_a_wrong_label_among_its_own_kind_is_found_and_a_tie_is_not():
    angles = np.array([0.0, 0.01, 0.02, 0.03, 1.5, 1.51, 1.52, 1.53])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    assert np.flatnonzero(outvoted(nearest(vectors, 3), labels)).tolist() == [3]
    assert not outvoted(nearest(vectors[:3], 2), np.array([0, 0, 1]))[0]


def test_nobody_is_outvoted_alone_and_other_lengths_are_refused():
    alone = nearest(np.ones((1, 3)), 5)
    assert outvoted(alone, np.array([0])).tolist() == [False]
    with pytest.raises(DataError, match="1"):
        outvoted(alone, np.array([0, 1]))
