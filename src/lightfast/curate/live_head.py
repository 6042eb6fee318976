"""A linear head that keeps up with a person: refitted after every handful of decisions, calibrated, and
honest about how often it is right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError, UnknownName
from lightfast.curate.live_fit import (
    FOLDS,
    Said,
    absent_bias,
    fit_folds,
    logits_of,
    out_of_fold_logits,
    scorable,
    softened,
)
from lightfast.curate.selection.pool import NO_LABEL
from lightfast.evaluate.calibration import fit_temperature
from lightfast.statistics.intervals import Interval, wilson
from lightfast.train.principal import PrincipalFeatures

_ENOUGH_TO_CALIBRATE = 20


@dataclass(frozen=True)
class LiveAccuracy:
    """How often the head is right on decided pictures that it was fitted without, by cross-validation.

    The pictures are those that somebody decided, which were seldom drawn by lot: of the others it is an
    estimate only as far as they are like them.

    Attributes:
        value: 0..1. n: the pictures. interval: 95 %, Wilson.
        macro: mean over the classes, 0..1.
    """

    value: float
    n: int
    interval: Interval
    macro: float


@dataclass(frozen=True, eq=False)
class LiveFit:
    """What `LiveHead.refit` found.

    Attributes:
        solutions: float64 (FOLDS + 1, R + 1, K), see `live_fit.fit_folds`; without a check (1, R + 1, K).
        temperature: of the probabilities, fitted on rows that their head did not see; 1 below 20 of them.
        accuracy: None where no picture can be scored yet.
    """

    solutions: NDArray[np.float64]
    temperature: float
    accuracy: LiveAccuracy | None


@dataclass(frozen=True, eq=False)
class LiveHead:
    """Decisions about the rows of kept features, and the head fitted to them. Never changed: every verb
    returns the next one, which shares the features.

    Attributes:
        features: of all N pictures.
        class_names: K names, in the order of the label numbers.
        labels: int64 (N,), NO_LABEL where nobody has said a class.
        rejected: bool (N, K): somebody has said that the picture is not this.
        together: bool (N,): its class was said of many pictures at once; it teaches, but is not scored.
        folds: int8 (N,), -1 where undecided: a picture keeps its fold for as long as it is decided.
        groups: int64 (N,): pictures of one number (near duplicates) share a fold.
        fit: None before the first `refit`, and while fewer than two classes are named.
    """

    features: PrincipalFeatures
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    rejected: NDArray[np.bool_]
    together: NDArray[np.bool_]
    folds: NDArray[np.int8]
    groups: NDArray[np.int64]
    fit: LiveFit | None = field(default=None)

    @classmethod
    def start(
        cls,
        features: NDArray[np.float32],
        class_names: Sequence[str] = (),
        labels: NDArray[np.int64] | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """A head with nothing decided but `labels`, not fitted yet.

        Args:
            features: float32 (N, D), finite; they may be memory-mapped.
            class_names: more may come (`with_class`).
            labels: int64 (N,), NO_LABEL where there is none.
            groups: near duplicates, see `ImageSet.groups`.

        Raises DataError for what does not fit together.
        """
        space = PrincipalFeatures.of(features)
        count, classes = len(space), len(class_names)
        head = cls(
            space,
            tuple(class_names),
            np.full(count, NO_LABEL, np.int64),
            np.zeros((count, classes), np.bool_),
            np.zeros(count, np.bool_),
            np.full(count, -1, np.int8),
            np.arange(count, dtype=np.int64) if groups is None else np.asarray(groups, np.int64),
        )
        if len(head.groups) != count:
            raise DataError("groups of a live head", expected=f"{count}, one a picture", got=len(head.groups))
        if labels is None:
            return head
        if np.shape(labels) != (count,):
            raise DataError("labels of a live head", expected=f"shape ({count},)", got=np.shape(labels))
        rows = np.flatnonzero(labels != NO_LABEL)
        return head._decided(rows, np.asarray(labels, np.int64)[rows])

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def decided(self) -> NDArray[np.intp]:
        """The rows of which a class was said."""
        return np.flatnonzero(self.labels != NO_LABEL)

    def with_class(self, name: str) -> Self:
        """One more class at the end; the same head where it is known."""
        if name in self.class_names:
            return self
        column = np.zeros((len(self), 1), np.bool_)
        fit = self.fit and dataclasses.replace(
            self.fit, solutions=np.concatenate([self.fit.solutions, self._improbable(self.fit)], axis=2)
        )
        return dataclasses.replace(
            self, class_names=(*self.class_names, name), rejected=np.hstack([self.rejected, column]), fit=fit
        )

    def decide(self, rows: ArrayLike, names: str | Sequence[str], *, together: bool = False) -> Self:
        """`rows` are of the classes `names` (one for all, or one a row); what was said before is replaced.

        Args:
            rows: whole numbers in 0..N-1.
            names: of `class_names`.
            together: one decision about all of them, none looked at closely, as of a whole cluster: they
                share a fold and are left out of the accuracy.

        Raises UnknownName, and DataError for a row that is not there.
        """
        where = self._rows(rows)
        said = [names] * len(where) if isinstance(names, str) else list(names)
        if len(said) != len(where):
            raise DataError("decisions", expected=f"{len(where)} classes, one a row", got=len(said))
        return self._decided(where, np.array([self._number(one) for one in said], np.int64), together)

    def reject(self, rows: ArrayLike, name: str) -> Self:
        """`rows` are not of the class `name`; a row that was said to be of it is undecided again."""
        where, number = self._rows(rows), self._number(name)
        rejected, labels, folds = self.rejected.copy(), self.labels.copy(), self.folds.copy()
        rejected[where, number] = True
        labels[where] = np.where(labels[where] == number, NO_LABEL, labels[where])
        new = where[folds[where] < 0]
        folds[new] = self._spread(folds, new)
        return dataclasses.replace(self, rejected=rejected, labels=labels, folds=folds)

    def withdraw(self, rows: ArrayLike) -> Self:
        """Nothing is said of `rows` any more."""
        where = self._rows(rows)
        labels, rejected, folds = self.labels.copy(), self.rejected.copy(), self.folds.copy()
        labels[where], rejected[where], folds[where] = NO_LABEL, False, -1
        return dataclasses.replace(self, labels=labels, rejected=rejected, folds=folds)

    def refit(self, *, check: bool = True) -> Self:
        """The head fitted to all that was decided, started from where it stood; without `check` not by
        cross-validation too: a sixth of the time, no accuracy, and probabilities that are not calibrated.
        """
        said = self._said()
        if len(np.unique(self.labels[self.decided])) < 2:
            return dataclasses.replace(self, fit=None)
        before = None if self.fit is None else self.fit.solutions
        solutions = fit_folds(self.features, said, before, FOLDS if check else 0)
        scored = scorable(said) & ~self.together[said.rows]
        temperature, accuracy = 1.0, None
        if check and scored.any():
            logits = out_of_fold_logits(self.features, said, solutions)[scored]
            labels = self.labels[said.rows[scored]]
            accuracy = _accuracy(logits.argmax(axis=1) == labels, labels)
            if len(labels) >= _ENOUGH_TO_CALIBRATE:
                temperature = fit_temperature(logits, labels)
        return dataclasses.replace(self, fit=LiveFit(solutions, temperature, accuracy))

    def probs(self, rows: NDArray[np.intp] | slice = slice(None)) -> NDArray[np.float32] | None:
        """float32 (n, K), calibrated, rows sum to 1: what the head says of the pictures; a class that was
        rejected for one has 0 there (unless all were). None before the head is fitted.
        """
        if self.fit is None:
            return None
        logits = logits_of(self.features, self.fit.solutions[0], rows) / np.float32(self.fit.temperature)
        return softened(logits, ~self.rejected[rows])

    def expected_accuracy(self) -> float | None:
        """0..1, how often the head should be right on the pictures that nobody has decided yet: the mean of
        its calibrated confidences there. None before it is fitted, and where all is decided.
        """
        rows = np.flatnonzero(self.labels == NO_LABEL)
        probs = self.probs(rows) if len(rows) else None
        return None if probs is None else float(probs.max(axis=1).mean())

    def weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """(weight (K, D), bias (K,)) on the features as they were given, the temperature folded in: softmax
        of features @ weight.T + bias is `probs` of pictures of which nothing was said.
        """
        if self.fit is None:
            return None
        return self.features.folded(self.fit.solutions[0] / self.fit.temperature)

    def _decided(self, rows: NDArray[np.intp], numbers: NDArray[np.int64], together: bool = False) -> Self:
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(self.class_names):
            raise DataError(
                "labels of a live head",
                expected=f"0..{len(self.class_names) - 1}, or {NO_LABEL} for none",
                got=f"{numbers.min()}..{numbers.max()}",
            )
        labels, rejected, folds = self.labels.copy(), self.rejected.copy(), self.folds.copy()
        at_once = self.together.copy()
        labels[rows], at_once[rows] = numbers, together
        rejected[rows, numbers] = False
        new = rows[folds[rows] < 0]
        folds[new] = self._spread(folds, new, labels, together)
        return dataclasses.replace(self, labels=labels, rejected=rejected, folds=folds, together=at_once)

    def _spread(
        self,
        folds: NDArray[np.int8],
        rows: NDArray[np.intp],
        labels: NDArray[np.int64] | None = None,
        together: bool = False,
    ) -> NDArray[np.int8]:
        """Folds for `rows`: of the group where it has one, else the one with fewest pictures of the class."""
        labels = self.labels if labels is None else labels
        taken = folds >= 0
        known = dict(zip(self.groups[taken].tolist(), folds[taken].tolist(), strict=True))
        counts = np.zeros((len(self.class_names) + 1, FOLDS), np.int64)
        np.add.at(counts, (labels[taken], folds[taken]), 1)
        found = []
        shared = int(counts.sum(axis=0).argmin()) if together else None
        for row in rows.tolist():
            group, label = int(self.groups[row]), int(labels[row])
            if group not in known:
                # Ties go to the fold that is smallest so far.
                fewest = np.lexsort((counts.sum(axis=0), counts[label]))[0]
                known[group] = int(fewest) if shared is None else shared
            counts[label, known[group]] += 1
            found.append(known[group])
        return np.array(found, np.int8)

    def _said(self) -> Said:
        named = self.labels != NO_LABEL
        partly = ~named & self.rejected.any(axis=1) & ~self.rejected.all(axis=1)
        rows = np.flatnonzero(named | partly)
        targets = np.eye(max(len(self.class_names), 1), dtype=np.float32)[np.maximum(self.labels[rows], 0)]
        open_rows = partly[rows]
        if open_rows.any():
            where = rows[open_rows]
            allowed = ~self.rejected[where]
            probs = self.probs(where)
            targets[open_rows] = allowed / allowed.sum(axis=1, keepdims=True) if probs is None else probs
        return Said(rows, targets, named[rows], self.folds[rows])

    def _rows(self, rows: ArrayLike) -> NDArray[np.intp]:
        where = np.atleast_1d(np.asarray(rows))
        if where.dtype.kind not in "iu" or (len(where) and not 0 <= where.min() <= where.max() < len(self)):
            raise DataError("rows of a live head", expected=f"whole numbers in 0..{len(self) - 1}", got=rows)
        return where.astype(np.intp)

    def _improbable(self, fit: LiveFit) -> NDArray[np.float64]:
        """A column (FOLDS + 1, R + 1, 1) of a class of which nothing is known yet."""
        column = np.zeros((*fit.solutions.shape[:2], 1))
        odds = len(self.decided) + len(self.class_names) + 1
        for number, solution in enumerate(fit.solutions):
            column[number, -1, 0] = absent_bias(self.features, solution, odds)
        return column

    def _number(self, name: str) -> int:
        if name not in self.class_names:
            raise UnknownName("class", name, self.class_names)
        return self.class_names.index(name)


def _accuracy(right: NDArray[np.bool_], labels: NDArray[np.int64]) -> LiveAccuracy:
    counts = np.bincount(labels)
    shares = np.bincount(labels, weights=right)[counts > 0] / counts[counts > 0]
    value = float(right.mean())
    return LiveAccuracy(value, len(right), wilson(int(right.sum()), len(right)), float(shares.mean()))
