"""Remedies for uneven classes: weights, even draws, moved repeats."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.evaluate.predict import evaluate
from lightfast.train.balance import BalancedDraws, class_weights
from lightfast.train.fit import fit
from lightfast.train.objectives import Classification
from lightfast.train.recipe import Recipe

LABELS = torch.tensor([0] * 12 + [1] * 6 + [2] * 3)


def batch() -> tuple[Tensor, Tensor]:
    """21 different pictures 6 × 6: 12, 6 and 3 of a class; the first pixel numbers them."""
    images = torch.randint(
        0, 256, (21, 6, 6, 1), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
    )
    images[:, 0, 0, 0] = torch.arange(21, dtype=torch.uint8)
    return images, LABELS


def source(*, moved: bool = False, seed: int = 0) -> BalancedDraws:
    return BalancedDraws(batch(), batch(), 3, seed, moved)


def test_weights_are_those_of_sklearn():
    from sklearn.utils.class_weight import compute_class_weight

    wanted = compute_class_weight("balanced", classes=np.arange(3), y=LABELS.numpy())
    np.testing.assert_allclose(class_weights(LABELS, 3).numpy(), wanted, rtol=1e-6)
    assert float(class_weights(LABELS, 3)[LABELS].mean()) == pytest.approx(1)


def test_an_epoch_shows_every_class_equally_often_and_every_picture_of_a_rare_class_as_often_as_it_can():
    images, labels = source().epoch(0)
    assert torch.bincount(labels).tolist() == [7, 7, 7]
    numbers = images[:, 0, 0, 0]
    assert (LABELS[numbers.long()] == labels).all()
    assert sorted(np.bincount(numbers[labels == 2].numpy(), minlength=21)[18:].tolist()) == [2, 2, 3]
    assert len(set(numbers[labels == 0].tolist())) == 7


def test_epochs_differ_and_repeat_themselves_and_follow_the_seed():
    drawn = [
        source(seed=seed).epoch(number)[0][:, 0, 0, 0].tolist()
        for seed, number in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert drawn[0] != drawn[3]


def test_only_repeated_draws_are_moved_and_the_pictures_at_rest_stay():
    moved = source(moved=True)
    before = moved.train[0].clone()
    images, labels = moved.epoch(0)
    known = {bytes(picture.numpy().tobytes()) for picture in batch()[0]}
    untouched = [picture.numpy().tobytes() in known for picture in images]
    assert sum(one for one, label in zip(untouched, labels.tolist(), strict=True) if label == 0) == 7
    assert sum(one for one, label in zip(untouched, labels.tolist(), strict=True) if label == 2) == 3
    assert torch.equal(moved.train[0], before)
    assert torch.equal(images, source(moved=True).epoch(0)[0])


def test_validation_keeps_its_own_shares():
    assert torch.bincount(source().validation()[1]).tolist() == [12, 6, 3]


class Fixed(nn.Module):
    """The same logits, whatever the picture."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, pictures: Tensor) -> Tensor:
        return self.logits


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_weighted_loss_is_torchs_weighted_sum_over_the_batch_size_and_validation_has_no_weights(
    smoothing: float,
):
    logits = torch.randn(21, 3, generator=torch.Generator().manual_seed(2))
    weights = class_weights(LABELS, 3)
    objective = Classification(Preprocess.identity((6, 6, 1)), smoothing, class_weights=weights)
    learnt, _ = objective(Fixed(logits), batch(), torch.Generator())
    watched, _ = objective(Fixed(logits), batch(), None)
    summed = functional.cross_entropy(
        logits, LABELS, weight=weights, label_smoothing=smoothing, reduction="sum"
    )
    assert float(learnt) == pytest.approx(float(summed) / 21, rel=1e-6)
    assert float(watched) == pytest.approx(float(functional.cross_entropy(logits, LABELS)), rel=1e-6)


def test_without_weights_the_loss_is_the_plain_mean():
    logits = torch.randn(21, 3, generator=torch.Generator().manual_seed(3))
    learnt, _ = Classification(Preprocess.identity((6, 6, 1)))(Fixed(logits), batch(), torch.Generator())
    assert float(learnt) == pytest.approx(float(functional.cross_entropy(logits, LABELS)), rel=1e-6)


@pytest.mark.parametrize("balance", ["weights", "sampling", "augment"])
def test_every_remedy_lifts_a_class_that_plain_training_misses(balance: str):
    rng = np.random.default_rng(4)
    # Two classes that overlap: without a remedy one rare picture among 40 is not worth a guess.
    labels = np.repeat([0, 1], [200, 5])
    images = np.clip(rng.normal(110, 30, (205, 6, 6, 1)) + 18 * labels[:, None, None, None], 0, 255).astype(
        np.uint8
    )
    even = np.repeat([0, 1], 100)
    fresh = np.clip(rng.normal(110, 30, (200, 6, 6, 1)) + 18 * even[:, None, None, None], 0, 255).astype(
        np.uint8
    )
    train, test = ImageSet(images, ("often", "rare"), labels), ImageSet(fresh, ("often", "rare"), even)
    recipe = Recipe.of(epochs=4, batch_size=32, learning_rate=3e-3, keep="last")
    config = {"hidden": [8], "dropout": 0.0}
    plain, mended = (
        evaluate(
            fit(train, test, model="mlp", recipe=recipe.updated([f"balance={one}"]), config=config), test
        )
        for one in ("none", balance)
    )
    assert mended.per_class[1].recall > plain.per_class[1].recall + 0.2
