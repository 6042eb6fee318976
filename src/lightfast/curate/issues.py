"""`LabelIssues`: which labels of a set are probably wrong, how many, and why; arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.curate.combine import combine
from lightfast.curate.cut import IssueCut, WrongLabels, automatic_cut, count_wrong
from lightfast.curate.evidence import LabelEvidence, checked_evidence
from lightfast.curate.label_scores import SingleScores
from lightfast.curate.reasons import LabelWitness, label_reason

# Cosine from which two pictures count as the same one.
_SAME = 1 - 1e-4


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """N labelled pictures, judged.

    Attributes:
        class_names: K names, in the order of the label numbers.
        given_label: int64 (N,) in 0..K-1.
        suggested_label: int64 (N,): the best *other* class.
        label_quality: float64 (N,) in 0..1: how probable it is that the label is right, by all scores
            together; low: probably wrong.
        scores: (N,) in 0..1 of every single score by name, low: probably wrong; NaN where it could not be
            had.
        is_issue: bool (N,), at or below the automatic cut.
        cut: the automatic cut, with the precision and recall to expect.
        wrong_by_class: one estimate a class, in the order of `class_names`.
        wrong: the estimate for all classes together.
        transition: float64 (K, K), the estimated share of every given label (column) in a true class (row).
        pred_probs: float32 (N, K), the probabilities that were judged by.
        neighbours: int64 (N, k) the nearest other pictures, nearest first, where features were given.
        same_picture: int64 (N,), a row with the same features and another label, or −1.
        notes: what could not be done, in words.
    """

    class_names: tuple[str, ...]
    given_label: NDArray[np.int64]
    suggested_label: NDArray[np.int64]
    label_quality: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.floating]]
    is_issue: NDArray[np.bool_]
    cut: IssueCut
    wrong_by_class: tuple[WrongLabels, ...]
    wrong: WrongLabels
    transition: NDArray[np.float64]
    pred_probs: NDArray[np.float32]
    neighbours: NDArray[np.int64] | None = None
    same_picture: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.given_label)

    @cached_property
    def reason(self) -> tuple[str, ...]:
        """One sentence a picture: what speaks against its label, or that nothing does."""
        return tuple(self.reason_of(row) for row in range(len(self)))

    def reason_of(self, row: int) -> str:
        """The sentence of one picture."""
        given, other = int(self.given_label[row]), int(self.suggested_label[row])
        near = None if self.neighbours is None else self.given_label[self.neighbours[row]]
        twin = -1 if self.same_picture is None else int(self.same_picture[row])
        witness = LabelWitness(
            given=self.class_names[given],
            suggested=self.class_names[other],
            given_prob=float(self.pred_probs[row, given]),
            suggested_prob=float(self.pred_probs[row, other]),
            near=0 if near is None else len(near),
            near_given=0 if near is None else int((near == given).sum()),
            near_suggested=0 if near is None else int((near == other).sum()),
            twin="" if twin < 0 else self.class_names[self.given_label[twin]],
            scores={name: float(score[row]) for name, score in self.scores.items()},
        )
        return label_reason(witness, issue=bool(self.is_issue[row]))

    def worst_first(self) -> NDArray[np.int64]:
        """int64 (N,): all rows, the least probably right first; of equals the first."""
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
    """Judge every label by probabilities of models that were not trained on its row, and by what else there
    is.

    The combined quality is the chance that the label is right under a model of how labels came to be wrong
    (`curate.noise_model`), fitted on the given labels. docs/curate.md says how it ranks beside others.

    Args:
        pred_probs: float (N, K), out of sample, rows sum to 1; columns in the order of `class_names`
            (`matched_columns` brings them there).
        labels: int (N,) given labels in 0..K-1.
        features: float (N, D) of the same pictures, of a network that was not trained on these labels.
        repeats: float (R, N, K): the out-of-sample probabilities of every repeat, where there were several;
            their mean then stands for `pred_probs`.
        margins: float (N, E): margin of the given label in every epoch of a training (the history of a run
            keeps it), in −1..1, NaN where a picture was not in it. A score of its own and a word in the
            reason; it saw the labels, so it does not move the combined quality.
        class_names: K names; the numbers where there are none.

    Raises DataError for shapes that do not fit, NaN, labels out of range and rows that do not sum to 1.
    """
    evidence = checked_evidence(
        pred_probs, labels, features=features, repeats=repeats, margins=margins, class_names=class_names
    )
    given, found = evidence.labels, combine(evidence)
    quality = found.quality.astype(np.float64)
    cut = automatic_cut(quality)
    wrong_by_class, wrong = count_wrong(quality, given, evidence.class_names)
    near = found.neighbours
    return LabelIssues(
        class_names=evidence.class_names,
        given_label=given,
        suggested_label=found.suggested,
        label_quality=quality,
        scores=SingleScores(evidence, found.by_features),
        is_issue=quality <= cut.quality,
        cut=cut,
        wrong_by_class=wrong_by_class,
        wrong=wrong,
        transition=found.model.transition,
        pred_probs=evidence.pred_probs,
        neighbours=None if near is None else near[0],
        same_picture=None if near is None else _same_picture(near, given),
        notes=_notes(evidence, near is not None),
    )


def _same_picture(
    near: tuple[NDArray[np.int64], NDArray[np.float32]], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """int64 (N,): the first row with the same features under another label, or −1."""
    rows, cosine = near
    twin = (cosine >= _SAME) & (labels[rows] != labels[:, None])
    if not twin.shape[1]:
        return np.full(len(labels), -1)
    first = twin.argmax(axis=1)
    return np.where(twin.any(axis=1), rows[np.arange(len(rows)), first], -1)


def _notes(evidence: LabelEvidence, with_features: bool) -> tuple[str, ...]:
    sizes = np.bincount(evidence.labels, minlength=evidence.num_classes)
    few = [
        f"{evidence.class_names[one]} ({sizes[one]})" for one in np.flatnonzero((sizes > 0) & (sizes <= 2))
    ]
    empty = [evidence.class_names[one] for one in np.flatnonzero(sizes == 0)]
    said = []
    if evidence.features is not None and not with_features:
        said.append("The features are the same for every picture: they say nothing, and were left aside.")
    if few:
        said.append(f"Classes of 1 or 2 pictures are hard to judge: {', '.join(few)}.")
    if empty:
        said.append(f"Classes without a picture: {', '.join(empty)}.")
    return tuple(said)
