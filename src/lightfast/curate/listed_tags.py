"""Several labels a picture: labels that are missing, and labels that are there and should not be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.train.label_quality import label_issue_mask, label_quality


@dataclass(frozen=True)
class TagIssue:
    """One label of one picture that is probably wrong.

    Attributes:
        row: of the picture.
        label: number of the label.
        missing: whether the picture should carry it and does not; else it carries it and should not.
        probability: of the label, by models that never saw the picture, 0..1.
        label_quality: 0..1: how probable what was said is beside the opposite; low: probably wrong.
        reason: in words.
    """

    row: int
    label: int
    missing: bool
    probability: float
    label_quality: float
    reason: str


def find_tag_issues(
    pred_probs: NDArray[np.floating], tags: NDArray[np.bool_], class_names: tuple[str, ...]
) -> tuple[TagIssue, ...]:
    """Every missing and every superfluous label, the most doubtful first.

    Each label is a question of its own with two answers, judged as a label of two classes is: an issue where
    the opposite answer is confidently more probable (`label_issue_mask`).

    Args:
        pred_probs: float (N, K), out of sample: how probable each label is.
        tags: bool (N, K).
        class_names: K names.
    """
    found: list[TagIssue] = []
    for label, name in enumerate(class_names):
        said = tags[:, label].astype(np.int64)
        if len(np.unique(said)) < 2:
            # Carried by all pictures or by none: nothing could be learned about it.
            continue
        probs = np.stack([1 - pred_probs[:, label], pred_probs[:, label]], axis=1)
        quality = label_quality(probs, said)
        for row in np.flatnonzero(label_issue_mask(probs, said)).tolist():
            probability, missing = float(pred_probs[row, label]), not said[row]
            reason = (
                f"probably also {name} ({probability:.0%}), which is missing"
                if missing
                else f"labelled {name}, which is improbable ({probability:.1%})"
            )
            found.append(TagIssue(row, label, missing, probability, float(quality[row]), reason))
    return tuple(sorted(found, key=lambda one: (one.label_quality, one.row, one.label)))
