"""The control where the classifier may be trained: against an enhancer, on the same test pictures."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import predict
from lightfast.models.checkpoint import Checkpoint
from lightfast.restore.measure import degraded_images, measure
from lightfast.restore.pairs import DamageMix
from lightfast.restore.refit import measure_refit, refit_classifier
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe

NOISE = DamageMix((("gaussian_noise", 3),), clean_share=0.5)


@pytest.fixture(scope="module")
def classifier(blobs: ImageSet) -> Checkpoint:
    """A small network of one epoch."""
    return fit(blobs, blobs, model="cnn", recipe=Recipe.of(epochs=1), config={"widths": [4], "dense": 8})


def test_the_figures_are_those_of_the_refitted_network_on_the_same_pictures(classifier, blobs):
    own = measure((classifier, classifier), blobs, NOISE, seed=2)
    refit = measure_refit(classifier, (blobs, blobs), NOISE, own, seed=2)
    refitted = refit_classifier(classifier, (blobs, blobs), NOISE, seed=2)
    assert (refit.pictures, refit.damaged) == (len(blobs), True)
    for state, images in (("clean", blobs), ("degraded", degraded_images(blobs, NOISE, 2))):
        test = getattr(refit, state)
        assert test.before_accuracy == predict(classifier, images).correct.mean()
        assert test.after_accuracy == predict(refitted, images).correct.mean()


def test_damaged_copies_are_learnt_beside_the_clean_ones(classifier, blobs):
    refitted = [refit_classifier(classifier, (blobs, blobs), mix) for mix in (None, NOISE)]
    assert [one.details["n_train"] for one in refitted] == [len(blobs), 2 * len(blobs)]


def test_the_sentence_tells_both_figures_and_their_difference(classifier, blobs):
    refit = measure_refit(
        classifier, (blobs, blobs), None, measure((classifier, classifier), blobs, NOISE, seed=2)
    )
    said = refit.sentence()
    assert said.startswith("If you may retrain: without any enhancer, the classifier with its last layer")
    assert f"the same {len(blobs)} pictures reads" in said
    assert said.count("against the enhancer") == 2
    assert f"{100 * refit.degraded.after_accuracy:.2f} %" in said


def test_what_could_not_be_made_says_why(classifier, blobs):
    own = measure((classifier, classifier), blobs.take(np.arange(9)), None)
    headless = measure_refit(classifier.replace(outputs=4), (blobs, blobs), None, own)
    assert headless.clean is None
    assert "not compared" in headless.sentence()
    assert "last layer" in headless.sentence()
    assert (
        "no validation pictures" in measure_refit(classifier, (blobs, blobs.take([])), None, own).sentence()
    )
