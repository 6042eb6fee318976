from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.preprocess import Preprocess
from lightfast.evaluate.predict import pred_probs
from lightfast.explain import faithfulness
from lightfast.explain.faithfulness import (
    BETTER,
    NO_BETTER,
    WORSE,
    blurred_pictures,
    deletion_insertion,
    mean_interval,
    same_grain,
)
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.statistics.bounded_mean import bounded_mean

SIDE = 16
REGION = np.zeros((SIDE, SIDE), np.float32)
REGION[2:7, 9:14] = 1


def checkpoint(network, task="multi-class") -> Checkpoint:
    shape = (SIDE, SIDE, 1)
    return Checkpoint(
        "classifier", "by-hand", shape, 2, ("dark", "bright"), Preprocess.identity(shape), network, task=task
    )


def region_reader(task="multi-class") -> Checkpoint:
    """Logit of "bright" = how bright the region is; everything else is ignored."""
    layer = nn.Linear(SIDE * SIDE, 2)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[1] = torch.from_numpy(REGION.ravel()) * 12 / REGION.sum()
        layer.bias.copy_(torch.tensor([0.0, -6.0]))
    return checkpoint(nn.Sequential(nn.Flatten(), layer), task)


@pytest.fixture(scope="module")
def bright():
    """40 noisy pictures whose region is bright, and their targets."""
    images = generator(3, "pictures").integers(0, 120, (40, SIDE, SIDE, 1))
    images[:, REGION > 0] = 240
    return images.astype(np.uint8), np.ones(40, np.int64)


def stack(one, n=40):
    return np.repeat(one[None], n, axis=0)


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
def test_the_map_of_what_the_classifier_reads_beats_a_random_order(bright, task):
    images, targets = bright
    found = deletion_insertion(region_reader(task), images, stack(REGION), targets, steps=10)
    assert (found.deletion.verdict, found.insertion.verdict) == (BETTER, BETTER)
    assert found.deletion.area < found.deletion.random_area
    assert found.insertion.area > found.insertion.random_area


def test_the_inverted_map_is_worse_than_a_random_order(bright):
    images, targets = bright
    found = deletion_insertion(region_reader(), images, stack(-REGION), targets, steps=10)
    assert (found.deletion.verdict, found.insertion.verdict) == (WORSE, WORSE)


def test_a_random_map_is_shown_no_better(bright):
    images, targets = bright
    noise = generator(1, "maps").normal(size=(40, SIDE, SIDE))
    found = deletion_insertion(region_reader(), images, noise, targets, steps=10)
    assert (found.deletion.verdict, found.insertion.verdict) == (NO_BETTER, NO_BETTER)


def test_a_flat_map_is_the_random_order_itself(bright):
    images, targets = bright
    found = deletion_insertion(region_reader(), images, np.full((40, SIDE, SIDE), 0.3), targets, steps=10)
    assert found.deletion.gain == found.insertion.gain == 0
    assert found.deletion.verdict == NO_BETTER


def one_by_one(classifier, image, ranking, start, end, steps):
    """The obvious way: pixel after pixel from `start` to `end`, read at every step."""
    current, places, curve = start.copy(), np.argsort(-ranking, axis=None), []
    for step in range(steps + 1):
        for place in places[: round(step * len(places) / steps)]:
            row, column = divmod(int(place), image.shape[1])
            current[row, column] = end[row, column]
        curve.append(float(pred_probs(classifier, current[None])[0, 1]))
    return curve


def test_curves_agree_with_taking_the_pixels_one_by_one(bright):
    classifier, images = region_reader(), bright[0][:2]
    maps = (
        generator(2, "maps")
        .permuted(np.arange(2.0 * SIDE * SIDE).reshape(2, SIDE, SIDE), axis=None)
        .reshape(2, SIDE, SIDE)
    )
    found = deletion_insertion(classifier, images, maps, np.ones(2, np.int64), steps=7)
    blurred = blurred_pictures(images)
    deleted = [one_by_one(classifier, images[i], maps[i], images[i], blurred[i], 7) for i in range(2)]
    inserted = [one_by_one(classifier, images[i], maps[i], blurred[i], images[i], 7) for i in range(2)]
    assert found.deletion.mean == pytest.approx(np.mean(deleted, axis=0), abs=1e-6)
    assert found.insertion.mean == pytest.approx(np.mean(inserted, axis=0), abs=1e-6)
    assert found.deletion.areas == pytest.approx(
        [np.mean([(a + b) / 2 for a, b in pairwise(curve)]) for curve in deleted], abs=1e-6
    )
    assert found.shares == pytest.approx([step / 7 for step in range(8)])


def test_both_orders_run_between_the_picture_and_its_blur(bright):
    images, targets = bright
    classifier = region_reader()
    found = deletion_insertion(classifier, images, stack(REGION), targets, steps=4)
    whole, empty = (
        pred_probs(classifier, batch)[:, 1].mean() for batch in (images, blurred_pictures(images))
    )
    assert empty < whole - 0.2
    for curve in (
        found.deletion.mean,
        found.deletion.random_mean,
        found.insertion.mean[::-1],
        found.insertion.random_mean[::-1],
    ):
        assert (curve[0], curve[-1]) == pytest.approx((whole, empty), abs=1e-6)


def test_blocks_do_not_change_the_result(bright, monkeypatch):
    images, targets = bright
    whole = as_json(deletion_insertion(region_reader(), images, stack(REGION), targets, steps=5))
    monkeypatch.setattr(faithfulness, "_BLOCK_BYTES", 3 * 18 * SIDE * SIDE)
    parts = as_json(deletion_insertion(region_reader(), images, stack(REGION), targets, steps=5))
    assert parts["insertion"]["random_mean"] == pytest.approx(whole["insertion"]["random_mean"], abs=1e-6)
    assert parts["deletion"]["gain"] == pytest.approx(whole["deletion"]["gain"], abs=1e-6)


def test_the_seed_decides_the_random_order(bright):
    images, targets = bright
    first, again, other = (
        deletion_insertion(region_reader(), images, stack(REGION), targets, steps=5, seed=seed)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first.deletion.random_areas, again.deletion.random_areas)
    assert not np.array_equal(first.deletion.random_areas, other.deletion.random_areas)
    assert np.array_equal(first.deletion.mean[[0, -1]], other.deletion.mean[[0, -1]])


def test_few_pictures_prove_nothing(bright):
    images, targets = bright
    found = deletion_insertion(region_reader(), images[:3], stack(REGION, 3), targets[:3], steps=10)
    assert found.deletion.gain > 0.1
    assert found.deletion.gain_interval == (-1, 1)
    assert found.deletion.verdict == f"{NO_BETTER} (too few pictures: 3 of at least 6)"


def test_a_forest_is_checked_as_well(bright):
    images, _ = bright
    dark = images.copy()
    dark[:, REGION > 0] //= 8
    forest = Forest((SIDE, SIDE, 1), 2, trees=10)
    forest.fit(np.concatenate([dark, images]), np.repeat([0, 1], 40), seed=0)
    found = deletion_insertion(
        checkpoint(forest), images[:8], stack(REGION, 8), np.ones(8, np.int64), steps=6
    )
    assert found.deletion.verdict == BETTER


def test_the_random_map_has_the_grain_of_the_map():
    maps = stack(REGION.astype(np.float64), 3)
    drawn = same_grain(maps, generator(0, "grain"))
    assert np.abs(np.fft.fft2(drawn)) == pytest.approx(np.abs(np.fft.fft2(maps)), abs=1e-9)
    correlations = np.corrcoef(np.concatenate([drawn, maps[:1]]).reshape(4, -1))
    assert np.abs(correlations[np.triu_indices(4, 1)]).max() < 0.9


def test_the_json_is_plain(bright):
    images, targets = bright
    found = deletion_insertion(region_reader(), images, stack(REGION), targets, steps=4)
    shown = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert (shown["n"], shown["steps"], shown["seed"]) == (40, 4, 0)
    assert len(shown["deletion"]["mean"]) == 5
    assert shown["deletion"]["interval"] == list(found.deletion.interval)
    assert shown["verdict"] == f"deletion: {BETTER}; insertion: {BETTER}"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"images": np.zeros((0, SIDE, SIDE, 1), np.uint8)}, DataError, "at least one picture"),
        ({"maps": np.zeros((6, 8, 8))}, DataError, "finite maps"),
        ({"maps": np.full((6, SIDE, SIDE), np.nan)}, DataError, "finite maps"),
        ({"targets": np.full(6, 2)}, DataError, "targets in 0..1"),
        ({"steps": 0}, SettingsError, "1 to 256"),
    ],
)
def test_what_does_not_fit_is_refused(bright, changes, error, words):
    given = {
        "images": bright[0][:6],
        "maps": stack(REGION, 6),
        "targets": np.ones(6, np.int64),
        "steps": 4,
    } | changes
    steps = given.pop("steps")
    with pytest.raises(error, match=words):
        deletion_insertion(region_reader(), **given, steps=steps)


def test_equal_gains_of_all_pictures_do_not_give_a_width_of_zero():
    copies = np.full(6, 0.2)
    shown = mean_interval(copies)
    assert shown.low < 0 < 0.2 < shown.high
    assert shown == pytest.approx(bounded_mean(copies, (-1, 1), generator(0, "shares")), abs=0.02)


@pytest.mark.parametrize("n", [6, 12])
def test_the_interval_of_few_skewed_gains_holds_their_mean(n):
    """Gains as they are measured: most small, some large. The percentile bootstrap holds 85 % at n = 6."""
    rng, draws = generator(0, "coverage"), 2000
    drawn = rng.beta(2, 5, size=(draws, n)) - 2 / 7
    assert sum(not mean_interval(one).excludes(0.0) for one in drawn) >= 0.94 * draws
