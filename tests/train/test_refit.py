"""The last layer fitted anew: what it learns, what stays, and networks that have none."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from lightfast.base.errors import CheckpointError
from lightfast.models.infer import predict_logits
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe
from lightfast.train.refit import _features, head_of, refit_head


@pytest.fixture(scope="module")
def classifier(blobs):
    return fit(blobs, blobs, model="cnn", recipe=Recipe.of(epochs=1), config={"widths": [4], "dense": 8})


def accuracy(one, images) -> float:
    return float((predict_logits(one, images.images).argmax(axis=1) == images.require_labels()).mean())


def test_only_the_last_layer_changes(classifier, blobs):
    refitted, name = refit_head(classifier, blobs, blobs), head_of(classifier)
    before, after = (one.torch_network.state_dict() for one in (classifier, refitted))
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {f"{name}.weight", f"{name}.bias"}
    assert refitted.details["n_train"] == len(blobs)


def test_it_reads_as_a_logistic_regression_on_the_features_does(classifier, blobs):
    refitted, name = refit_head(classifier, blobs, blobs), head_of(classifier)
    features = _features(classifier, classifier.torch_network, name, blobs, lambda *_: None)
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-9)
    slow = LogisticRegression(C=1e3, max_iter=2000).fit(features, blobs.require_labels())
    assert accuracy(refitted, blobs) == pytest.approx(slow.score(features, blobs.require_labels()), abs=0.03)


def test_wrong_labels_are_learnt_as_they_are(classifier, blobs):
    turned = dataclasses.replace(blobs, labels=(blobs.require_labels() + 1) % blobs.num_classes)
    refitted = refit_head(classifier, turned, turned)
    assert accuracy(refitted, turned) > accuracy(refitted, blobs)


def test_a_forest_has_no_such_layer(blobs):
    forest = fit(blobs, blobs, model="random-forest", config={"trees": 3})
    with pytest.raises(CheckpointError, match="gradients"):
        refit_head(forest, blobs, blobs)


def test_a_layer_that_does_not_give_the_logits_is_refused(classifier, blobs):
    class Turned(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return -2 * self.inner(pictures)

    with pytest.raises(CheckpointError, match="does not give its logits"):
        refit_head(classifier.replace(network=Turned(classifier.torch_network)), blobs, blobs)


def test_pictures_of_other_classes_are_refused(classifier, blobs):
    with pytest.raises(CheckpointError, match="another class list"):
        refit_head(classifier, dataclasses.replace(blobs, class_names=("x", "y", "z")), blobs)
