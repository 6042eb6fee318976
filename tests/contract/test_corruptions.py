"""Every registered corruption keeps one contract: shape, dtype, determinism, untouched input, grey and RGB,
8 to 64 px, monotone.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_sample_images

from lightfast.corrupt import blur, filtering
from lightfast.corrupt.registry import CORRUPTIONS
from lightfast.corrupt.suite import corrupt_array

KINDS = CORRUPTIONS.names()
TABLES = [
    (kind.name, table)
    for kind in CORRUPTIONS
    for table in ("standard", "small")
    if table == "standard" or kind.small
]
SHAPES = [(8, 8, 1), (8, 8, 3), (28, 28, 1), (19, 33, 3), (64, 64, 1), (64, 40, 3)]


def pieces(shape: tuple[int, int, int], count: int = 4) -> NDArray[np.uint8]:
    """Pieces of a bundled photograph, uint8 (count, *shape)."""
    height, width, channels = shape
    photo = PHOTO if channels == 3 else PHOTO.mean(axis=-1, keepdims=True).astype(np.uint8)
    return np.stack([photo[50 * n : 50 * n + height, 60 * n : 60 * n + width] for n in range(count)])


PHOTO = np.asarray(
    cv2.resize(load_sample_images().images[0], (400, 267), interpolation=cv2.INTER_AREA), np.uint8
)


@pytest.fixture(scope="module")
def sets() -> dict[str, NDArray[np.uint8]]:
    """Digits (64, 28, 28, 1) and pieces of photographs (80, 32, 32, 3) on which damage is measured."""
    grown = [
        np.pad(cv2.resize(digit, (20, 20)), 4) for digit in load_digits().images[:64].astype(np.float32) * 16
    ]
    digits = np.clip((np.stack(grown) - 90) * 3, 0, 255).astype(np.uint8)[..., None]
    photos = []
    for photo in load_sample_images().images:
        shrunk = cv2.resize(photo, (400, 267), interpolation=cv2.INTER_AREA)
        photos += [
            shrunk[top : top + 32, left : left + 32]
            for top in range(0, 235, 50)
            for left in range(0, 368, 46)
        ]
    return {"digits": digits, "photos": np.stack(photos).astype(np.uint8)}


def mean_psnr(images: NDArray[np.uint8], damaged: NDArray[np.uint8]) -> float:
    """Mean over the pictures, in dB; a picture that stays as it is counts as 60."""
    error = np.square(images.astype(np.float64) - damaged).mean(axis=(1, 2, 3))
    return float(np.mean(10 * np.log10(255**2 / np.maximum(error, 255**2 / 1e6))))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", KINDS)
def test_shape_and_dtype_stay_and_the_input_is_untouched(name, shape):
    images = pieces(shape)
    before = images.copy()
    for severity in (1, 5):
        damaged = corrupt_array(images, name, severity, np.random.default_rng(0))
        assert damaged.shape == images.shape
        assert damaged.dtype == np.uint8
    assert (images == before).all()


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_gives_the_same_bytes(name):
    images = pieces((28, 28, 3), 5)
    first, second = (corrupt_array(images, name, 3, np.random.default_rng(11)) for _ in range(2))
    assert (first == second).all()
    assert (first != images).any()


@pytest.mark.parametrize("name", KINDS)
def test_values_are_finite_for_black_white_and_grey_pictures(name):
    flat = np.stack([np.full((16, 16, 3), level, np.float32) for level in (0, 0.5, 1)])
    kind = CORRUPTIONS.get(name)
    if kind.on_levels:
        flat = (flat * 255).astype(np.uint8)
    for pictures in (flat, flat[..., :1].copy()):
        assert np.isfinite(kind.apply(pictures, kind.parameters(5), np.random.default_rng(0))).all()


@pytest.mark.parametrize("name", KINDS)
def test_read_only_pictures_no_pictures_and_one_picture_will_do(name):
    images = pieces((20, 20, 1), 1)
    images.flags.writeable = False
    assert corrupt_array(images, name, 2, np.random.default_rng(0)).shape == images.shape
    assert corrupt_array(images[:0], name, 2, np.random.default_rng(0)).shape == (0, 20, 20, 1)


@pytest.mark.parametrize("pictures", ["digits", "photos"])
@pytest.mark.parametrize("name, table", TABLES, ids=str)
def test_severity_is_monotone_in_psnr(name, table, pictures, sets):
    images = sets[pictures]
    levels = [
        mean_psnr(images, corrupt_array(images, name, severity, np.random.default_rng(3), table))
        for severity in range(1, 6)
    ]
    assert all(after <= before + 1e-9 for before, after in pairwise(levels)), levels
    assert levels[4] < levels[0] - 0.3


@pytest.mark.parametrize("name", KINDS)
def test_large_pictures_are_damaged_as_small_ones_are(name, monkeypatch):
    # Above `LARGE_SIDE` other routines of cv2 and numpy do the same arithmetic.
    images = pieces((136, 136, 3), 2)
    large = corrupt_array(images, name, 3, np.random.default_rng(5))
    for module in (filtering, blur):
        monkeypatch.setattr(module, "LARGE_SIDE", 1 << 12)
    small = corrupt_array(images, name, 3, np.random.default_rng(5))
    assert np.abs(large.astype(int) - small).max() <= 1
    assert (large != small).mean() < 1e-3


@pytest.mark.parametrize("name", KINDS)
def test_the_record_tells_where_it_comes_from(name):
    kind = CORRUPTIONS.get(name)
    assert kind.name == name
    assert kind.family in ("noise", "blur", "weather", "digital", "geometry", "ink")
    assert kind.summary.endswith(".")
    assert len(kind.severities) == 5
    assert kind.version >= 1
    assert all(hasattr(parameters, "_fields") for parameters in kind.severities + (kind.small or ()))


@pytest.mark.parametrize("name", KINDS)
def test_a_turned_view_is_damaged_as_its_copy_is(name):
    turned = np.rot90(pieces((150, 160, 3), 2), axes=(1, 2))
    assert not turned.flags.c_contiguous
    found, wanted = (
        corrupt_array(pictures, name, 3, np.random.default_rng(0))
        for pictures in (turned, np.ascontiguousarray(turned))
    )
    assert np.array_equal(found, wanted)
