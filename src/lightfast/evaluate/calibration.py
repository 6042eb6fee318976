"""Does a confidence of 90 % mean right nine times in ten?

Reliability, its error, and the temperature that mends it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.randomness import generator
from lightfast.statistics.intervals import Interval, wilson

_DRAWS = 4000
# Temperatures beyond these say that the probabilities carry nothing, not how to scale them.
TEMPERATURE_BOUNDS = (0.05, 20.0)


@dataclass(frozen=True)
class ReliabilityBin:
    """The pictures whose confidence lies in (low, high]: how many, how sure on average, how often right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float
    interval: Interval


def reliability(pred_probs: ArrayLike, labels: ArrayLike, bins: int = 15) -> tuple[ReliabilityBin, ...]:
    """The reliability table in `bins` equal steps of top-label confidence (Guo et al. 2017, section 2); empty
    bins are left out.

    Args:
        pred_probs: (N, K) rows that sum to 1.
        labels: (N,) whole numbers in 0..K-1.
        bins: how many steps 0..1 is cut into.
    """
    probs, given = _checked(pred_probs, labels)
    if bins < 1:
        raise SettingsError(f"{bins} reliability bins", expected="at least 1")
    confidence = probs.max(axis=1)
    correct = probs.argmax(axis=1) == given
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = np.bincount(place, weights=confidence, minlength=bins)
    hits = np.bincount(place, weights=correct, minlength=bins).astype(int)
    return tuple(
        ReliabilityBin(
            k / bins,
            (k + 1) / bins,
            int(counts[k]),
            float(sums[k] / counts[k]),
            float(hits[k] / counts[k]),
            wilson(int(hits[k]), int(counts[k])),
        )
        for k in np.flatnonzero(counts).tolist()
    )


def ece(pred_probs: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error, 0..1: mean |accuracy - confidence| over the bins, weighted by their counts
    (Guo et al. 2017, eq. 3).
    """
    table = reliability(pred_probs, labels, bins)
    total = sum(row.count for row in table)
    return float(sum(row.count / total * abs(row.accuracy - row.confidence) for row in table))


def ece_by_chance(pred_probs: ArrayLike, bins: int = 15) -> float:
    """The expected calibration error, 0..1, that 95 in 100 models of these confidences stay below whose
    confidences are all true: what is seen only because few pictures are counted (Bröcker and Smith 2007).

    The plain error grows as pictures become fewer: a perfect model of 40 pictures has one of 14 % on average.
    Each bin's right pictures are drawn from its mean confidence, 4,000 times, always alike.

    Args:
        pred_probs: (N, K) rows that sum to 1.
        bins: as in `reliability`.
    """
    probs = np.asarray(pred_probs, dtype=np.float64)
    table = reliability(probs, probs.argmax(axis=1), bins)
    counts = np.array([row.count for row in table])
    sure = np.clip([row.confidence for row in table], 0.0, 1.0)
    drawn = generator(0, "calibrated by chance").binomial(counts, sure, size=(_DRAWS, len(table)))
    return float(np.quantile(np.abs(drawn - counts * sure).sum(axis=1) / counts.sum(), 0.95))


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature T that makes softmax(logits / T) most likely on these labels (Guo et al. 2017, section
    4.2).

    Fit it on validation pictures, never on those that are reported.

    Args:
        logits: (N, K) logits, or log-probabilities (the same up to a constant a row).
        labels: (N,) whole numbers in 0..K-1.

    Returns T within `TEMPERATURE_BOUNDS`. When every picture is right the likelihood only rises as T falls,
    so nothing about the confidence can be learned and T is 1.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    scores, given = _checked(logits, labels)
    scores = np.maximum(scores - scores.max(axis=1, keepdims=True), np.log(np.finfo(np.float32).tiny))
    rows = np.arange(len(given))
    if (scores[rows, given] == 0).all():
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        return float((logsumexp(scaled, axis=1) - scaled[rows, given]).mean())

    low, high = np.log(TEMPERATURE_BOUNDS)
    best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(best.x))


def apply_temperature(pred_probs: ArrayLike, temperature: float) -> NDArray[np.float32]:
    """softmax(log p / T), float32 (N, K): above 1 softens, below 1 sharpens;
    the order of the classes stays.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise SettingsError(f"temperature {temperature}", expected="a finite number above 0")
    with np.errstate(divide="ignore"):
        scores = np.log(np.asarray(pred_probs, dtype=np.float64)) / temperature
    scaled = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32)


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values, given = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 2 or len(values) == 0 or given.shape != (len(values),) or given.dtype.kind not in "iu":
        raise DataError(
            "calibration",
            expected="scores (N, K) and whole labels (N,), N at least 1",
            got=f"{values.shape} and {given.dtype} {given.shape}",
            cure="Give labelled validation pictures.",
        )
    if np.isnan(values).any() or np.isposinf(values).any() or not np.isfinite(values.max(axis=1)).all():
        raise DataError("calibration", expected="scores without NaN or infinity", got="NaN or infinity")
    if given.min() < 0 or given.max() >= values.shape[1]:
        raise DataError(
            "calibration", expected=f"labels in 0..{values.shape[1] - 1}", got=f"{given.min()}..{given.max()}"
        )
    return values, given.astype(np.int64)
