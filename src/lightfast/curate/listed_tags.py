"""Several labels a picture: what is missing and what is superfluous as a list, the worst first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.curate.tag_issues import TagIssues


@dataclass(frozen=True)
class TagIssue:
    """One label of one picture that is probably wrong.

    Attributes:
        row: of the picture.
        label: number of the label.
        missing: whether the picture should carry it and does not; else it carries it and should not.
        probability: of the label, by models that never saw the picture, 0..1.
        label_quality: 0..1: how probable it is that what was said is right; low: probably wrong.
        reason: in words.
    """

    row: int
    label: int
    missing: bool
    probability: float
    label_quality: float
    reason: str


def listed_tag_issues(
    found: TagIssues, pred_probs: NDArray[np.floating], rows: NDArray[np.int64]
) -> tuple[TagIssue, ...]:
    """Every missing and every superfluous label, the most doubtful first.

    Args:
        found: judged pictures.
        pred_probs: float (N, K), what they were judged by.
        rows: int64 (N,): the number that each picture gets in the list.
    """
    issues: list[TagIssue] = []
    for place, label in np.argwhere(found.is_missing | found.is_superfluous).tolist():
        name, probability = found.class_names[label], float(pred_probs[place, label])
        missing = bool(found.is_missing[place, label])
        said = f"probably also {name!r} ({probability:.0%}), which is missing"
        reason = said if missing else f"labelled {name!r}, which is improbable ({probability:.1%})"
        quality = float(found.tag_quality[place, label])
        issues.append(TagIssue(int(rows[place]), label, missing, probability, quality, reason))
    return tuple(sorted(issues, key=lambda one: (one.label_quality, one.row, one.label)))
