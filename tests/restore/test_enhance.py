"""Learning picture changes through a frozen classifier: it stays as it was, λ is chosen by rule,
what does not help is refused.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError, DataError
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer
from lightfast.restore import enhance as module
from lightfast.restore.enhance import (
    EnhancerPlan,
    StrengthTrial,
    choose_strength,
    fit_enhancer,
    paper_enhancer_plan,
    weights_digest,
)
from lightfast.restore.measure import degraded_images, judge
from lightfast.restore.pairs import DamageMix
from lightfast.train.enhancement import Enhancement
from lightfast.train.fit import fit
from lightfast.train.objectives import Restoration
from lightfast.train.recipe import Recipe, Training

MIX = DamageMix((("contrast", 4), ("gaussian_noise", 2)), clean_share=0.5)
SMALL = EnhancerPlan(
    config={"width": 4, "depth": 1},
    strengths=(1.0,),
    mix=MIX,
    recipe=Recipe(epochs=1, batch_size=32, learning_rate=1e-2),
)


class Same(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return pixels


class Negative(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return 1 - pixels


def built(network: nn.Module) -> Checkpoint:
    """A hand-made enhancer of the blobs."""
    return Checkpoint("restorer", "unet", (12, 12, 1), 0, (), Preprocess.identity((12, 12, 1)), network)


@pytest.fixture(scope="module")
def classifier(blobs: ImageSet) -> Checkpoint:
    """Reads the blobs; with batch norm, whose statistics must not move."""
    recipe = Recipe(epochs=6, batch_size=16, learning_rate=1e-2)
    made = fit(blobs, blobs, recipe=recipe, config={"widths": [8, 8], "dense": 16, "dropout": 0.0})
    assert any(isinstance(part, nn.BatchNorm2d) for part in made.torch_network.modules())
    return made


@pytest.fixture
def negatives(blobs: ImageSet) -> ImageSet:
    """The blobs as negatives, which their classifier cannot read."""
    return blobs.derived(255 - blobs.images, step={"verb": "negative"}, name="negatives")


def test_weights_and_batch_norm_statistics_of_the_classifier_stay_bit_for_bit(
    classifier: Checkpoint, blobs: ImageSet
):
    before = {name: tensor.clone() for name, tensor in classifier.torch_network.state_dict().items()}
    made = fit_enhancer(classifier, blobs, blobs, plan=SMALL)
    after = classifier.torch_network.state_dict()
    assert any("running_mean" in name for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert made.enhancer.details["classifier_digest"] == weights_digest(classifier.torch_network)


def test_it_begins_as_the_restorer_that_is_given(classifier: Checkpoint, blobs: ImageSet):
    still = dataclasses.replace(
        SMALL, recipe=Recipe(epochs=1, batch_size=16, learning_rate=1e-12, weight_decay=0)
    )
    first = fit_enhancer(classifier, blobs, blobs, plan=SMALL).enhancer
    again = fit_enhancer(classifier, blobs, blobs, plan=still, begin=first).enhancer
    pairs = zip(first.torch_network.parameters(), again.torch_network.parameters(), strict=True)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in pairs)
    with pytest.raises(CheckpointError, match="begin: expected a restorer"):
        fit_enhancer(
            classifier, blobs, blobs, plan=dataclasses.replace(still, model="paper-unet"), begin=first
        )


def test_one_changed_number_changes_the_digest(classifier: Checkpoint, blobs: ImageSet):
    network = fit(blobs, blobs, recipe=Recipe(epochs=1), config={"widths": [4], "dense": 4}).torch_network
    before = weights_digest(network)
    statistics = next(buffer for name, buffer in network.named_buffers() if "running_var" in name)
    statistics[0] = torch.nextafter(statistics[0], torch.tensor(9.0))
    assert weights_digest(network) != before


def test_it_learns_to_help_a_classifier_that_cannot_read_these_pictures(
    classifier: Checkpoint, negatives: ImageSet
):
    plan = dataclasses.replace(
        SMALL, strengths=(0.0,), mix=None, recipe=Recipe(epochs=12, batch_size=16, learning_rate=2e-2)
    )
    made = fit_enhancer(classifier, negatives, negatives, plan=plan)
    assert made.gate.clean is not None
    assert made.gate.clean.difference > 0.2
    assert made.gate.passed


def test_the_gate_passes_what_helps_and_says_by_how_much(classifier: Checkpoint, negatives: ImageSet):
    gate = judge(classifier, prepend_enhancer(built(Negative()), classifier), negatives, MIX)
    assert gate.passed
    assert gate.clean is not None
    assert gate.clean.difference_interval.low > 0
    assert gate.degraded is not None
    assert "the interval lies above 0" in gate.reason
    assert "120 clean validation pictures" in gate.reason


def test_the_gate_refuses_what_changes_nothing_and_what_harms(classifier: Checkpoint, blobs: ImageSet):
    for network in (Same(), Negative()):
        gate = judge(classifier, prepend_enhancer(built(network), classifier), blobs, None)
        assert not gate.passed
        assert gate.degraded is None
        assert "a gain is not shown" in gate.reason


def test_without_validation_pictures_nothing_passes(classifier: Checkpoint, negatives: ImageSet):
    gate = judge(classifier, prepend_enhancer(built(Negative()), classifier), negatives.take([]), None)
    assert (gate.passed, gate.clean) == (False, None)
    assert "no validation pictures" in gate.reason


@pytest.mark.parametrize(
    "errors, expected",
    [
        ((1.0, 1.05, 1.3), 1.0),
        ((1.3, 1.0, 1.05), 3.0),
        ((1.0, 1.2, 1.3), 0.3),
        ((1.2, 1.2, 1.2), 3.0),
        ((1.3, 1.2, 1.0), 3.0),
    ],
)
def test_of_equally_good_strengths_the_largest_is_taken(errors: tuple[float, ...], expected: float):
    tried = [
        StrengthTrial(strength, 2, error, 0.1, 0.5, 0.1)
        for strength, error in zip((0.3, 1.0, 3.0), errors, strict=True)
    ]
    assert choose_strength(tried) == expected


def test_the_standard_error_is_that_of_the_best():
    assert (
        choose_strength(
            [StrengthTrial(0.1, 1, 1.0, 0.01, 0.5, 0.1), StrengthTrial(1.0, 1, 1.1, 9.0, 0.5, 0.1)]
        )
        == 0.1
    )


def test_every_strength_is_tried_and_the_rule_decides(classifier: Checkpoint, blobs: ImageSet):
    plan = dataclasses.replace(SMALL, strengths=(0.1, 5.0), trial_epochs=1)
    made = fit_enhancer(classifier, blobs, blobs, plan=plan)
    tried = [StrengthTrial(**one) for one in made.enhancer.details["tried"]]
    assert [one.strength for one in tried] == [0.1, 5.0]
    assert made.enhancer.details["strength"] == choose_strength(tried)


def test_an_interrupted_training_ends_in_the_same_enhancer(
    classifier: Checkpoint, blobs: ImageSet, tmp_path: Path
):
    plan = dataclasses.replace(
        SMALL,
        recipe=Recipe(epochs=3, batch_size=32, augment="shift", averaging=0.9),
        reconstruct=Recipe(epochs=1, batch_size=32),
    )

    def interrupt(label: str, done: int, total: int, detail: str = "") -> None:
        if label == "enhancer" and done > 1500:
            raise KeyboardInterrupt

    through = fit_enhancer(classifier, blobs, blobs, plan=plan, training=Training(seed=4))
    with pytest.raises(KeyboardInterrupt):
        fit_enhancer(
            classifier, blobs, blobs, plan=plan, training=Training(seed=4, folder=tmp_path, report=interrupt)
        )
    resumed = fit_enhancer(
        classifier, blobs, blobs, plan=plan, training=Training(seed=4, folder=tmp_path, resume=True)
    )
    assert weights_digest(resumed.enhancer.torch_network) == weights_digest(through.enhancer.torch_network)
    assert resumed.gate == through.gate


def test_the_papers_way_reproduces_the_picture_first_and_then_only_reads(
    classifier: Checkpoint, blobs: ImageSet, monkeypatch
):
    steps: list[tuple[Any, int]] = []
    real = module.train

    def noted(network, source, objective, recipe, **given):
        clean, target, *_ = source.epoch(0)
        assert torch.equal(clean, target)
        steps.append((objective, recipe.epochs))
        return real(network, source, objective, recipe.updated(["epochs=1"]), **given)

    monkeypatch.setattr(module, "train", noted)
    made = fit_enhancer(
        classifier, blobs, blobs, plan=paper_enhancer_plan(config={"width": 4, "depth": 1}, epochs=(2, 3))
    )
    (first, first_epochs), (second, second_epochs) = steps
    assert isinstance(first, Restoration)
    assert isinstance(second, Enhancement)
    assert (second.strength, second.augment, first_epochs, second_epochs) == (0.0, "none", 2, 3)
    assert (made.enhancer.model, made.gate.degraded) == ("paper-unet", None)


def test_every_picture_is_degraded_in_one_of_the_ways(blobs: ImageSet):
    damaged = degraded_images(blobs, MIX, seed=1)
    assert (damaged.images != blobs.images).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(damaged.images, degraded_images(blobs, MIX, seed=1).images)
    assert (damaged.ids, damaged.parent) == (blobs.ids, blobs.version)


def test_what_cannot_be_learnt_through_is_refused(classifier: Checkpoint, blobs: ImageSet):
    forest = fit(blobs, blobs, model="random-forest", config={"trees": 3})
    with pytest.raises(CheckpointError, match=r"random-forest has no gradients.*cnn"):
        fit_enhancer(forest, blobs, blobs, plan=SMALL)
    with pytest.raises(CheckpointError, match="expected a classifier of one label a picture"):
        fit_enhancer(classifier.replace(task="multi-label"), blobs, blobs, plan=SMALL)
    with pytest.raises(CheckpointError, match=r"another class list.*missing there: right"):
        fit_enhancer(
            classifier, dataclasses.replace(blobs, class_names=("left", "middle", "up")), blobs, plan=SMALL
        )
    with pytest.raises(DataError, match=r"expected pictures of \(12, 12, 1\)"):
        fit_enhancer(classifier, dataclasses.replace(blobs, images=blobs.images[:, :8]), blobs, plan=SMALL)
