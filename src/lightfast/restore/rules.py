"""The rules of a repair, fitted on a rehearsal: which re-reads are kept, and what a person checks.

Pictures to repair come as folders of one kind of damage as often as mixed. The rules are therefore fitted for
each kind that the detector may name, and have to hold for every kind that was really there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from lightfast.corrupt.suite import CLEAN
from lightfast.data.images import ImageSet
from lightfast.restore.pairs import DamageMix
from lightfast.statistics.intervals import SIGNIFICANT, mcnemar_p_value

NEVER_KEPT = 2.0
"""A margin that no confidence can reach: the re-read of this kind is never kept."""
NEVER_SURE = 2.0
"""A threshold above every confidence: predictions of this kind always go to a person."""
MARGINS = (-1.0, -0.5, -0.25, -0.1, 0.0, 0.05, 0.1, 0.25, 0.5, NEVER_KEPT)
UNKNOWN_MARGIN = 0.0
FEWEST = 30
"""Pictures of a kind that say something about it."""
PER_KIND = 3000
"""Validation pictures that each kind of damage is rehearsed on, at most."""
CONFIDENCE = 0.95
"""How surely the wanted accuracy holds on fresh pictures, for all kinds at once."""


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Damaged validation pictures on their way through a pipeline.

    Attributes:
        found, true: (N,) names of what the detector said and of what was done.
        first, again: float32 (N, K), probabilities before and after restoring.
        labels: int64 (N,).
    """

    found: NDArray[np.str_]
    true: NDArray[np.str_]
    first: NDArray[np.float32]
    again: NDArray[np.float32]
    labels: NDArray[np.int64]

    def of(self, rows: NDArray[np.bool_]) -> Rehearsal:
        """Some of the pictures."""
        return Rehearsal(
            self.found[rows], self.true[rows], self.first[rows], self.again[rows], self.labels[rows]
        )

    def kinds(self) -> Iterator[NDArray[np.bool_]]:
        """The rows of every kind that was really there, where there are enough of them."""
        for name in np.unique(self.true):
            rows = self.true == name
            if rows.sum() >= FEWEST:
                yield rows

    def gain(self) -> NDArray[np.float64]:
        """float (N,): by how much the confidence grew."""
        return self.again.max(axis=1) - self.first.max(axis=1).astype(np.float64)


def rehearsed(
    images: ImageSet, mix: DamageMix, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.str_]]:
    """Every kind of `mix`, clean among them, on `PER_KIND` of the pictures or all, each picture once a kind,
    the severities of the kind by turns.

    Returns: pictures uint8 (N, H, W, C), labels, and the names of what was done.
    """
    labels, pictures, given, names = images.require_labels(), [], [], []
    for kind in mix.kinds:
        rows = rng.permutation(len(images))[:PER_KIND]
        own = [number for number, (name, _) in enumerate(mix.choices) if name == kind]
        drawn = np.resize(own, len(rows)) if kind != CLEAN else np.full(len(rows), -1)
        pictures.append(mix.apply(images.images[rows], drawn.astype(np.int64), rng))
        given.append(labels[rows])
        names += [kind] * len(rows)
    return np.concatenate(pictures), np.concatenate(given), np.array(names)


def choose_margin(rows: Rehearsal) -> float:
    """The margin with the most right predictions, of equals the one closest to 0, among those by which no
    kind that was really there is shown to lose (McNemar); `NEVER_KEPT` where no gain over the first reading
    is shown. Without pictures: the default for unknown damage.
    """
    if not len(rows.labels):
        return UNKNOWN_MARGIN
    gain, before = rows.gain(), rows.first.argmax(axis=1) == rows.labels
    after = rows.again.argmax(axis=1) == rows.labels
    right = {margin: np.where(gain > margin, after, before) for margin in MARGINS}
    harmless = [
        margin
        for margin, final in right.items()
        if not any(_shown(final[kind], before[kind]) for kind in rows.kinds())
    ]
    best = max(harmless, key=lambda margin: (right[margin].sum(), -abs(margin)))
    return best if _shown(before, right[best]) else NEVER_KEPT


def _shown(worse: NDArray[np.bool_], better: NDArray[np.bool_]) -> bool:
    """Whether the second is shown to be right more often than the first."""
    gained, lost = int((~worse & better).sum()), int((worse & ~better).sum())
    # The p-value is two-sided; which side is asked here.
    return gained > lost and float(mcnemar_p_value(gained, lost)) < 2 * SIGNIFICANT


def choose_review_threshold(
    confidence: NDArray[np.floating],
    correct: NDArray[np.bool_],
    target_accuracy: float,
    *,
    sure: float = CONFIDENCE,
    true: NDArray[np.str_] | None = None,
) -> float:
    """The lowest confidence from which on the predictions together reach `target_accuracy` as surely as
    `sure`, by the one-sided bound of Clopper and Pearson (1934): 0.0 when all do, `NEVER_SURE` when none.

    With `true` names (N,) the plain accuracy of every kind that was really there reaches the target as well,
    counted where `FEWEST` of its pictures are above the threshold.
    """
    if not len(confidence):
        return NEVER_SURE
    order = np.argsort(-confidence, kind="stable")
    ranked, right = confidence[order], correct[order]
    ends = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))
    n, good = ends + 1, np.cumsum(right)[ends]
    enough = (
        np.where(good > 0, betaincinv(np.maximum(good, 1), n - good + 1, 1 - sure), 0.0) >= target_accuracy
    )
    names = np.empty(0, dtype=str) if true is None else true[order]
    for kind in np.unique(names):
        own = names == kind
        count, hits = np.cumsum(own)[ends], np.cumsum(own & right)[ends]
        enough &= (count < FEWEST) | (hits >= target_accuracy * count)
    places = np.flatnonzero(enough)
    if not len(places):
        return NEVER_SURE
    return 0.0 if places[-1] == len(ends) - 1 else float(ranked[ends[places[-1]]])


def review_thresholds(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], rows: Rehearsal, target_accuracy: float
) -> tuple[float, dict[str, float]]:
    """(the common review threshold, that of every kind that the detector names often enough).

    `CONFIDENCE` is for all kinds together: each of m has a bound at 1 - (1 - CONFIDENCE) / m (Bonferroni).
    Where a kind has too few pictures to show the target however well they are read, its plain accuracy must
    reach it, and the common threshold holds as well.
    """
    common = choose_review_threshold(confidence, correct, target_accuracy, true=rows.true)
    names, counts = np.unique(rows.found, return_counts=True)
    risk = (1 - CONFIDENCE) / max(1, len(names))
    needed = np.log(risk) / np.log(min(target_accuracy, 1 - 1e-9))
    own: dict[str, float] = {}
    for name, count in zip(names, counts, strict=True):
        here = rows.found == name
        side = confidence[here], correct[here], target_accuracy
        if count >= needed:
            own[str(name)] = choose_review_threshold(*side, sure=1 - risk, true=rows.true[here])
        elif count >= FEWEST:
            own[str(name)] = max(common, choose_review_threshold(*side, sure=0.5))
    return common, own
