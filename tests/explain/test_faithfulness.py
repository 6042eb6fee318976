from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.randomness import generator
from lightfast.data.preprocess import Preprocess
from lightfast.evaluate.predict import pred_probs
from lightfast.explain import faithfulness
from lightfast.explain.faithfulness import (
    BETTER,
    COULD_NOT_RUN,
    DEPENDS,
    HARDLY,
    NO_BETTER,
    UNDECIDED,
    WORSE,
    blurred_pictures,
    deletion_insertion,
    randomisation_check,
    same_grain,
)
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest

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
    whole = deletion_insertion(region_reader(), images, stack(REGION), targets, steps=5).as_json()
    monkeypatch.setattr(faithfulness, "_BLOCK_BYTES", 3 * 18 * SIDE * SIDE)
    parts = deletion_insertion(region_reader(), images, stack(REGION), targets, steps=5).as_json()
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
    shown = json.loads(json.dumps(found.as_json(), allow_nan=False))
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


# The weight-randomisation check.


def small_network(*, convolutional=False) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if convolutional:
            return nn.Sequential(
                nn.Conv2d(1, 8, 3, padding=1),
                nn.BatchNorm2d(8),
                nn.Conv2d(8, 8, 3, padding=1),
                nn.Tanh(),
                nn.AdaptiveAvgPool2d(4),
                nn.Flatten(),
                nn.Linear(128, 2),
            ).eval()
        convolution, head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4 * SIDE * SIDE, 2)
        return nn.Sequential(convolution, nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), head).eval()


def said(maps, targets, *, signed=False):
    return SimpleNamespace(maps=np.asarray(maps, np.float32), targets=targets, signed=signed)


def by_gradient(classifier, images, *, targets=None, signed=False, **_):
    """|gradient| of the target's logit: depends on the weights alone."""
    targets = np.ones(len(images), np.int64) if targets is None else targets
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).requires_grad_()
    classifier.logits(pixels)[torch.arange(len(images)), torch.from_numpy(targets)].sum().backward()
    return said(pixels.grad[:, 0].abs().numpy(), targets, signed=signed)


def by_picture(classifier, images, *, targets=None, **_):
    """The picture itself: looks at no network."""
    return said(images[..., 0], np.ones(len(images), np.int64) if targets is None else targets)


def test_maps_that_follow_the_weights_pass(bright):
    found = randomisation_check(checkpoint(small_network()), bright[0][:8], explain=by_gradient)
    assert found.verdict == DEPENDS
    assert found.rows[-1].part == "all weights"
    assert found.rows[-1].interval.high < 0.5


def test_maps_of_the_picture_alone_fail(bright):
    found = randomisation_check(checkpoint(small_network()), bright[0][:8], explain=by_picture)
    assert found.verdict == HARDLY
    assert [row.correlation for row in found.rows] == pytest.approx([1, 1, 1])


def test_the_weights_are_drawn_from_the_output_down(bright):
    network = small_network()
    # A batch norm as it is built has no spread to draw from.
    nn.init.uniform_(network[1].weight)
    changed = []

    def watching(classifier, images, **given):
        names = {
            name.partition(".")[0]
            for name, value in classifier.network.named_parameters()
            if not torch.equal(value, network.get_parameter(name))
        }
        changed.append(names)
        return by_picture(classifier, images, **given)

    found = randomisation_check(checkpoint(network), bright[0][:8], explain=watching)
    assert changed == [set(), {"4"}, {"1", "4"}] + [{"0", "1", "4"}] * 3
    parts = [(row.part, row.modules, row.draws) for row in found.rows]
    assert parts == [("the output layer", 1, 1), ("the upper half", 2, 1), ("all weights", 3, 3)]


def test_the_trained_network_is_left_as_it_was(bright):
    network = small_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    randomisation_check(checkpoint(network), bright[0][:8], explain=by_gradient)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module.training or module._forward_pre_hooks for module in network.modules())


def test_drawn_weights_keep_their_scale_and_batch_norms_measure_anew(bright):
    seen = []

    def keeping(classifier, images, **given):
        seen.append(classifier.network)
        return by_picture(classifier, images, **given)

    images = bright[0]
    trained = small_network()
    randomisation_check(checkpoint(trained), images, explain=keeping)
    drawn = seen[-1]
    assert drawn[4].weight.std().item() == pytest.approx(trained[4].weight.std().item(), rel=0.1)
    with torch.no_grad():
        maps = drawn[0](torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    assert drawn[1].running_mean.numpy() == pytest.approx(maps.mean(dim=(0, 2, 3)).numpy(), abs=1e-4)
    assert drawn[1].running_var.numpy() == pytest.approx(maps.var(dim=(0, 2, 3)).numpy(), rel=1e-3)
    assert (drawn[1].momentum, drawn[1].training) == (0.1, False)


def test_one_class_is_explained_throughout(bright):
    asked = []

    def asking(classifier, images, *, targets=None, **_):
        asked.append(targets)
        return by_picture(
            classifier, images, targets=np.arange(len(images)) % 2 if targets is None else targets
        )

    randomisation_check(checkpoint(small_network()), bright[0][:4], explain=asking)
    assert asked[0] is None
    assert all(np.array_equal(targets, [0, 1, 0, 1]) for targets in asked[1:])


def test_a_mere_change_of_sign_is_no_change(bright):
    calls = []

    def flipping(classifier, images, *, targets=None, **_):
        calls.append(1)
        sign = 1 if len(calls) == 1 else -1
        return said(sign * (images[..., 0] - 60.0), np.ones(len(images), np.int64), signed=True)

    found = randomisation_check(checkpoint(small_network()), bright[0][:8], explain=flipping)
    assert (found.verdict, found.ranked) == (HARDLY, "magnitude")


def test_flat_maps_are_counted(bright):
    calls = []

    def flat_later(classifier, images, *, targets=None, **_):
        calls.append(1)
        maps = images[..., 0].astype(np.float32)
        maps[0 if len(calls) == 1 else slice(None)] = 1
        return said(maps, np.ones(len(images), np.int64))

    found = randomisation_check(checkpoint(small_network()), bright[0][:8], explain=flat_later)
    assert (found.n, found.flat) == (7, 1)
    assert (found.rows[-1].flat, found.rows[-1].correlation) == (21, 0)
    # A network that answers nothing any more is no sign that the maps depended on what it had learned.
    assert found.verdict == f"{UNDECIDED} (21 of 21 maps were the same everywhere after the draw)"


def test_few_pictures_decide_nothing(bright):
    found = randomisation_check(checkpoint(small_network()), bright[0][:1], explain=by_gradient)
    assert found.verdict == f"{UNDECIDED} (too few pictures: 1 of at least 6)"
    assert found.rows[-1].interval == (-1, 1)


def test_a_forest_could_not_run(bright):
    found = randomisation_check(checkpoint(Forest((SIDE, SIDE, 1), 2)), bright[0][:8], method="occlusion")
    assert (found.verdict, found.reason) == (COULD_NOT_RUN, "a forest has no weights to draw anew")


def test_flat_maps_alone_could_not_run(bright):
    def flat(classifier, images, **_):
        return said(np.zeros(images.shape[:3]), np.ones(len(images), np.int64))

    found = randomisation_check(checkpoint(small_network()), bright[0][:8], explain=flat)
    assert (found.verdict, found.n, found.flat) == (COULD_NOT_RUN, 0, 8)


def test_the_same_seed_draws_the_same_weights(bright):
    first, again, other = (
        randomisation_check(checkpoint(small_network()), bright[0][:6], seed=seed, explain=by_gradient)
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first.rows != other.rows


def test_the_json_of_the_check_is_plain(bright):
    found = randomisation_check(checkpoint(small_network()), bright[0][:6], explain=by_gradient)
    shown = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert shown["rows"][-1]["interval"] == list(found.rows[-1].interval)
    assert set(shown) == {field.name for field in dataclasses.fields(found)}


def test_grad_cam_of_the_house_can_be_checked(bright):
    pytest.importorskip("lightfast.explain.attribution", reason="the explanations are not installed")
    found = randomisation_check(
        checkpoint(small_network(convolutional=True)), bright[0][:6], method="grad-cam"
    )
    assert [row.draws for row in found.rows] == [1, 1, 3]
    assert (found.n, found.flat) == (6, 0)
