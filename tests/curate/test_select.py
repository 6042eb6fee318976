"""What to label next: the default, what it is good for, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError, SettingsError, UnknownName
from lightfast.curate.select import Known, select_next
from lightfast.curate.selection.herding import RADIUS, radius_of
from lightfast.curate.selection.pool import Pool
from lightfast.curate.selection.spread import choose_coreset


def blobs(n: int = 120, classes: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    return (np.eye(10)[labels] * 6 + rng.normal(size=(n, 10))).astype(np.float32), labels


def unit(rows: np.ndarray) -> np.ndarray:
    rows = rows - rows.mean(axis=0)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("strategy", ["auto", "herding", "typical"])
def test_from_nothing_every_group_gets_one(strategy):
    features, labels = blobs()
    found = select_next(features, 6, strategy=strategy)
    assert set(labels[found.rows].tolist()) == set(range(6))


def test_auto_herds_from_nothing_and_asks_the_model_once_there_is_one():
    features, _ = blobs()
    probs = np.full((120, 2), 0.5, np.float32)
    assert select_next(features, 3).strategy == "herding"
    assert select_next(features, 3, Known(None, None, probs, ("a", "b"))).strategy == "unsure-herding"


def herd_slowly(vectors: np.ndarray, labelled: list[int], weight: np.ndarray, count: int) -> list[int]:
    """MaxHerding as it is written: every gain computed anew."""
    distance = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    kernel = np.exp(-distance / RADIUS**2)
    chosen = list(labelled)
    for _ in range(count):
        best = kernel[:, chosen].max(axis=1) if chosen else np.zeros(len(vectors))
        gains = [
            -1.0 if row in chosen else float((weight * np.maximum(kernel[:, row] - best, 0)).sum())
            for row in range(len(vectors))
        ]
        chosen.append(int(np.argmax(gains)))
    return chosen[len(labelled) :]


def test_herding_is_the_greedy_coverage_of_its_paper():
    features, labels = blobs(60)
    given = np.where(np.arange(60) < 4, labels, -1)
    found = select_next(features, 12, Known(given), strategy="herding")
    assert found.rows.tolist() == herd_slowly(unit(features), [0, 1, 2, 3], np.ones(60), 12)


def test_unsure_herding_takes_no_picture_of_which_the_model_is_sure():
    features, labels = blobs()
    probs = np.tile(np.array([1, 0], np.float32), (120, 1))
    probs[labels == 2] = 0.5
    given = np.where(np.arange(120) < 10, 0, -1)
    found = select_next(features, 3, Known(given, None, probs, ("a", "b")))
    assert set(labels[found.rows].tolist()) == {2}


def test_margin_takes_the_smallest_margins_first():
    features, _ = blobs(40)
    lead = np.random.default_rng(0).permutation(40) / 80
    probs = np.stack([0.5 + lead, 0.5 - lead], axis=1).astype(np.float32)
    found = select_next(features, 5, Known(None, None, probs, ("a", "b")), strategy="margin")
    assert found.rows.tolist() == np.argsort(lead)[:5].tolist()
    assert "a 50 % or b 50 %" in found.reasons[0]


def test_coreset_takes_the_farthest_each_time():
    features, _ = blobs(50)
    vectors = unit(features)
    given = np.where(np.arange(50) == 7, 0, -1)
    rows = choose_coreset(Pool(vectors, given, given < 0), 4).rows
    chosen = [7]
    for row in rows:
        nearest = (vectors @ vectors[chosen].T).max(axis=1)
        assert nearest[row] == pytest.approx(np.delete(nearest, chosen).min(), abs=1e-6)
        chosen.append(row)


def test_the_radius_shrinks_as_labels_come():
    vectors = unit(blobs(200)[0])
    radii = []
    for some in (2, 20, 100):
        given = np.where(np.arange(200) < some, 0, -1)
        radii.append(radius_of(Pool(vectors, given, given < 0)))
    assert radii == sorted(radii, reverse=True)


def test_a_large_pool_is_sampled_and_still_gives_all_that_is_asked_for(monkeypatch):
    from lightfast.curate.selection import herding

    monkeypatch.setattr(herding, "MOST_SEEN", 30)
    features, _ = blobs(100)
    assert len(select_next(features, 90).rows) == 90


@pytest.mark.parametrize("count", [0, -3])
def test_a_count_below_one_is_refused(count):
    with pytest.raises(SettingsError, match="at least 1 picture"):
        select_next(blobs()[0], count)


def test_more_than_there_are_is_refused_and_says_how_many_there_are():
    given = np.where(np.arange(120) < 100, 0, -1)
    with pytest.raises(SettingsError, match="at most 20"):
        select_next(blobs()[0], 21, Known(given))


def test_where_all_is_labelled_nothing_is_left():
    with pytest.raises(DataError, match="all 120 pictures are labelled"):
        select_next(blobs()[0], 1, Known(np.zeros(120, np.int64)))


def test_where_only_near_duplicates_of_labelled_ones_are_left_that_is_said():
    given = np.where(np.arange(120) < 60, 0, -1)
    with pytest.raises(DataError, match="60 pictures without a label are near duplicates"):
        select_next(blobs()[0], 1, Known(given, np.arange(120) % 60))


def test_unknown_strategies_and_those_without_a_model_are_refused():
    with pytest.raises(UnknownName, match="herding"):
        select_next(blobs()[0], 1, strategy="herdin")
    with pytest.raises(SettingsError, match="expected a model"):
        select_next(blobs()[0], 1, strategy="margin")


@pytest.mark.parametrize(
    "features, known",
    [
        (np.zeros(5), None),
        (np.array([[np.nan, 1.0], [1, 2]]), None),
        (np.eye(4), Known(np.zeros(3, np.int64))),
        (np.eye(4), Known(None, np.zeros(4))),
        (np.eye(4), Known(None, None, np.ones((4, 3), np.float32), ("a", "b"))),
        (np.eye(4), Known(None, None, np.full((4, 2), np.nan, np.float32), ("a", "b"))),
    ],
)
def test_arrays_that_do_not_fit_are_refused(features, known):
    with pytest.raises(DataError):
        select_next(features, 1, known)
