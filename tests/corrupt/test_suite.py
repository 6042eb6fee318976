"""Suites, the verbs, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import InputError, UnknownName
from lightfast.base.randomness import generator
from lightfast.corrupt import suite
from lightfast.corrupt.registry import CORRUPTIONS
from lightfast.corrupt.suite import SUITES, corrupt, corrupt_array, damage_mixture
from lightfast.data.images import ImageSet

RNG = np.random.default_rng(0)


def test_mnist_c_has_its_fifteen_kinds_at_the_published_severities():
    published = {
        "shot_noise": 5,
        "impulse_noise": 4,
        "glass_blur": 1,
        "motion_blur": 1,
        "shear": 2,
        "scale": 3,
        "rotate": 2,
        "brightness": 5,
        "translate": 3,
        "fog": 5,
        "spatter": 4,
    }
    entries = {name: severities for name, severities, _ in SUITES.get("mnist-c").entries}
    assert len(entries) == 15
    assert {name: entries[name] for name in published} == {
        name: (severity,) for name, severity in published.items()
    }


@pytest.mark.parametrize(
    "name, kinds, table",
    [("imagenet-c", 15, "standard"), ("imagenet-c-extra", 4, "standard"), ("cifar10-c", 19, "small")],
)
def test_photo_suites_have_five_severities_a_kind(name, kinds, table):
    found = SUITES.get(name)
    assert len(found) == kinds * 5
    assert {entry_table for _, _, entry_table in found.entries} == {table}


def test_every_suite_entry_is_registered_and_has_its_severities():
    for found in SUITES:
        for name, severities, table in found.entries:
            assert [CORRUPTIONS.get(name).parameters(severity, table) is not None for severity in severities]


def test_suite_all_names_every_corruption():
    assert [name for name, _, _ in SUITES.get("all").entries] == list(CORRUPTIONS.names())


def test_an_unknown_name_is_answered_with_the_closest(digits):
    with pytest.raises(UnknownName, match="motion_blur"):
        corrupt_array(digits, "motion-blurr", 1, RNG)


@pytest.mark.parametrize("severity", [0, 6, 2.5, "3", True, None])
def test_a_severity_outside_1_to_5_is_refused(digits, severity):
    with pytest.raises(InputError, match=r"severity.*1 \(mild\) to 5 \(strong\)"):
        corrupt_array(digits, "fog", severity, RNG)


def test_a_missing_table_is_refused_with_the_cure(digits):
    with pytest.raises(InputError, match="table='standard'"):
        corrupt_array(digits, "zigzag", 1, RNG, table="small")


def test_an_unknown_table_is_refused(digits):
    with pytest.raises(InputError, match="'standard' or 'small'"):
        corrupt_array(digits, "fog", 1, RNG, table="large")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((2, 8, 8, 1), np.float32), "uint8.*float32.*From 0..1: "),
        (np.full((2, 8, 8, 1), np.nan), "NaN"),
        ([[1, 2]], "uint8 array.*list"),
        (np.zeros((8, 8), np.uint8), r"\(8, 8\)"),
        (np.zeros((2, 8, 8), np.uint8), r"Grey pictures: x\[..., None\]"),
        (np.zeros((2, 3, 8, 8), np.uint8), "channels last"),
        (np.zeros((2, 7, 9, 1), np.uint8), "8 to 1024 pixels, got 7 x 9"),
        (np.zeros((1, 8, 1025, 1), np.uint8), "8 x 1025"),
    ],
)
def test_unusable_pictures_are_refused_with_the_cure(images, message):
    with pytest.raises(InputError, match=message):
        corrupt_array(images, "fog", 1, RNG)


def test_corrupt_makes_a_new_version_with_its_history(digits):
    before = ImageSet(digits, ("a", "b"), np.arange(100) % 2, name="digits")
    after = corrupt(before, "fog", 3, seed=7)
    assert after.parent == before.version
    assert after.history[-1] == {
        "verb": "corrupt",
        "name": "fog",
        "severity": 3,
        "seed": 7,
        "table": "standard",
    }
    assert after.labels is not None
    assert (after.labels == before.labels).all()
    assert (after.images == corrupt_array(digits, "fog", 3, generator(7, "corrupt", "fog", 3))).all()


def test_a_kind_whose_pictures_changed_says_its_version(digits):
    after = corrupt(ImageSet(digits, ("a", "b"), np.arange(100) % 2), "frost", 3)
    assert after.history[-1]["version"] == CORRUPTIONS.get("frost").version == 2


# What the committed figures of the MNIST-C studies stand on: the mean level of six pictures by kind.
# Processors round differently here and there; another stream of random numbers moves the means by far more.
MNIST_C_MEANS = {
    "shot_noise": [45.64, 41.63, 44.99, 42.61, 44.02, 43.91],
    "impulse_noise": [57.36, 58.17, 62.92, 60.29, 58.26, 60.27],
    "glass_blur": [46.33, 46.24, 46.2, 46.42, 46.15, 46.51],
    "motion_blur": [45.77, 41.65, 43.72, 49.79, 49.86, 42.03],
    "shear": [39.8, 39.65, 39.28, 39.81, 39.38, 39.61],
    "scale": [23.8, 23.72, 23.7, 23.84, 23.73, 23.88],
    "rotate": [37.77, 37.92, 37.76, 38.0, 37.92, 37.79],
    "brightness": [170.24, 170.3, 170.18, 170.36, 170.18, 170.35],
    "translate": [29.77, 29.68, 29.78, 29.6, 29.67, 29.51],
    "stripe": [127.36, 127.48, 127.12, 127.54, 127.21, 126.84],
    "fog": [55.78, 122.11, 115.92, 97.77, 121.48, 72.99],
    "spatter": [47.46, 48.35, 49.88, 48.29, 46.32, 46.84],
    "dotted_line": [53.88, 53.52, 53.26, 53.88, 53.52, 54.05],
    "zigzag": [57.27, 60.73, 60.19, 61.51, 60.58, 62.0],
    "canny_edges": [23.09, 20.17, 24.07, 27.0, 22.77, 26.35],
}


@pytest.mark.parametrize("name, severities, table", SUITES.get("mnist-c").entries)
def test_the_pictures_of_mnist_c_stay_the_same(name, severities, table):
    images = (np.arange(6 * 28 * 28, dtype=np.uint32) * 2654435761 >> 24).astype(np.uint8)
    images = images.reshape(6, 28, 28, 1) // (1 + np.arange(28) // 4)[:, None, None].astype(np.uint8)
    damaged = corrupt_array(images, name, severities[0], np.random.default_rng(7), table)
    assert damaged.mean(axis=(1, 2, 3)) == pytest.approx(MNIST_C_MEANS[name], abs=0.02)


def test_large_sets_are_worked_on_in_chunks(digits, monkeypatch):
    monkeypatch.setattr(suite, "_CHUNK_VALUES", 7 * 28 * 28)
    assert (corrupt_array(digits, "stripe", 3, RNG)[:, :, :7] == 255 - digits[:, :, :7]).all()


def test_a_mixture_damages_each_picture_in_its_own_way(digits):
    choices = [("clean", 3), ("stripe", 3), ("brightness", 0), ("brightness", 5)]
    assignment = np.arange(100) % 4
    mixed = damage_mixture(digits, choices, assignment, RNG)
    assert (mixed[assignment == 0] == digits[assignment == 0]).all()
    assert (mixed[assignment == 1] == corrupt_array(digits[assignment == 1], "stripe", 3, RNG)).all()
    assert (mixed[assignment == 2] == digits[assignment == 2]).all()
    assert (mixed[assignment == 3] == corrupt_array(digits[assignment == 3], "brightness", 5, RNG)).all()


@pytest.mark.parametrize(
    "assignment, message",
    [(np.zeros(99, int), "shape"), (np.zeros(100), "whole numbers"), (np.full(100, 2), r"0\.\.1")],
)
def test_an_assignment_that_does_not_fit_is_refused(digits, assignment, message):
    with pytest.raises(InputError, match=message):
        damage_mixture(digits, [("clean", 0), ("fog", 1)], assignment, RNG)
