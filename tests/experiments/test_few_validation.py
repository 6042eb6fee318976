"""Heads compared out of fold where validation pictures are few."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.experiments.few_validation import HEAD_FOLDS, fold_losses
from lightfast.train.linear import LinearData, LinearSettings


def _rows(count: int, seed: int, noise: float = 1.0) -> tuple[LinearData, LinearData]:
    """Training rows with mirror images behind them, and validation rows: the first four columns tell the
    class, the next forty nothing.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    told = 3 * np.eye(4)[labels] + rng.normal(0, noise, (count, 4))
    features = np.hstack([told, rng.normal(0, 1, (count, 40))]).astype(np.float32)
    mirrored = features + rng.normal(0, 0.1, features.shape).astype(np.float32)
    cut = 4 * count // 5
    pictures = np.concatenate([np.arange(cut), np.arange(cut)])
    train = LinearData(
        np.concatenate([features[:cut], mirrored[:cut]]),
        np.concatenate([labels[:cut], labels[:cut]]),
        groups=pictures,
    )
    return train, LinearData(features[cut:], labels[cut:])


def test_columns_that_tell_the_class_have_the_lower_loss() -> None:
    train, val = _rows(120, 0)
    told = fold_losses(train, val, slice(0, 4), 3, LinearSettings())
    nothing = fold_losses(train, val, slice(4, None), 3, LinearSettings())
    assert told is not None
    assert nothing is not None
    assert len(told.losses) == len(nothing.losses) == 120
    assert told.losses.mean() < 0.3 < nothing.losses.mean()
    assert told.accuracy > 0.9 > 0.6 > nothing.accuracy


def test_a_mirror_image_does_not_teach_the_fold_in_which_its_picture_is_read() -> None:
    """Labels by chance: whoever had seen the mirror image would know them."""
    train, val = _rows(120, 1)
    rng = np.random.default_rng(2)
    labels = rng.permutation(np.arange(96) % 3)
    chance = LinearData(train.features, np.concatenate([labels, labels]), groups=train.groups)
    found = fold_losses(chance, val, slice(4, None), 3, LinearSettings())
    assert found is not None
    assert found.losses[:96].mean() > 0.95 * np.log(3)


@pytest.mark.parametrize(("count", "known"), [(3 * HEAD_FOLDS, True), (3 * HEAD_FOLDS - 3, False)])
def test_too_few_of_a_class_are_not_compared(count: int, known: bool) -> None:
    found = fold_losses(*_rows(count, 3), slice(None), 3, LinearSettings())
    assert (found is not None) is known
