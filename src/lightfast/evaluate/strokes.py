"""Predictions while it is drawn: after every stroke, and accuracy by the share that has been seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.data.decode.decode import resize_batch
from lightfast.data.stroke_pictures import draw_strokes
from lightfast.data.strokes import StrokeSet, after_every_stroke, checked_drawing
from lightfast.evaluate.predict import pred_probs
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.stroke_net import StrokeClassifier
from lightfast.statistics.intervals import Interval, wilson

SEEN_SHARES = tuple(round(0.1 * step, 1) for step in range(1, 11))
"""Of a drawing's points."""


@dataclass(frozen=True)
class SeenShare:
    """Accuracy when a share of every drawing's points has been seen, with its 95 % Wilson interval."""

    share: float
    accuracy: float
    interval: Interval
    n: int


def stroke_probs(classifier: StrokeClassifier | Checkpoint, strokes: StrokeSet) -> NDArray[np.float32]:
    """float32 (N, K): class probabilities of drawings as far as they go; a classifier of pictures reads them
    painted at its own size.
    """
    if isinstance(classifier, StrokeClassifier):
        return classifier.pred_probs(strokes)
    height, width, channels = classifier.image_shape
    if height != width:
        raise DataError(
            "pictures of strokes", expected="a classifier of square pictures", got=f"{height} × {width}"
        )
    pictures = draw_strokes(strokes, height).images
    return pred_probs(classifier, resize_batch(pictures, (height, width), channels))


def predict_strokes(
    classifier: StrokeClassifier | Checkpoint, drawing: Sequence[NDArray[np.floating]]
) -> NDArray[np.float32]:
    """What one drawing is read as while it is drawn: float32 (S, K), a row after each of its S strokes.

    Args:
        classifier: of strokes, or of square pictures, white on black.
        drawing: strokes in their order, each (P, 2): x to the right, y down, in any unit.

    What is there is framed by itself: no row knows of later strokes.
    """
    strokes = checked_drawing(drawing)
    return stroke_probs(classifier, StrokeSet(after_every_stroke(strokes)))


def accuracy_while_drawn(
    classifier: StrokeClassifier | Checkpoint, strokes: StrokeSet, shares: Sequence[float] = SEEN_SHARES
) -> tuple[tuple[SeenShare, ...], NDArray[np.bool_]]:
    """(accuracy at every share of the points, bool (shares, N) whether each drawing was read rightly).

    Raises DataError where the drawings have no labels, or other classes than the classifier.
    """
    labels = strokes.require_labels()
    if strokes.class_names != classifier.class_names:
        raise DataError(
            f"{strokes.name}: classes",
            expected=", ".join(classifier.class_names),
            got=", ".join(strokes.class_names),
        )
    right = np.stack(
        [stroke_probs(classifier, strokes.first_share(share)).argmax(axis=1) == labels for share in shares]
    )
    rows = tuple(
        SeenShare(share, float(one.mean()), wilson(int(one.sum()), len(one)), len(one))
        for share, one in zip(shares, right, strict=True)
    )
    return rows, right
