"""A head that follows decisions: it learns, "not this" counts, the queue is in the order of its doubt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from library.brightness import add_greys, confirm, numbers_of, truth_of

from lightfast.base.errors import DataError
from lightfast.library.feature_files import FeatureFormat, FeatureRows, append_features
from lightfast.library.library import Library
from lightfast.library.live import LibraryHead
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.lease import enqueue, lease_next
from lightfast.library.review.undo import undo

BRIGHT, DARK = 1, 2


@pytest.fixture
def waiting(library: Library, tmp_path: Path) -> Iterator[Library]:
    """60 pictures with two features, brightness and noise; all wait. Number 59 lies between the classes."""
    add_greys(library, tmp_path / "greys", 60)
    numbers, truth = numbers_of(library), truth_of(library)
    rng = np.random.default_rng(0)
    level = np.array([1.0 if truth[number] == "bright" else -1.0 for number in numbers])
    level[-1] = 0.0
    vectors = np.stack([level + rng.normal(0, 0.05, 60), rng.normal(0, 1, 60)], axis=1)
    wanted = FeatureFormat("levels", 2, (12, 12), 1)
    append_features(library, wanted, FeatureRows(numbers, vectors.astype(np.float32)))
    with library.store.write() as connection:
        rows = [{"asset_id": one, "source": "tag", "reason": "new", "uncertainty": 0.5} for one in numbers]
        enqueue(connection, rows)
    return library


def test_the_head_follows_and_the_queue_is_asked_by_its_doubt(waiting: Library):
    numbers, truth = numbers_of(waiting), truth_of(waiting)
    head = LibraryHead(waiting, "levels")
    assert head.follow().moved == 0
    confirm(waiting, numbers[:30], truth)
    said = head.follow()
    assert (said.decisions, said.moved) == (30, 30)
    assert said.accuracy is not None
    assert (said.accuracy.value, said.accuracy.n) == (1.0, 30)
    assert head.probabilities(numbers[40])["dark"] > 0.9
    assert lease_next(waiting.store, 1)[0].asset_id == numbers[-1]
    assert head.follow().decisions == 0


def test_not_this_reaches_the_head(waiting: Library):
    numbers, truth = numbers_of(waiting), truth_of(waiting)
    confirm(waiting, numbers[:30], truth)
    head = LibraryHead(waiting, "levels")
    before = head.probabilities(numbers[40])["dark"]
    decide(waiting.store, 1, [ReviewAct(numbers[40], "reject", DARK)])
    head.follow()
    assert head.probabilities(numbers[40])["dark"] == 0 < before
    # Another picture like it is held for dark less surely.
    undo(waiting.store, 1)
    head.follow()
    assert head.probabilities(numbers[40])["dark"] == pytest.approx(before, abs=0.02)


def test_a_later_decision_replaces_the_earlier_one(waiting: Library):
    numbers, truth = numbers_of(waiting), truth_of(waiting)
    confirm(waiting, numbers[:30], truth)
    head = LibraryHead(waiting, "levels")
    decide(waiting.store, 1, [ReviewAct(numbers[0], "confirm", BRIGHT, from_label_id=DARK)])
    head.follow()
    assert head.head.labels[0] == head.head.class_names.index("bright")
    assert head.head.rejected[0, head.head.class_names.index("dark")]


def test_without_features_it_is_said(library: Library):
    with pytest.raises(DataError, match="no features by levels"):
        LibraryHead(library, "levels")
