"""`predict` and `evaluate`: a checkpoint and pictures in, predictions and their score out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from lightfast.base.errors import CheckpointError
from lightfast.data.images import ImageSet
from lightfast.evaluate.calibration import fit_temperature
from lightfast.evaluate.metrics import Evaluation, score
from lightfast.evaluate.predictions import Predictions
from lightfast.models.checkpoint import Checkpoint, predict_logits


def pred_probs(classifier: Checkpoint, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (N, H, W, C) → calibrated class probabilities, float32 (N, K); raises CheckpointError when it is no classifier."""
    _require_classifier(classifier)
    return softmax(predict_logits(classifier, images).astype(np.float64), axis=1).astype(np.float32)


def _require_classifier(checkpoint: Checkpoint) -> None:
    if checkpoint.role != "classifier":
        raise CheckpointError("predict", expected="a classifier checkpoint", got=f"a {checkpoint.role}")


def predict(classifier: Checkpoint, images: ImageSet) -> Predictions:
    """Read every picture. Labels travel along when the set's class list is the classifier's; another list is refused by name.

    Raises:
        CheckpointError: the set is labelled with other classes than the checkpoint's, or the checkpoint is no classifier.
    """
    _require_classifier(classifier)
    if images.labels is not None:
        classifier.require_classes(images.class_names, images.name)
    seed = classifier.details.get("seed")
    return Predictions(pred_probs(classifier, images.images), classifier.class_names, images.ids, images.labels, images.name, seed)


def evaluate(classifier: Checkpoint, images: ImageSet) -> Evaluation:
    """Predict and score a labelled set."""
    images.require_labels()
    return score(predict(classifier, images))


def calibrate(classifier: Checkpoint, val_images: ImageSet) -> Checkpoint:
    """A copy whose temperature makes its probabilities most likely on `val_images` (Guo et al. 2017); the ranking stays.

    Without validation pictures the temperature stays 1 and the details say so.
    """
    if not len(val_images):
        return classifier.replace(temperature=1.0, details={**classifier.details, "calibrated_on": 0})
    plain = classifier.replace(temperature=1.0)
    temperature = fit_temperature(predict_logits(plain, val_images.images), val_images.require_labels())
    return plain.replace(temperature=temperature, details={**classifier.details, "calibrated_on": len(val_images)})
