"""What is known of every label before it is judged: checked arrays, columns matched by class name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError
from lightfast.evaluate.probability_cures import rows_cure

# Rows of half-precision probabilities miss 1 by less than this.
_SUM_TOLERANCE = 5e-3


@dataclass(frozen=True, eq=False)
class LabelEvidence:
    """N labels and what speaks for and against them, checked.

    Attributes:
        pred_probs: float32 (N, K), out of sample; the mean over the repeats where these were given.
        labels: int64 (N,) in 0..K-1.
        class_names: K names.
        features: float32 (N, D), or None.
        repeats: float32 (R, N, K), or None.
        margins: float32 (N,): mean over the epochs of a training, in −1..1, NaN for rows outside it; or None.
    """

    pred_probs: NDArray[np.float32]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    features: NDArray[np.float32] | None = None
    repeats: NDArray[np.float32] | None = None
    margins: NDArray[np.float32] | None = None

    @property
    def num_classes(self) -> int:
        """K."""
        return self.pred_probs.shape[1]


def checked_probs(pred_probs: ArrayLike, what: str = "`pred_probs`") -> NDArray[np.float32]:
    """float32 (N, K), N ≥ 1 rows of finite numbers in 0..1 that sum to 1, K at least 2; else a DataError."""
    probs = np.asarray(pred_probs)
    if probs.ndim != 2 or probs.dtype.kind != "f" or probs.shape[1] < 2 or not len(probs):
        raise DataError(
            what,
            expected="floats (N, K), one row a picture and at least 2 classes",
            got=f"{probs.dtype} {probs.shape}",
        )
    # A product is quicker than a sum of short rows.
    sums = probs @ np.ones(probs.shape[1], dtype=probs.dtype)
    wrong = np.flatnonzero(~np.isfinite(sums))
    if len(wrong):
        raise DataError(
            f"{what} of row {wrong[0]}",
            expected="finite numbers",
            got=f"NaN or infinity ({len(wrong)} rows)",
            cure="Leave these pictures out, or predict them again.",
        )
    wrong = np.flatnonzero(np.abs(sums - 1) > _SUM_TOLERANCE)
    if probs.min() < 0:
        wrong = np.flatnonzero(probs.min(axis=1) < 0)
    if len(wrong):
        raise DataError(
            f"{what} of row {wrong[0]}",
            expected="numbers of at least 0 that sum to 1",
            got=f"sum {sums[wrong[0]]:.4g}, lowest {probs[wrong[0]].min():.4g}",
            cure=rows_cure(probs),
        )
    return probs.astype(np.float32, copy=False)


def checked_evidence(
    pred_probs: ArrayLike,
    labels: ArrayLike,
    *,
    features: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
    margins: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
) -> LabelEvidence:
    """The arguments of `find_label_issues`, checked; raises DataError naming the one that does not fit."""
    probs = checked_probs(pred_probs)
    n, k = probs.shape
    names = tuple(str(one) for one in (range(k) if class_names is None else class_names))
    if len(names) != k or len(set(names)) != k:
        raise DataError(
            "`class_names`", expected=f"{k} different names, one a column", got=f"{list(names)[:20]}"
        )
    every = None if repeats is None else _checked_repeats(repeats, (n, k))
    return LabelEvidence(
        probs if every is None else every.mean(axis=0),
        _checked_labels(labels, n, k),
        names,
        None if features is None else _checked_features(features, n),
        every,
        None if margins is None else _mean_margins(margins, n),
    )


def matched_columns(
    pred_probs: ArrayLike, prob_names: Sequence[str], class_names: Sequence[str]
) -> NDArray[Any]:
    """`pred_probs` (N, K) with its columns, called `prob_names`, in the order of `class_names`.

    Raises DataError where the two are not the same names, each once: a missing column is not invented, one
    too many is not dropped.
    """
    probs, had, wanted = np.asarray(pred_probs), list(map(str, prob_names)), list(map(str, class_names))
    if len(set(had)) != len(had) or len(set(wanted)) != len(wanted) or set(had) != set(wanted):
        missing, more = sorted(set(wanted) - set(had)), sorted(set(had) - set(wanted))
        said = (
            f"missing {missing[:5]}" * bool(missing)
            + " " * bool(missing and more)
            + f"unknown {more[:5]}" * bool(more)
        )
        raise DataError(
            "columns of `pred_probs`",
            expected="the class names of the labels, each once",
            got=said or "a name twice",
            cure="Predict with a model of the same classes, or rename the classes of one side.",
        )
    if probs.ndim != 2 or probs.shape[1] != len(had):
        raise DataError(
            "columns of `pred_probs`", expected=f"{len(had)}, one a class name", got=f"shape {probs.shape}"
        )
    return probs[:, [had.index(name) for name in wanted]]


def _checked_labels(labels: ArrayLike, n: int, k: int) -> NDArray[np.int64]:
    given = np.asarray(labels)
    if given.shape != (n,) or given.dtype.kind not in "iu":
        raise DataError(
            "`labels`", expected=f"{n} whole numbers, one a row", got=f"{given.dtype} {given.shape}"
        )
    if given.min() < 0 or given.max() >= k:
        row = int(np.flatnonzero((given < 0) | (given >= k))[0])
        raise DataError(
            f"label of row {row}",
            expected=f"0..{k - 1}, a column of `pred_probs`",
            got=str(given[row]),
            cure="Pictures without a label are left out.",
        )
    return given.astype(np.int64, copy=False)


def _checked_features(features: ArrayLike, n: int) -> NDArray[np.float32]:
    found = np.asarray(features)
    if found.ndim != 2 or len(found) != n or found.dtype.kind not in "fiu":
        raise DataError("`features`", expected=f"numbers ({n}, D)", got=f"{found.dtype} {found.shape}")
    wrong = np.flatnonzero(~np.isfinite(found.sum(axis=1, dtype=np.float64)))
    if len(wrong):
        raise DataError(
            f"`features` of row {wrong[0]}",
            expected="finite numbers",
            got=f"NaN or infinity ({len(wrong)} rows)",
            cure="Leave these pictures out, or compute their features again.",
        )
    return found.astype(np.float32, copy=False)


def _checked_repeats(repeats: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float32]:
    every = np.asarray(repeats)
    if every.ndim != 3 or every.shape[1:] != shape or not len(every):
        raise DataError(
            "`repeats`", expected=f"(R, {shape[0]}, {shape[1]}), R at least 1", got=f"shape {every.shape}"
        )
    return np.stack([checked_probs(one, f"`repeats` {number}") for number, one in enumerate(every)])


def _mean_margins(margins: ArrayLike, n: int) -> NDArray[np.float32]:
    every = np.asarray(margins, dtype=np.float32)
    every = every[:, None] if every.ndim == 1 else every
    if every.ndim != 2 or len(every) != n or not every.shape[1]:
        raise DataError("`margins`", expected=f"({n}, E), a column an epoch", got=f"shape {every.shape}")
    if np.isinf(every).any() or np.nanmax(np.abs(every), initial=0) > 1 + 1e-3:
        raise DataError("`margins`", expected="numbers in −1..1, NaN where there is none", got="others")
    known = ~np.isnan(every)
    return np.where(
        known.any(axis=1), np.where(known, every, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.nan
    ).astype(np.float32)
