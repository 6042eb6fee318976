"""Nearest rows against a plain sort of all cosines."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.curate import neighbours
from lightfast.curate.neighbours import nearest


def _sorted(vectors: np.ndarray, queries: np.ndarray, k: int, own: bool) -> np.ndarray:
    unit, asked = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (vectors, queries))
    cosines = asked @ unit.T
    if own:
        np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1)[:, :k]


def _rows(count: int, width: int, seed: int = 0) -> np.ndarray:
    spectrum = 1 / np.arange(1, width + 1) ** 0.6
    return (np.random.default_rng(seed).normal(size=(count, width)) * spectrum).astype(np.float32)


@pytest.mark.parametrize("count", [6, 70, 1_500])
def test_each_row_has_the_others_that_a_plain_sort_finds(count: int):
    vectors = _rows(count, 12)
    found = nearest(vectors, 5)
    assert (found.rows == _sorted(vectors, vectors, 5, own=True)).all()
    assert (np.diff(found.similarity, axis=1) <= 0).all()


def test_queries_may_find_any_row():
    vectors, queries = _rows(400, 8), _rows(9, 8, seed=1)
    assert (nearest(vectors, 4, queries).rows == _sorted(vectors, queries, 4, own=False)).all()


def test_many_rows_are_found_in_fewer_dimensions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(neighbours, "_WHOLE", 1_000)
    vectors = _rows(3_000, 300)
    wanted = _sorted(vectors, vectors, 10, own=True)
    rows = nearest(vectors, 10).rows
    shared = [len(set(one) & set(other)) / 10 for one, other in zip(wanted, rows, strict=True)]
    assert np.mean(shared) > 0.98


def test_identical_rows_and_rows_of_zeros_are_no_trouble():
    vectors = np.zeros((4, 3), np.float32)
    vectors[:2] = 1
    found = nearest(vectors, 2)
    assert found.rows[0, 0] == 1
    assert found.similarity[0].tolist() == pytest.approx([1, 0], abs=1e-6)


def test_one_picture_has_no_neighbour():
    assert nearest(np.ones((1, 3), np.float32), 4).rows.shape == (1, 0)


@pytest.mark.parametrize("wrong", [np.ones(3), np.full((3, 2), np.nan)])
def test_what_is_no_table_of_finite_numbers_is_refused(wrong: np.ndarray):
    with pytest.raises(DataError, match="features"):
        nearest(wrong, 1)
