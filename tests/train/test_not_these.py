"""A picture of which is only known what it is not lowers the probability of that class."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightfast.base.errors import DataError
from lightfast.data.images import ImageSet
from lightfast.data.ruled_out import RuledOut
from lightfast.evaluate.predict import predict
from lightfast.train.fit import fit
from lightfast.train.linear import LinearData, LinearSettings, fit_linear
from lightfast.train.loop import ArraySource
from lightfast.train.not_these import RuledOutRows, WithRuledOut, fit_linear_beside, why_unlearned
from lightfast.train.objectives import classification_loss, partly_labelled_loss, ruled_out_loss
from lightfast.train.recipe import Recipe, Training
from lightfast.train.transfer import _MapsObjective

CLASSES = 3


def test_the_loss_is_minus_the_log_of_what_is_left():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    ruled_out = torch.tensor([[True, False, False, True]]).expand(5, 4)
    left = logits.softmax(dim=1)[:, 1:3].sum(dim=1)
    torch.testing.assert_close(ruled_out_loss(logits, ruled_out), -left.log())


def test_the_loss_of_half_precision_is_counted_in_single():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    ruled_out = torch.tensor([[True, False, False, False]]).expand(5, 4)
    loss = ruled_out_loss(logits - 4 * ruled_out, ruled_out)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, ruled_out_loss((logits - 4 * ruled_out).float(), ruled_out))


def test_all_others_ruled_out_is_a_label():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    others = torch.nn.functional.one_hot(labels, 4) == 0
    wanted, _ = classification_loss(logits, labels)
    none = torch.full((6,), -1)
    torch.testing.assert_close(partly_labelled_loss(logits, (none, others))[0], wanted)
    half = torch.where(torch.arange(6) < 3, labels, -1)
    torch.testing.assert_close(partly_labelled_loss(logits, (half, others & (half < 0)[:, None]))[0], wanted)


def test_the_rows_stand_behind_the_labelled_ones():
    source = ArraySource((torch.zeros(2, 1), torch.tensor([1, 0])), (torch.zeros(1, 1), torch.tensor([1])))
    ruled_out = torch.tensor([[True, False]])
    pictures, labels, said = WithRuledOut(source, (torch.ones(1, 1),), ruled_out).epoch(0)
    assert (pictures[:, 0].tolist(), labels.tolist()) == ([0, 0, 1], [1, 0, -1])
    assert said.tolist() == [[False, False], [False, False], [True, False]]


@pytest.fixture
def between() -> tuple[LinearData, np.ndarray]:
    """Three classes in the plane, and places between the first two."""
    rng = np.random.default_rng(0)
    centres = np.array([[-2, 0], [2, 0], [0, 3]])
    labels = np.repeat(np.arange(CLASSES), 30)
    features = (centres[labels] + rng.normal(size=(90, 2))).astype(np.float32)
    return LinearData(features, labels), rng.normal(size=(20, 2)).astype(np.float32) * [0.4, 0.2]


def test_a_head_gives_a_ruled_out_class_less_and_the_others_the_rest(between):
    rows, places = between
    settings = LinearSettings(strengths=(0.01,))
    plain = fit_linear(rows, rows, CLASSES, settings).probs(places)
    for one in (0, 1):
        ruled_out = np.zeros((len(places), CLASSES), dtype=bool)
        ruled_out[:, one] = True
        beside = RuledOutRows(places.astype(np.float32), ruled_out)
        taught = fit_linear_beside(rows, rows, CLASSES, settings, beside).probs(places)
        assert (taught[:, one] < plain[:, one]).all()
        assert taught[:, one].mean() < 0.7 * plain[:, one].mean()


def _doubtful(blobs: ImageSet) -> ImageSet:
    """Pictures half way between the first two classes."""
    labels = blobs.require_labels()
    pair = [np.flatnonzero(labels == one)[:20] for one in (0, 1)]
    mixed = (blobs.images[pair[0]].astype(np.float32) + blobs.images[pair[1]]) / 2
    return ImageSet(mixed.astype(np.uint8), name="between")


@pytest.mark.parametrize("balance", ["none", "sampling"])
def test_a_network_learns_what_pictures_are_not(blobs: ImageSet, balance: str):
    images = _doubtful(blobs)
    recipe = Recipe.of(epochs=3, batch_size=32, keep="last", balance=balance)
    read = []
    for one in (0, 1):
        ruled_out = np.zeros((len(images), blobs.num_classes), dtype=bool)
        ruled_out[:, one] = True
        training = Training(ruled_out=RuledOut(images, ruled_out))
        made = fit(blobs, blobs, model="mlp", recipe=recipe, training=training)
        assert made.details["ruled_out"]["pictures"] == len(images)
        read.append(predict(made, images).pred_probs.mean(axis=0))
    assert read[0][0] < read[1][0] - 0.2
    assert read[1][1] < read[0][1] - 0.2


def test_the_accuracy_of_training_is_that_of_the_labelled_pictures(blobs: ImageSet):
    recipe = Recipe.of(epochs=3, batch_size=16, keep="last")
    plain = fit(blobs, blobs, model="mlp", recipe=recipe).history[-1]["train_accuracy"]
    images = ImageSet(np.concatenate([_doubtful(blobs).images] * 20), name="between")
    ruled_out = np.zeros((len(images), blobs.num_classes), dtype=bool)
    ruled_out[:, -1] = True
    beside = fit(
        blobs, blobs, model="mlp", recipe=recipe, training=Training(ruled_out=RuledOut(images, ruled_out))
    )
    assert plain > 0.9
    assert beside.history[-1]["train_accuracy"] > 0.9


def test_a_fine_tune_counts_them_too():
    maps, targets = torch.eye(3).half(), torch.tensor([0, 1, -1])
    ruled_out = torch.tensor([[False] * 3, [False] * 3, [True, False, True]])
    objective = _MapsObjective(0.0)
    drawn = torch.Generator().manual_seed(0)
    loss, _ = objective(torch.nn.Identity(), (maps, maps, targets, ruled_out), drawn)
    labelled, _ = classification_loss(maps[:2].float(), targets[:2])
    torch.testing.assert_close(loss, (2 * labelled + ruled_out_loss(maps.float(), ruled_out)[2]) / 3)


def test_what_cannot_learn_it_says_why(blobs: ImageSet):
    assert "forest" in why_unlearned("random-forest", {})
    assert "tree" in why_unlearned("lite0", {"head": "tree"})
    assert "robust" in why_unlearned("lite0", {"robust": True})
    assert why_unlearned("cnn", {}) == ""
    said = np.tile([True, False, False], (len(blobs), 1))[:, : blobs.num_classes]
    training = Training(ruled_out=RuledOut(ImageSet(blobs.images), said))
    made = fit(blobs, blobs, model="random-forest", config={"trees": 2}, training=training)
    assert "ruled_out" not in made.details


def test_other_classes_are_refused(blobs: ImageSet):
    few = RuledOut(ImageSet(blobs.images[:2]), np.array([[True, False]] * 2))
    with pytest.raises(DataError, match="known only for what they are not"):
        fit(blobs, blobs, model="mlp", training=Training(ruled_out=few))
