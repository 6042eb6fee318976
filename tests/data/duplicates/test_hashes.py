"""Hashes and the pairs that are proposed by them, against plain and slow ways."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.data.duplicates import hashes
from lightfast.data.duplicates.hashes import DISTANCE, HASH_VIEWS, THUMBNAIL_SIDE


def plain_coefficients(thumb: np.ndarray, window: tuple[float, ...]) -> np.ndarray:
    """One picture, one frequency after the other, in double precision."""
    left, top, right, bottom = window

    def waves(before: float, after: float) -> np.ndarray:
        place = ((np.arange(THUMBNAIL_SIDE) + 0.5) / THUMBNAIL_SIDE - before) / (1 - before - after)
        half = 0.5 / THUMBNAIL_SIDE / (1 - before - after)
        inside = (np.minimum(place + half, 1) - np.maximum(place - half, 0)) / (2 * half)
        weight = np.clip(inside, 0, 1)
        return np.array([np.cos(np.pi * order * np.clip(place, 0, 1)) * weight for order in range(9)])

    rows, columns = waves(top, bottom), waves(left, right)
    weight = np.outer(rows[0], columns[0])
    pixels = thumb - (thumb * weight).sum() / weight.sum()
    values = np.array(
        [
            rows[row] @ pixels @ columns[column]
            for row, column in zip(hashes._ROWS, hashes._COLUMNS, strict=True)
        ]
    )
    return values / np.linalg.norm(values)


@pytest.fixture
def thumbs() -> np.ndarray:
    rng = np.random.default_rng(2)
    rough = rng.normal(size=(5, THUMBNAIL_SIDE, THUMBNAIL_SIDE)).cumsum(axis=1).cumsum(axis=2)
    low, high = rough.min(axis=(1, 2), keepdims=True), rough.max(axis=(1, 2), keepdims=True)
    return np.round(255 * (rough - low) / (high - low)).astype(np.uint8)


def test_every_way_of_seeing_a_picture_is_its_plain_transform(thumbs: np.ndarray) -> None:
    ways = 0
    for seen, (view, mirrored, turns) in hashes._seen_in_all_ways(thumbs):
        ways += 1
        turned = np.rot90(thumbs[:, :, ::-1] if mirrored else thumbs, turns, axes=(1, 2))
        plain = np.array([plain_coefficients(one, HASH_VIEWS[view][0]) for one in turned.astype(np.float64)])
        np.testing.assert_allclose(seen, plain, atol=2e-5)
    assert ways == 2 * len(HASH_VIEWS) + 6


@pytest.mark.parametrize("seed", range(5))
def test_pairs_that_share_a_band_by_the_pigeonhole_are_all_found_and_no_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(300, 64)).astype(np.float32)
    # Copies with up to twelve bits turned over: up to three leave one of four bands as it is.
    for row in range(150, 300):
        values[row] = values[row - 150]
        values[row, rng.choice(64, int(rng.integers(0, 13)), replace=False)] *= -1
    words = hashes._words(values)
    bits = values > 0
    distance = (bits[:, None] != bits[None]).sum(axis=2)
    wanted = {(a, b) for a, b in np.argwhere(distance <= 3).tolist() if a != b}
    tables = [hashes._Table.of(hashes._turned(words, band)) for band in range(4)]
    found = hashes._looked_up(values, np.arange(300), tables, (0, 0, 0))
    pairs = {(a, b): d for a, b, d in found[:3].T.tolist()}
    assert len(wanted) >= 40
    assert wanted <= pairs.keys()
    assert all(distance[pair] == d <= DISTANCE for pair, d in pairs.items())


def test_chunks_do_not_change_what_is_proposed(thumbs: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightfast.base.progress import silent

    both = np.concatenate([thumbs, thumbs[:, :, ::-1], np.rot90(thumbs, 1, axes=(1, 2))])
    whole = hashes.candidates(both, silent)
    monkeypatch.setattr(hashes, "_CHUNK", 4)
    monkeypatch.setattr(hashes, "_AT_ONCE", 3)
    parts = hashes.candidates(both, silent)
    assert len(whole) >= 10
    for name in ("first", "second", "view", "mirrored", "turns", "distance"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
