"""`predict` and `evaluate`: a checkpoint and pictures in, predictions and their score out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from lightfast.base.errors import CheckpointError
from lightfast.data.images import ImageSet
from lightfast.evaluate.calibration import fit_temperature
from lightfast.evaluate.metrics import Evaluation, score
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.tag_predictions import TagPredictions
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import predict_logits


def pred_probs(classifier: Checkpoint, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (N, H, W, C) → calibrated class probabilities, float32 (N, K);
    raises CheckpointError when it is no classifier.
    """
    _require_classifier(classifier)
    return softmax(predict_logits(classifier, images).astype(np.float64), axis=1).astype(np.float32)


def _require_classifier(checkpoint: Checkpoint) -> None:
    if checkpoint.role != "classifier":
        raise CheckpointError("predict", expected="a classifier checkpoint", got=f"a {checkpoint.role}")


def predict(classifier: Checkpoint, images: ImageSet) -> Predictions:
    """Read every picture. Labels travel along when the set's class list is the classifier's; another list is
    refused by name.

    Raises:
        CheckpointError: the set is labelled with other classes than the checkpoint's,
            or the checkpoint is no classifier.
    """
    _require_classifier(classifier)
    _require_task(classifier, "multi-class")
    if images.labels is not None:
        classifier.require_classes(images.class_names, images.name)
    seed = classifier.details.get("seed")
    return Predictions(
        pred_probs(classifier, images.images),
        classifier.class_names,
        images.ids,
        images.labels,
        images.name,
        seed,
    )


def tag_probs(classifier: Checkpoint, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (N, H, W, C) → float32 (N, K): the calibrated probability of every label on its own,
    of a multi-label classifier.
    """
    _require_classifier(classifier)
    _require_task(classifier, "multi-label")
    return expit(predict_logits(classifier, images).astype(np.float64)).astype(np.float32)


def predict_tags(classifier: Checkpoint, images: ImageSet) -> TagPredictions:
    """Read every picture with a multi-label classifier, at its own thresholds; tags travel along where the
    set has them.

    Raises CheckpointError: the set's tags are of other classes than the checkpoint's, or the checkpoint gives
    one label a picture.
    """
    if images.tags is not None:
        classifier.require_classes(images.class_names, images.name)
    probs, seed = tag_probs(classifier, images.images), classifier.details.get("seed")
    thresholds = np.array(classifier.thresholds or (0.5,) * classifier.outputs)
    return TagPredictions(
        probs, thresholds, classifier.class_names, images.ids, images.tags, images.name, seed
    )


def probs_of(classifier: Checkpoint, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities float32 (N, K) of any classifier: of several labels a picture each on its own."""
    return (tag_probs if classifier.task == "multi-label" else pred_probs)(classifier, images)


def _require_task(classifier: Checkpoint, task: str) -> None:
    if classifier.task != task:
        cure = (
            "Give pictures with any number of labels."
            if task == "multi-class"
            else "Give pictures with one label each."
        )
        raise CheckpointError(f"this classifier is {classifier.task}", expected=f"a {task} one", cure=cure)


def evaluate(classifier: Checkpoint, images: ImageSet) -> Evaluation:
    """Predict and score a labelled set."""
    images.require_labels()
    return score(predict(classifier, images))


def calibrate(classifier: Checkpoint, val_images: ImageSet) -> Checkpoint:
    """A copy whose temperature makes its probabilities most likely on `val_images` (Guo et al. 2017); the
    ranking stays.

    Without validation pictures the temperature stays 1 and the details say so.
    """
    if not len(val_images):
        return classifier.replace(temperature=1.0, details={**classifier.details, "calibrated_on": 0})
    plain = classifier.replace(temperature=1.0)
    logits = predict_logits(plain, val_images.images)
    if classifier.task == "multi-label":
        # Every label is a choice between yes and no: its logit against 0.
        tags = val_images.require_tags()
        temperature = fit_temperature(
            np.stack([np.zeros(logits.size), logits.reshape(-1)], axis=1), tags.reshape(-1).astype(np.int64)
        )
    else:
        temperature = fit_temperature(logits, val_images.require_labels())
    return plain.replace(
        temperature=temperature, details={**classifier.details, "calibrated_on": len(val_images)}
    )
