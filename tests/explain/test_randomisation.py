from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.preprocess import Preprocess
from lightfast.explain.randomisation import COULD_NOT_RUN, DEPENDS, HARDLY, UNDECIDED, randomisation_check
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest

SIDE = 16


def checkpoint(network) -> Checkpoint:
    shape = (SIDE, SIDE, 1)
    return Checkpoint(
        "classifier", "by-hand", shape, 2, ("dark", "bright"), Preprocess.identity(shape), network
    )


@pytest.fixture(scope="module")
def pictures():
    """40 pictures of noise, uint8 (40, SIDE, SIDE, 1)."""
    return generator(3, "pictures").integers(0, 256, (40, SIDE, SIDE, 1)).astype(np.uint8)


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


def test_maps_that_follow_the_weights_pass(pictures):
    found = randomisation_check(checkpoint(small_network()), pictures[:8], explain=by_gradient)
    assert found.verdict == DEPENDS
    assert found.rows[-1].part == "all weights"
    assert found.rows[-1].interval.high < 0.5


def test_maps_of_the_picture_alone_fail(pictures):
    found = randomisation_check(checkpoint(small_network()), pictures[:8], explain=by_picture)
    assert found.verdict == HARDLY
    assert [row.correlation for row in found.rows] == pytest.approx([1, 1, 1])


def test_the_weights_are_drawn_from_the_output_down(pictures):
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

    found = randomisation_check(checkpoint(network), pictures[:8], explain=watching)
    assert changed == [set(), {"4"}, {"1", "4"}] + [{"0", "1", "4"}] * 3
    parts = [(row.part, row.modules, row.draws) for row in found.rows]
    assert parts == [("the output layer", 1, 1), ("the upper half", 2, 1), ("all weights", 3, 3)]


def test_the_trained_network_is_left_as_it_was(pictures):
    network = small_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    randomisation_check(checkpoint(network), pictures[:8], explain=by_gradient)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module.training or module._forward_pre_hooks for module in network.modules())


def test_drawn_weights_keep_their_scale_and_batch_norms_measure_anew(pictures):
    seen = []

    def keeping(classifier, images, **given):
        seen.append(classifier.network)
        return by_picture(classifier, images, **given)

    images = pictures
    trained = small_network()
    randomisation_check(checkpoint(trained), images, explain=keeping)
    drawn = seen[-1]
    assert drawn[4].weight.std().item() == pytest.approx(trained[4].weight.std().item(), rel=0.1)
    with torch.no_grad():
        maps = drawn[0](torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    assert drawn[1].running_mean.numpy() == pytest.approx(maps.mean(dim=(0, 2, 3)).numpy(), abs=1e-4)
    assert drawn[1].running_var.numpy() == pytest.approx(maps.var(dim=(0, 2, 3)).numpy(), rel=1e-3)
    assert (drawn[1].momentum, drawn[1].training) == (0.1, False)


def test_one_class_is_explained_throughout(pictures):
    asked = []

    def asking(classifier, images, *, targets=None, **_):
        asked.append(targets)
        return by_picture(
            classifier, images, targets=np.arange(len(images)) % 2 if targets is None else targets
        )

    randomisation_check(checkpoint(small_network()), pictures[:4], explain=asking)
    assert asked[0] is None
    assert all(np.array_equal(targets, [0, 1, 0, 1]) for targets in asked[1:])


def test_a_mere_change_of_sign_is_no_change(pictures):
    calls = []

    def flipping(classifier, images, *, targets=None, **_):
        calls.append(1)
        sign = 1 if len(calls) == 1 else -1
        return said(sign * (images[..., 0] - 60.0), np.ones(len(images), np.int64), signed=True)

    found = randomisation_check(checkpoint(small_network()), pictures[:8], explain=flipping)
    assert (found.verdict, found.ranked) == (HARDLY, "magnitude")


def test_flat_maps_are_counted(pictures):
    calls = []

    def flat_later(classifier, images, *, targets=None, **_):
        calls.append(1)
        maps = images[..., 0].astype(np.float32)
        maps[0 if len(calls) == 1 else slice(None)] = 1
        return said(maps, np.ones(len(images), np.int64))

    found = randomisation_check(checkpoint(small_network()), pictures[:8], explain=flat_later)
    assert (found.n, found.flat) == (7, 1)
    assert (found.rows[-1].flat, found.rows[-1].correlation) == (21, 0)
    # A network that answers nothing any more is no sign that the maps depended on what it had learned.
    assert found.verdict == f"{UNDECIDED} (21 of 21 maps were the same everywhere after the draw)"


def test_few_pictures_decide_nothing(pictures):
    found = randomisation_check(checkpoint(small_network()), pictures[:1], explain=by_gradient)
    assert found.verdict == f"{UNDECIDED} (too few pictures: 1 of at least 6)"
    assert found.rows[-1].interval == (-1, 1)


def test_a_forest_could_not_run(pictures):
    found = randomisation_check(checkpoint(Forest((SIDE, SIDE, 1), 2)), pictures[:8], method="occlusion")
    assert (found.verdict, found.reason) == (COULD_NOT_RUN, "a forest has no weights to draw anew")


def test_flat_maps_alone_could_not_run(pictures):
    def flat(classifier, images, **_):
        return said(np.zeros(images.shape[:3]), np.ones(len(images), np.int64))

    found = randomisation_check(checkpoint(small_network()), pictures[:8], explain=flat)
    assert (found.verdict, found.n, found.flat) == (COULD_NOT_RUN, 0, 8)


def test_the_same_seed_draws_the_same_weights(pictures):
    first, again, other = (
        randomisation_check(checkpoint(small_network()), pictures[:6], seed=seed, explain=by_gradient)
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first.rows != other.rows


def test_the_json_of_the_check_is_plain(pictures):
    found = randomisation_check(checkpoint(small_network()), pictures[:6], explain=by_gradient)
    shown = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert shown["rows"][-1]["interval"] == list(found.rows[-1].interval)
    assert set(shown) == {field.name for field in dataclasses.fields(found)}


def test_grad_cam_of_the_house_can_be_checked(pictures):
    pytest.importorskip("lightfast.explain.attribution", reason="the explanations are not installed")
    found = randomisation_check(
        checkpoint(small_network(convolutional=True)), pictures[:6], method="grad-cam"
    )
    assert [row.draws for row in found.rows] == [1, 1, 3]
    assert (found.n, found.flat) == (6, 0)
