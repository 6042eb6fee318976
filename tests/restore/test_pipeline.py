"""Detect → restore → read again: rules fitted on validation data, no label looked at,
clean pictures unharmed, a frozen reader.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from lightfast.base.errors import CheckpointError
from lightfast.base.randomness import generator
from lightfast.corrupt.suite import corrupt
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import evaluate
from lightfast.models.infer import restore
from lightfast.restore.denoise import RestorerPlan, fit_restorer
from lightfast.restore.detector import Damage, DetectorPlan, detect, fit_detector
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline, RepairCalibration, calibrate_pipeline, keep_restored, repair
from lightfast.restore.recognition import frozen_classifier
from lightfast.restore.rules import NEVER_KEPT
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe

MIX = DamageMix((("brightness", 5), ("stripe", 3)), clean_share=0.3)
SMALL = {"widths": [8, 8], "dense": 16, "dropout": 0.0}


@pytest.fixture(scope="module")
def pipeline(blobs: ImageSet) -> Pipeline:
    recipe = Recipe(epochs=6, batch_size=16, learning_rate=1e-2)
    classifier = fit(blobs, blobs, recipe=recipe, config=SMALL)
    detector = fit_detector(
        blobs, blobs, MIX, plan=DetectorPlan(config=SMALL, recipe=recipe.model_copy(update={"epochs": 12}))
    )
    restorer = fit_restorer(
        blobs,
        blobs,
        MIX,
        classifier=classifier,
        plan=RestorerPlan(config={"width": 8, "depth": 1}, recipe=recipe),
    )
    return calibrate_pipeline(classifier, (detector, restorer), blobs, MIX)


def test_the_detector_names_damage_and_clean(pipeline: Pipeline, blobs: ImageSet):
    striped = detect(pipeline.detector, corrupt(blobs, "stripe", 3).images)
    clean = detect(pipeline.detector, blobs.images)
    assert striped.names.count("stripe") > 100
    assert clean.names.count("clean") > 100
    assert set(striped.severity[striped.kind == 2]) == {3}
    assert (clean.severity[clean.is_clean] == 0).all()


def test_the_detector_says_unknown_below_its_threshold(pipeline: Pipeline, blobs: ImageSet):
    strict = pipeline.detector.replace(details={**pipeline.detector.details, "threshold": 1.1})
    assert set(detect(strict, blobs.images).names) == {"unknown"}


def test_repair_reads_damaged_pictures_better_and_clean_ones_the_same(pipeline: Pipeline, blobs: ImageSet):
    bright = repair(pipeline, corrupt(blobs, "brightness", 5))
    clean = repair(pipeline, blobs)
    assert bright.after.correct.mean() >= bright.before.correct.mean()
    assert clean.after.correct.mean() == clean.before.correct.mean()
    sure = clean.damage.is_clean
    assert (clean.restored[sure] == blobs.images[sure]).all()
    assert not clean.attempted[sure].any()


def test_no_label_is_looked_at(pipeline: Pipeline, blobs: ImageSet):
    damaged = corrupt(blobs, "stripe", 3)
    shuffled = dataclasses.replace(damaged, labels=np.roll(damaged.require_labels(), 1))
    unlabelled = dataclasses.replace(damaged, labels=None)
    results = [repair(pipeline, images) for images in (damaged, shuffled, unlabelled)]
    for other in results[1:]:
        assert (other.after.pred_probs == results[0].after.pred_probs).all()
        assert other.reasons == results[0].reasons
        assert (other.kept == results[0].kept).all()
        assert (other.restored == results[0].restored).all()


def test_the_classifier_stays_bit_identical_while_a_restorer_learns_through_it(blobs: ImageSet):
    classifier = fit(blobs, blobs, recipe=Recipe(epochs=1), config=SMALL)
    before = {key: tensor.clone() for key, tensor in classifier.torch_network.state_dict().items()}
    plan = RestorerPlan(config={"width": 8, "depth": 1}, recognition=1.0, recipe=Recipe(epochs=1))
    fit_restorer(blobs, blobs, MIX, classifier=classifier, plan=plan)
    assert all(
        torch.equal(before[key], tensor) for key, tensor in classifier.torch_network.state_dict().items()
    )


def test_gradients_flow_through_the_frozen_reader(pipeline: Pipeline):
    pixels = torch.rand(2, 1, 12, 12, requires_grad=True)
    frozen_classifier(pipeline.classifier)(pixels).sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in pipeline.classifier.torch_network.parameters())


def damage(names: list[str], kinds: tuple[str, ...] = ("clean", "fog", "stripe")) -> Damage:
    index = np.array([kinds.index(name) if name in kinds else -1 for name in names])
    return Damage(
        kinds, np.zeros((len(names), 3), dtype=np.float32), index, np.zeros(len(names), dtype=np.int64), 0.5
    )


def probs(*confidences: float) -> np.ndarray:
    return np.array([[value, 1 - value] for value in confidences], dtype=np.float32)


def test_a_reread_is_kept_by_the_margin_of_its_kind():
    calibration = RepairCalibration({"fog": 0.1, "stripe": NEVER_KEPT, "unknown": -1.0}, 1.0, 0.0, 0.99, 0)
    first = probs(0.7, 0.7, 0.7, 0.7, 0.7)
    again = probs(0.75, 0.85, 0.99, 0.6, 0.99)
    kept = keep_restored(calibration, damage(["fog", "fog", "stripe", "odd", "clean"]), first, again)
    assert kept.tolist() == [False, True, False, True, False]


def test_doubtful_pictures_carry_their_reason(pipeline: Pipeline, blobs: ImageSet):
    strict = dataclasses.replace(
        pipeline,
        calibration=dataclasses.replace(pipeline.calibration, review_threshold=1.1, review_thresholds={}),
    )
    result = repair(strict, corrupt(blobs, "stripe", 3))
    assert result.needs_review.all()
    assert all("% sure" in reason for reason in result.reasons)


def test_a_pipeline_comes_back_from_disk(pipeline: Pipeline, blobs: ImageSet, tmp_path: Path):
    pipeline.save(tmp_path)
    back = Pipeline.load(tmp_path, pipeline.classifier)
    damaged = corrupt(blobs, "brightness", 5)
    assert (repair(back, damaged).after.pred_probs == repair(pipeline, damaged).after.pred_probs).all()
    with pytest.raises(CheckpointError, match="another class list"):
        Pipeline.load(tmp_path, pipeline.classifier.replace(class_names=("a", "b", "c")))


def test_pictures_of_another_shape_are_refused(pipeline: Pipeline):
    with pytest.raises(CheckpointError, match=r"expected pictures of \(12, 12, 1\).*size and channels"):
        repair(pipeline, ImageSet(np.zeros((2, 16, 16, 1), dtype=np.uint8)))


def test_a_restorer_is_refused_as_classifier_or_detector(pipeline: Pipeline, blobs: ImageSet):
    with pytest.raises(CheckpointError, match="expected a classifier checkpoint, got a restorer"):
        evaluate(pipeline.restorer, blobs)
    with pytest.raises(CheckpointError, match="expected a detector checkpoint"):
        detect(pipeline.restorer, blobs.images)
    with pytest.raises(CheckpointError, match="pictures with 1 channels, got 3"):
        restore(pipeline.restorer, generator(0, "x").integers(0, 255, (1, 12, 12, 3)).astype(np.uint8))
