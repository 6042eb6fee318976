"""Do two people, or a person and a model, agree more than chance would have it? Kappa, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError
from lightfast.statistics.intervals import Interval, Z, wilson_bounds

UNDEFINED = (
    "everyone gave one and the same answer throughout: chance alone would agree fully, so kappa is not "
    "defined"
)


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance: (observed - expected) / (1 - expected).

    Attributes:
        value: 1 = full agreement, 0 = as chance would have it, below 0 = less; None when it is not defined
            (`note` says why).
        interval: 95 % interval, inside -1..1; all of it when nothing is known.
        n: pictures answered.
        observed: share of agreeing pairs of answers, 0..1.
        expected: the share that raters with the same habits would reach by chance, 0..1.
        note: what is special about this one, or "".
    """

    value: float | None
    interval: Interval
    n: int
    observed: float
    expected: float
    note: str = ""


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> Kappa:
    """Cohen's kappa (1960) of two raters, with the large-sample standard error of Fleiss, Cohen and Everitt
    (1969).

    Args:
        first: (N,) answers, whole numbers or texts, one a picture.
        second: (N,) the other's answers to the same pictures in the same order.

    Raises DataError when the lengths differ or there is no picture.
    """
    one, other = np.asarray(first), np.asarray(second)
    if one.ndim != 1 or one.shape != other.shape or one.size == 0:
        raise DataError(
            "agreement of two raters",
            expected="two arrays (N,) of answers to the same pictures, N at least 1",
            got=f"shapes {one.shape} and {other.shape}",
        )
    if one.dtype.kind != other.dtype.kind and "U" in one.dtype.kind + other.dtype.kind:
        raise DataError(
            "agreement of two raters",
            expected="answers of one kind",
            got=f"{one.dtype} and {other.dtype}",
            cure="Give class numbers twice or class names twice.",
        )
    codes, count = _codes(np.stack([one, other], axis=1))
    n = len(codes)
    table = np.bincount(codes[:, 0] * count + codes[:, 1], minlength=count**2).reshape(count, count) / n
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, expected = float(table.trace()), float(rows @ columns)
    if count == 1:
        return Kappa(None, Interval(-1.0, 1.0), n, observed, 1.0, UNDEFINED)
    value = (observed - expected) / (1 - expected)
    # Fleiss, Cohen and Everitt (1969), eq. 13.
    agree = table.diagonal() @ (1 - (rows + columns) * (1 - value)) ** 2
    crossed = table * (columns[:, None] + rows[None, :]) ** 2
    differ = (1 - value) ** 2 * (crossed.sum() - crossed.trace())
    variance = (agree + differ - (value - expected * (1 - value)) ** 2) / ((1 - expected) ** 2 * n)
    return _kappa(value, variance, (observed, expected), n)


def fleiss_kappa(answers: ArrayLike) -> Kappa:
    """Fleiss's kappa (1971) of two or more raters who all answered every picture.

    The interval generalises to other pictures with the same raters: large-sample variance of Gwet
    (Educational and Psychological Measurement 81, 781-790, 2021).

    Args:
        answers: (N, raters) whole numbers or texts, one row a picture, N and raters at least 2.
    """
    given = np.asarray(answers)
    if given.ndim != 2 or given.shape[0] < 2 or given.shape[1] < 2:
        raise DataError(
            "agreement of several raters",
            expected="answers (N, raters), at least 2 pictures and 2 raters",
            got=f"shape {given.shape}",
        )
    codes, count = _codes(given)
    n, raters = codes.shape
    votes = np.bincount((np.arange(n)[:, None] * count + codes).ravel(), minlength=n * count).reshape(
        n, count
    )
    shares = votes.sum(axis=0) / votes.sum()
    agreeing = (votes * (votes - 1)).sum(axis=1) / (raters * (raters - 1))
    observed, expected = float(agreeing.mean()), float(shares @ shares)
    if count == 1:
        return Kappa(None, Interval(-1.0, 1.0), n, observed, 1.0, UNDEFINED)
    value = (observed - expected) / (1 - expected)
    pull = votes @ shares / raters
    parts = (agreeing - expected) / (1 - expected) - 2 * (1 - value) * (pull - expected) / (1 - expected)
    return _kappa(value, float(((parts - value) ** 2).sum() / (n * (n - 1))), (observed, expected), n)


def _kappa(value: float, variance: float, shares: tuple[float, float], n: int) -> Kappa:
    observed, expected = shares
    if observed == 1:
        # Nobody ever differed, so the standard error is 0; the observed share still has Wilson's bound.
        low = (float(wilson_bounds(n, n)[0]) - expected) / (1 - expected)
        return Kappa(
            1.0,
            Interval(max(low, -1.0), 1.0),
            n,
            1.0,
            expected,
            "full agreement: the low end is Wilson's bound of the share",
        )
    half = Z * max(variance, 0.0) ** 0.5
    return Kappa(value, Interval(max(value - half, -1.0), min(value + half, 1.0)), n, observed, expected)


def _codes(answers: NDArray) -> tuple[NDArray[np.int64], int]:
    """The same shape as numbers 0..count-1, and the count of different answers."""
    if answers.dtype.kind not in "biuU":
        raise DataError(
            "agreement",
            expected="whole numbers or texts as answers",
            got=str(answers.dtype),
            cure="Leave out the pictures that someone did not answer.",
        )
    names, codes = np.unique(answers, return_inverse=True)
    return codes.reshape(answers.shape).astype(np.int64), len(names)
