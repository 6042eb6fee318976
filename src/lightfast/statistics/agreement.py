"""Do two people, or a person and a model, agree more than chance would have it? Kappa, with intervals.

The standard errors are those of many pictures. Where fewer than `_FEW` pictures agree, differ, or lie outside
somebody's commonest answer, they mean little, and are 0 where nobody ever differs or somebody always says the
same. There the interval is also as wide as a bootstrap over the pictures with one picture held back (as
`evaluate.macro`): each draw gets one more, of random weight, for the low end the one that lowers kappa most,
for the high end the one that raises it most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.statistics.intervals import TAILS, Interval, Z, clopper_pearson, wilson_bounds

_FEW = 10
_RESAMPLES = 2000
_Floats = NDArray[np.float64]
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
    found = _kappa(value, variance, (observed, expected), n)
    if _enough(n, observed, max(rows.max(), columns.max())):
        return found
    return _widened(found, (rows + columns) / 2, *_cohen_edges(codes, count))


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
    found = _kappa(value, float(((parts - value) ** 2).sum() / (n * (n - 1))), (observed, expected), n)
    return (
        found
        if _enough(n, observed, shares.max())
        else _widened(found, shares, *_fleiss_edges(votes, raters))
    )


def _enough(n: int, observed: float, commonest: float) -> bool:
    """Whether a large-sample standard error has pictures enough to stand on."""
    return n * min(observed, 1 - observed, 1 - commonest) >= _FEW


def _widened(found: Kappa, shares: _Floats, low: _Floats, high: _Floats) -> Kappa:
    """The kappa with an interval that reaches the tails of those drawn for either end, and as high as the
    share of agreeing pictures may be (Clopper and Pearson) where all answer with these `shares` (count,).
    """
    tails_of = zip((low, high), TAILS, strict=True)
    below, above = (float(np.nanquantile(side, tail)) for side, tail in tails_of)
    expected = float(shares @ shares)
    reached = (clopper_pearson(found.n * found.observed, found.n).high - expected) / (1 - expected)
    lowest, highest = min(found.interval.low, below), max(found.interval.high, above, reached)
    return replace(found, interval=Interval(max(-1.0, lowest), min(1.0, highest)))


def _cohen_edges(codes: NDArray[np.int64], count: int) -> tuple[_Floats, _Floats]:
    """Kappas (R,) of drawn pictures and one more: where that lowers kappa most, where it raises it most.

    The one more is a single pair of answers, or one on which both agree, shared out over the answers as they
    are given: a single pair can hardly raise kappa where the two never named the same thing.
    """
    one_hot, n = np.eye(count), len(codes)
    cells, times = np.unique(codes[:, 0] * count + codes[:, 1], return_counts=True)
    first, second = np.divmod(cells, count)
    sides = np.stack([times @ one_hot[first], times @ one_hot[second]])

    def kappas(times: _Floats, more: _Floats, agreeing: float, weight: _Floats) -> _Floats:
        total = n + weight
        rows = times @ one_hot[first] + weight[:, None] * more[0]
        columns = times @ one_hot[second] + weight[:, None] * more[1]
        observed = (times @ (first == second) + weight * agreeing) / total
        return _beyond_chance(observed, (rows * columns).sum(axis=1) / total**2)

    # Kappa of the counts with one picture in each cell, (count, count).
    chance = (sides[0] @ sides[1] + sides[1][:, None] + sides[0][None, :] + one_hot) / (n + 1) ** 2
    after = _beyond_chance((float(times @ (first == second)) + one_hot) / (n + 1), chance)
    pairs = [np.unravel_index(best(after), after.shape) for best in (np.nanargmin, np.nanargmax)]
    offered = [(one_hot[list(pair)], float(pair[0] == pair[1])) for pair in pairs]
    offered.append((np.stack([sides.mean(axis=0) / n] * 2), 1.0))
    return _drawn_ends(kappas, times / n, n, offered)


def _fleiss_edges(votes: NDArray[np.int64], raters: int) -> tuple[_Floats, _Floats]:
    """The same for Fleiss's kappa; the one more picture is answered alike by all (by one answer, or shared
    out), or by as many answers as there are.
    """
    n, count = votes.shape
    agreeing = (votes * (votes - 1)).sum(axis=1) / (raters * (raters - 1))

    def kappas(times: _Floats, more: _Floats, alike: float, weight: _Floats) -> _Floats:
        total = n + weight
        observed = (times @ agreeing + weight * alike) / total
        shares = (times @ votes / raters + weight[:, None] * more) / total[:, None]
        return _beyond_chance(observed, (shares**2).sum(axis=1))

    split = np.bincount(np.arange(raters) % count, minlength=count)
    alike = float((split * (split - 1)).sum() / (raters * (raters - 1)))
    offered = [(one, 1.0) for one in np.eye(count)] + [(votes.sum(axis=0) / votes.sum(), 1.0)]
    offered += [(np.roll(split, shift) / raters, alike) for shift in range(count)]
    return _drawn_ends(kappas, np.full(n, 1 / n), n, offered)


def _drawn_ends(
    kappas: Callable[[_Floats, _Floats, float, _Floats], _Floats],
    shares: _Floats,
    n: int,
    offered: Sequence[tuple[_Floats, float]],
) -> tuple[_Floats, _Floats]:
    """Kappas (R,) of n pictures drawn by their `shares`, with that one more which lowers or raises kappa most
    (answers, how far they agree).
    """
    rng = generator(0, "interval of kappa")
    drawn = rng.multinomial(n, shares, size=_RESAMPLES).astype(np.float64)
    weight = rng.exponential(size=_RESAMPLES)
    counted = (n * shares)[None, :]
    after = [float(kappas(counted, *one, np.ones(1))[0]) for one in offered]
    low, high = offered[int(np.nanargmin(after))], offered[int(np.nanargmax(after))]
    return kappas(drawn, *low, weight), kappas(drawn, *high, weight)


def _beyond_chance(observed: _Floats, expected: _Floats) -> _Floats:
    """(observed - expected) / (1 - expected); NaN where chance alone would agree fully."""
    room = 1 - expected
    return np.divide(observed - expected, room, out=np.full_like(room, np.nan), where=room > 1e-12)


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
