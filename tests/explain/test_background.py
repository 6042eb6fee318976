"""A planted background bias is found, and none is found where there is none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lightfast.base.errors import CheckpointError, DataError
from lightfast.base.plain import as_json
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.explain.background import (
    LEANS,
    LEANS_IF_WHOLE,
    NOT_SHOWN,
    UNCLEAR,
    BackgroundCheck,
    check_background,
)
from lightfast.explain.foreground import checked_foreground, cut_foreground
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe

SIDE, NAMES = 20, ("disc", "bar", "frame")
COLOURS = np.array([[200, 60, 60], [60, 180, 60], [60, 80, 200]])


def shape_of(label: int, rng: np.random.Generator) -> np.ndarray:
    down, across = np.mgrid[:SIDE, :SIDE] - (SIDE / 2 + rng.uniform(-1.5, 1.5, (2, 1, 1)))
    radius = SIDE * rng.uniform(0.22, 0.28)
    if label == 0:
        return down**2 + across**2 < radius**2
    box = np.maximum(np.abs(down), np.abs(across))
    return (
        (np.abs(down) < 2.2) & (np.abs(across) < radius)
        if label == 1
        else (box < radius) & (box > radius - 2)
    )


def things(n: int, seed: int, biased: bool) -> ImageSet:
    """Shapes on coloured grounds; `biased`: the colour tells the class, else it is drawn."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    ground = COLOURS[labels if biased else rng.integers(3, size=n)][:, None, None]
    images = ground + rng.normal(0, 10, (n, SIDE, SIDE, 3))
    for image, label in zip(images, labels, strict=True):
        mask = shape_of(int(label), rng)
        image[mask] = rng.choice([15, 240]) + rng.normal(0, 6, (int(mask.sum()), 3))
    return ImageSet(images.clip(0, 255).astype(np.uint8), NAMES, labels.astype(np.int64), name="things")


def checked(biased: bool) -> tuple[Checkpoint, BackgroundCheck]:
    recipe = Recipe.of(epochs=6, batch_size=32, learning_rate=4e-3)
    classifier = fit(things(600, 1, biased), things(100, 2, biased), model="cnn", recipe=recipe)
    return classifier, check_background(classifier, things(240, 3, biased), seed=0)


@pytest.fixture(scope="module")
def biased() -> tuple[Checkpoint, BackgroundCheck]:
    return checked(True)


@pytest.fixture(scope="module")
def fair() -> tuple[Checkpoint, BackgroundCheck]:
    return checked(False)


def test_a_planted_background_bias_is_found(biased):
    check = biased[1]
    assert check.original.value > 0.97
    assert check.verdict == LEANS_IF_WHOLE
    assert check.leans_if_whole
    assert check.as_background.value > 0.6
    assert check.gap.difference_interval.low > 0.5
    assert check.pulls[0].on_it.value > check.pulls[0].elsewhere.value + 0.5
    assert check.sentence().startswith("It leans on the background if the cuts are whole (")


def test_no_bias_is_called_where_grounds_say_nothing(fair):
    check = fair[1]
    assert check.original.value > 0.9
    assert check.verdict == NOT_SHOWN
    assert abs(check.gap.difference) < 0.05
    assert "would not have been seen" in check.sentence()


def test_a_network_that_reads_no_composite_gets_no_verdict(fair):
    network = fresh_network("cnn", "classifier", (SIDE, SIDE, 3), 3, {}, 0)
    preprocess = Preprocess.identity((SIDE, SIDE, 3))
    blind = Checkpoint("classifier", "cnn", (SIDE, SIDE, 3), 3, NAMES, preprocess, network)
    assert check_background(blind, things(60, 3, False)).verdict == UNCLEAR


def test_known_masks_take_the_place_of_the_cut(biased):
    images = things(40, 3, True)
    masks = np.zeros((40, SIDE, SIDE), dtype=bool)
    masks[:30, 4:16, 4:16] = True
    check = check_background(biased[0], images, foreground=checked_foreground(masks))
    assert (check.n, check.without_foreground, check.at_frame) == (30, 10, 0)
    assert set(check.examples.ids) <= set(images.ids[:30])


def test_masks_that_are_known_need_no_condition(biased):
    images = things(120, 3, True)
    masks = cut_foreground(images.images).masks
    check = check_background(biased[0], images, foreground=checked_foreground(masks))
    assert (check.verdict, check.leans) == (LEANS, True)
    assert check.sentence().startswith("It leans on the background (")


def legged(n: int, seed: int) -> ImageSet:
    """A dark block, the same for all, on a stand of the class's colour down to the frame; grey grounds."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    images = rng.uniform(120, 180, (n, 1, 1, 1)) + rng.normal(0, 8, (n, SIDE, SIDE, 3))
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(3, 5), rng.integers(5, 8)
        image[top:11, left : left + 7] = rng.normal(20, 5, (11 - top, 7, 3))
        image[11:, left : left + 7] = COLOURS[label] + rng.normal(0, 8, (SIDE - 11, 7, 3))
    return ImageSet(images.clip(0, 255).astype(np.uint8), NAMES, labels.astype(np.int64), name="legged")


def test_a_part_that_the_cut_left_behind_is_not_called_background_as_a_fact():
    recipe = Recipe.of(epochs=6, batch_size=32, learning_rate=4e-3)
    classifier = fit(legged(600, 1), legged(100, 2), model="cnn", recipe=recipe)
    check = check_background(classifier, legged(200, 3))
    assert check.original.value > 0.97
    assert check.n > 150
    # The figures are those of a planted bias, though the grounds say nothing of the class.
    assert check.gap.difference_interval.low > 0.5
    assert check.verdict == LEANS_IF_WHOLE
    assert not check.leans
    assert "if the cuts are whole" in check.sentence()


def test_things_that_reach_the_frame_are_left_out_and_counted(fair):
    images = things(60, 3, False)
    images.images[:20, 6:14, 8 : SIDE - 1] = 250
    check = check_background(fair[0], images)
    assert check.at_frame >= 18
    assert check.n + check.without_foreground == 60
    assert check.without_foreground >= check.at_frame


def test_every_composite_shows_its_foreground_on_another_ground(fair):
    found = fair[1].examples
    things_of, own, other, alone = found.shown
    for pasted in (own, other):
        assert np.array_equal(pasted[found.masks], things_of[found.masks])
    assert (found.labels != found.background_labels).all()
    assert not np.array_equal(alone[found.masks], things_of[found.masks])


def test_the_seed_draws_the_backgrounds(fair):
    images = things(60, 3, False)
    first, again, other = (check_background(fair[0], images, seed=seed) for seed in (0, 0, 1))
    assert as_json(first) == as_json(again)
    assert not np.array_equal(first.examples.background_labels, other.examples.background_labels)


def test_pictures_without_a_thing_are_refused_with_the_cure(fair):
    flat = ImageSet(np.full((4, SIDE, SIDE, 3), 9, np.uint8), NAMES, np.array([0, 0, 1, 1]), name="flat")
    with pytest.raises(DataError, match="no picture has a foreground"):
        check_background(fair[0], flat)


def test_other_classes_are_refused(fair):
    images = dataclasses.replace(things(6, 0, False), class_names=("disc", "bar", "ring"))
    with pytest.raises(CheckpointError, match="ring"):
        check_background(fair[0], images)
