"""`LabelIssues`: which labels of a set are probably wrong, how many, and why; arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.statistics.intervals import Interval
from lightfast.train.label_quality import label_issue_mask, label_quality


@dataclass(frozen=True)
class WrongLabels:
    """How many of the `n` pictures given a class are probably wrong: an estimate with its 95 % interval."""

    class_name: str
    n: int
    wrong: float
    interval: Interval


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """N labelled pictures, judged.

    Attributes:
        class_names: K names, in the order of the label numbers.
        given_label: int64 (N,) in 0..K-1.
        suggested_label: int64 (N,): the best *other* class.
        label_quality: float64 (N,) in 0..1, all scores combined; low: probably wrong.
        scores: float64 (N,) in 0..1 of every single score by name, low: probably wrong; NaN where it could
            not be had.
        is_issue: bool (N,), below the automatic cut.
        cut: the label quality below which a label is an issue.
        wrong_by_class: one estimate a class, in the order of `class_names`.
        wrong: the estimate for all classes together.
        neighbours: int64 (N, k) the nearest other pictures, nearest first, where features were given.
    """

    class_names: tuple[str, ...]
    given_label: NDArray[np.int64]
    suggested_label: NDArray[np.int64]
    label_quality: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]
    is_issue: NDArray[np.bool_]
    cut: float
    wrong_by_class: tuple[WrongLabels, ...]
    wrong: WrongLabels
    neighbours: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.given_label)

    @cached_property
    def reason(self) -> tuple[str, ...]:
        """One sentence a picture: why its label is doubted, or that nothing speaks against it."""
        return tuple(self.reason_of(row) for row in range(len(self)))

    def reason_of(self, row: int) -> str:
        """The sentence of one picture."""
        given, other = (self.class_names[one] for one in (self.given_label[row], self.suggested_label[row]))
        if not self.is_issue[row]:
            return f"nothing speaks against {given}"
        return f"looks like {other} rather than {given}"

    def worst_first(self) -> NDArray[np.int64]:
        """int64 (N,): all rows, the most doubtful first; of equals the first."""
        return np.argsort(self.label_quality, kind="stable")


def find_label_issues(
    pred_probs: ArrayLike,
    labels: ArrayLike,
    *,
    features: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
    margins: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
) -> LabelIssues:
    """Judge every label by probabilities of models that were not trained on its row, and by what else is at hand.

    Args:
        pred_probs: float (N, K), out of sample, rows sum to 1; columns in the order of `class_names`
            (`matched_columns` brings them there).
        labels: int (N,) given labels in 0..K-1.
        features: float (N, D) of the same pictures, for the neighbours.
        repeats: float (R, N, K): the out-of-sample probabilities of every repeat, where there were several.
        margins: float (N, E): margin of the given label in every epoch of a training (the history of a run
            keeps it); NaN where a picture was not in it.
        class_names: K names; the numbers where there are none.

    Raises DataError for shapes that do not fit, NaN, labels out of range and rows that do not sum to 1.
    """
    probs, given = np.asarray(pred_probs), np.asarray(labels, dtype=np.int64)
    names = tuple(map(str, class_names or range(probs.shape[1])))
    others = probs.astype(np.float64)
    others[np.arange(len(given)), given] = -1
    mask, quality = label_issue_mask(probs, given), label_quality(probs, given)
    counted = tuple(
        WrongLabels(
            name,
            int((given == k).sum()),
            float(mask[given == k].sum()),
            Interval(0.0, float((given == k).sum())),
        )
        for k, name in enumerate(names)
    )
    return LabelIssues(
        names,
        given,
        others.argmax(axis=1).astype(np.int64),
        quality,
        {"self_confidence": probs[np.arange(len(given)), given].astype(np.float64)},
        mask,
        float(quality[mask].max(initial=0.0)),
        counted,
        WrongLabels("all classes", len(given), float(mask.sum()), Interval(0.0, float(len(given)))),
    )


def matched_columns(
    pred_probs: ArrayLike, prob_names: Sequence[str], class_names: Sequence[str]
) -> NDArray[Any]:
    """`pred_probs` (N, K) with its columns, called `prob_names`, in the order of `class_names`.

    Raises DataError where the two are not the same names, each once.
    """
    probs = np.asarray(pred_probs)
    return probs[:, [list(prob_names).index(name) for name in class_names]]
