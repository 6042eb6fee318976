"""What to label next: arrays in, rows and reasons out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError, UnknownName
from lightfast.base.registry import Registry
from lightfast.curate.embed import unit_rows
from lightfast.curate.selection.pool import NO_LABEL, STRATEGIES, Chosen, Pool, Strategy

AUTO = "auto"
_ALIKE = 1e-6
"""Features that differ by less than this share of their size say nothing."""


@dataclass(frozen=True, eq=False)
class Selection:
    """What to label next.

    Attributes:
        rows: int64 (n,), the pictures, first the one that matters most.
        reasons: why, in words, one a picture.
        strategy: the name of the one that chose.
        near_copies: pictures that were not offered because they are near duplicates of labelled or offered
            ones.
        notes: what the reader has to know.
    """

    rows: NDArray[np.int64]
    reasons: tuple[str, ...]
    strategy: str
    near_copies: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the pictures of a pool.

    Attributes:
        labels: int64 (N,), -1 where there is none; None: none at all.
        groups: int64 (N,): pictures of one number are near duplicates; None: there are none.
        probs: float32 (N, K), what a model says of the pictures, or None.
        class_names: K names.
    """

    labels: NDArray[np.int64] | None = None
    groups: NDArray[np.int64] | None = None
    probs: NDArray[np.float32] | None = None
    class_names: tuple[str, ...] = ()


def strategies() -> Registry[Strategy]:
    """The table of strategies, filled."""
    # Imported here because each of these modules registers itself on import.
    from lightfast.curate.selection import herding, spread, typical, uncertain  # noqa: F401

    return STRATEGIES


def require_strategy(name: str) -> None:
    """Refuse a name that is neither "auto" nor a strategy's (UnknownName)."""
    if name != AUTO and name not in strategies():
        raise UnknownName("strategy", name, (AUTO, *strategies().names()))


def select_next(
    features: NDArray[np.floating],
    count: int,
    known: Known | None = None,
    *,
    strategy: str = AUTO,
    seed: int = 0,
) -> Selection:
    """`count` pictures to label next, never two near duplicates, never one of a labelled picture.

    "auto" takes, while no model says anything of the pictures, those that stand for as many others as
    possible (`herding`), and then those that stand for as many as possible of which the model is unsure
    (`unsure-herding`), in a neighbourhood that shrinks as labels come.

    Args:
        features: float (N, D) of a network, finite; length does not matter.
        count: 1 to the number of pictures that may be chosen.
        known: labels, near duplicates, what a model says.
        strategy: "auto" or a name of `strategies()`.
        seed: of all draws.

    Raises SettingsError for a count that cannot be met and a strategy that needs a model where there is none,
    UnknownName for another strategy, DataError where nothing is left to label and for arrays that do not fit.
    """
    known = known or Known()
    require_strategy(strategy)
    table = strategies()
    pool, notes = _pool(features, known, seed)
    _require_count(pool, count)
    modelled = pool.probs is not None
    if strategy == AUTO:
        strategy = "unsure-herding" if modelled else "herding"
    elif table.get(strategy).needs_probs and not modelled:
        raise SettingsError(
            f"strategy {strategy}",
            expected="a model that says something of the pictures",
            got="no `run`, and fewer than two labelled classes",
            cure="Give a run, or begin with another strategy, e.g. herding.",
        )
    if _says_nothing(pool):
        strategy = "random"
        notes = (*notes, "the features of all pictures are the same and say nothing: drawn by lot")
    found = _checked(table.get(strategy).choose(pool, count), pool, count)
    near = int((pool.labels == NO_LABEL).sum() - len(pool.candidates))
    return Selection(np.array(found.rows, np.int64), found.reasons, strategy, near, notes)


def _pool(features: NDArray[np.floating], known: Known, seed: int) -> tuple[Pool, tuple[str, ...]]:
    values = np.asarray(features, np.float32)
    if values.ndim != 2 or not len(values):
        raise DataError("features to select from", expected="shape (N, D), N at least 1", got=values.shape)
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(broken):
        what = f"features of picture {broken[0]}"
        raise DataError(what, expected="finite numbers", got="NaN or infinity")
    n, notes = len(values), ()
    labels = _column(known.labels, n, "labels", NO_LABEL)
    groups = np.arange(n) if known.groups is None else _column(known.groups, n, "groups", 0)
    probs = known.probs
    if probs is not None and probs.shape != (n, len(known.class_names)):
        expected = f"shape {(n, len(known.class_names))}, one row a picture, one column a class"
        raise DataError("probabilities to select by", expected=expected, got=probs.shape)
    if probs is not None and not np.isfinite(probs).all():
        raise DataError("probabilities to select by", expected="finite numbers", got="NaN or infinity")
    centred = values - values.mean(axis=0, dtype=np.float64).astype(np.float32)
    size = float(np.abs(values).max())
    centred[np.abs(centred).max(axis=1) <= _ALIKE * max(size, 1e-30)] = 0
    pool = Pool(unit_rows(centred), labels, _open(labels, groups), probs, known.class_names, seed)
    return pool, notes


def _column(values: NDArray[np.int64] | None, n: int, what: str, default: int) -> NDArray[np.int64]:
    if values is None:
        return np.full(n, default, np.int64)
    given = np.asarray(values)
    if given.shape != (n,) or given.dtype.kind not in "iu":
        raise DataError(
            f"{what} of the pool", expected=f"whole numbers ({n},), one a picture", got=given.shape
        )
    return given.astype(np.int64)


def _open(labels: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool (N,): the first picture of every group of near duplicates of which none is labelled."""
    known = np.unique(groups[labels != NO_LABEL])
    first = np.zeros(len(labels), np.bool_)
    first[np.unique(groups, return_index=True)[1]] = True
    return first & ~np.isin(groups, known)


def _require_count(pool: Pool, count: int) -> None:
    n, free = len(pool), len(pool.candidates)
    if count < 1:
        raise SettingsError(f"count {count}", expected="at least 1 picture")
    if not free:
        without = int((pool.labels == NO_LABEL).sum())
        what = f"all {n:,} pictures are labelled"
        if without:
            what = f"the {without:,} pictures without a label are near duplicates of labelled ones"
        raise DataError(f"nothing left to select: {what}", cure="Add pictures without labels.")
    if count > free:
        raise SettingsError(
            f"count {count:,}",
            expected=f"at most {free:,}: so many pictures have no label and are no near duplicate of another",
            cure=f"Give {free:,} or fewer.",
        )


def _says_nothing(pool: Pool) -> bool:
    return not pool.vectors.any()


def _checked(found: Chosen, pool: Pool, count: int) -> Chosen:
    """What every strategy owes: so many different candidates, each with a reason."""
    chosen = np.array(found.rows, np.int64)
    assert len(set(found.rows)) == len(found.rows) == len(found.reasons) == count, "a strategy gave others"
    assert pool.open[chosen].all(), "a strategy gave pictures that may not be chosen"
    return found
