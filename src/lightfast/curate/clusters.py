"""Pictures in clusters that a person can label at once: found in the full space of features, the firmest
first, each with the purity that is to be expected.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.base.plain import HIDDEN
from lightfast.base.progress import Reporter, silent
from lightfast.base.randomness import derive_seed, generator
from lightfast.curate.cluster_purity import closeness, cluster_signs, predicted_purity
from lightfast.curate.embed import unit_rows
from lightfast.curate.maps import finite_rows, principal_components
from lightfast.curate.neighbours import Neighbours, nearest

PER_CLASS = 6
"""Clusters a class: more than one, so that each can be of one class."""
CORE = 0.65
"""Share of all pictures that belong to the cores of their clusters: the rest are edges."""
REPEATS = 10
"""Clusterings whose agreement says how firmly a picture belongs to its cluster."""
NEAR = 15
_DIMENSIONS = 128
_FITTED = 20_000
_ROUNDS = 60
_NAMED = 6


@dataclass(frozen=True)
class Cluster:
    """One cluster.

    Attributes:
        number: from 0, the one with the firmest core first.
        size, core: pictures; those among them that can be labelled at once.
        purity: share of the core, 0..1, that is expected to be of its commonest class; predicted without any
            label, see `cluster_purity`.
        medoids: rows in the middle, the most typical first.
        edges: rows that belong least firmly.
        names: what it may be called, the likeliest first; see `cluster_names`.
    """

    number: int
    size: int
    core: int
    purity: float
    medoids: tuple[int, ...]
    edges: tuple[int, ...]
    names: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """The offer to a person."""
        if self.core < 2:
            return "Look at these one by one: nothing holds them together."
        return f"Label these {self.core:,} at once: about {100 * self.purity:.0f} % are alike."


@dataclass(frozen=True, eq=False)
class Clusters:
    """Every picture in one cluster.

    Attributes:
        clusters: those with the firmest cores first, those without a core last.
        assignment: int64 (N,), the number of its cluster.
        core: bool (N,), False for the edges, which a person should look at one by one.
        firmness: float32 (N,), 0..1: how often a picture fell together with its 15 nearest, over 10
            clusterings.
        notes: what was done otherwise than asked, one sentence each.
    """

    clusters: tuple[Cluster, ...]
    assignment: NDArray[np.int64] = field(metadata=HIDDEN)
    core: NDArray[np.bool_] = field(metadata=HIDDEN)
    firmness: NDArray[np.float32] = field(metadata=HIDDEN)
    notes: tuple[str, ...] = ()

    def members(self, number: int, *, edges: bool = False) -> NDArray[np.int64]:
        """The rows of a cluster's core, with `edges` of all of it."""
        return np.flatnonzero((self.assignment == number) & (self.core | edges))


def find_clusters(
    vectors: NDArray[np.floating],
    count: int | None = None,
    *,
    classes: int | None = None,
    seed: int = 0,
    report: Reporter = silent,
) -> Clusters:
    """Over-clustered k-means of features at length 1 over their first 128 principal components.

    It is run ten more times with other starts and other numbers of clusters. A picture that falls together
    with its 15 nearest each time is firm. The cores are the 65 % of all pictures that are firmest and nearest
    to the middles of their clusters; the clusters with the firmest cores come first.

    Args:
        vectors: float (N, D), one row a picture.
        count: clusters; None: 6 a class, or 2 √N where the number of classes is not known. Never more than
            there are different pictures.
        classes: how many classes somebody expects.
        seed: of the starts.
        report: told of every clustering.

    Raises DataError for features that are no finite (N, D) numbers, SettingsError for a count below 1.
    """
    for name, value in (("count", count), ("classes", classes)):
        if value is not None and value < 1:
            raise SettingsError(f"`{name}`", expected="at least 1", got=str(value))
    space = picture_space(finite_rows(vectors))
    distinct = len(np.unique(np.round(space, 5), axis=0))
    wanted = count or (PER_CLASS * classes if classes else max(2, round(2 * len(space) ** 0.5)))
    number = max(1, min(wanted, distinct))
    notes = ()
    if count is not None and number < count:
        notes = (f"{count:,} clusters were asked for, there are {number:,} different pictures",)
    near = nearest(vectors, min(NEAR, len(space) - 1))
    tries = _tries(space, number, distinct, seed, report)
    # Where the middles were found on a part of the pictures, a cluster may have got none.
    assignment = np.unique(tries[0], return_inverse=True)[1].astype(np.int64)
    firmness = _together(tries, near)
    core = _cores(firmness, closeness(space, assignment))
    return _described(space, assignment, core, firmness, near, notes)


def _cores(firmness: NDArray[np.float32], close: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The CORE of all pictures with the highest sum of both, each in units of its spread, ties included."""
    score = sum((one - one.mean()) / max(float(one.std()), 1e-6) for one in (firmness, close))
    return np.asarray(score >= np.sort(score)[::-1][max(1, round(CORE * len(firmness))) - 1])


def _tries(
    space: NDArray[np.float32], count: int, distinct: int, seed: int, report: Reporter
) -> list[NDArray[np.int64]]:
    """The clustering itself, then those that it is compared with: 0.7 to 1.3 times as many clusters."""
    rng = generator(seed, "clusters")
    counts = [count, *(round(count * float(factor)) for factor in rng.uniform(0.7, 1.3, REPEATS))]
    found: list[NDArray[np.int64]] = []
    for turn, number in enumerate(counts):
        found.append(k_means(space, max(1, min(number, distinct)), derive_seed(seed, "clusters", turn)))
        report("clusters", turn + 1, len(counts), "")
    return found


def picture_space(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Features float (N, D) → float32 (N, at most 128): components of the rows at length 1, at length 1."""
    return unit_rows(principal_components(unit_rows(vectors), variance=1.0).scores[:, :_DIMENSIONS])


def k_means(space: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """The cluster of each row, int64 (N,). Above 20,000 rows the middles are found on so many of them,
    drawn by seed.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    rows = np.arange(len(space))
    if len(space) > _FITTED:
        rows = generator(seed, "fitted").permutation(len(space))[:_FITTED]
    model: Any = KMeans(count, n_init=1, max_iter=_ROUNDS, random_state=seed % 2**32)  # pyright: ignore[reportArgumentType]
    with warnings.catch_warnings():
        # Fewer different rows in the sample than clusters: some of these stay empty, which does no harm.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(space[rows])
    return model.predict(space).astype(np.int64)


def _together(tries: list[NDArray[np.int64]], near: Neighbours) -> NDArray[np.float32]:
    """float32 (N,): the share of nearest pictures that fell into the same cluster, over all but the first."""
    if not near.rows.shape[1]:
        return np.ones(len(near.rows), dtype=np.float32)
    shares = [(one[near.rows] == one[:, None]).mean(axis=1, dtype=np.float32) for one in tries[1:]]
    return np.asarray(np.mean(shares, axis=0), dtype=np.float32)


def _described(
    space: NDArray[np.float32],
    assignment: NDArray[np.int64],
    core: NDArray[np.bool_],
    firmness: NDArray[np.float32],
    near: Neighbours,
    notes: tuple[str, ...],
) -> Clusters:
    """The clusters with the firmest cores first, with their middles and edges."""
    signs = cluster_signs(space, assignment, core, firmness, near)
    purity = predicted_purity(signs)
    whole = np.bincount(assignment, minlength=len(purity))
    cores = np.bincount(assignment, core, len(purity)).astype(np.int64)
    order = np.lexsort((-cores, -signs.firmness, cores == 0))
    place = np.argsort(order)[assignment]
    found = []
    for number, old in enumerate(order):
        rows = np.flatnonzero(place == number)
        middle = space[rows].mean(axis=0)
        typical = rows[np.lexsort((rows, -(space[rows] @ middle), ~core[rows]))]
        loose = rows[np.lexsort((rows, firmness[rows]))]
        found.append(
            Cluster(
                number,
                int(whole[old]),
                int(cores[old]),
                float(purity[old]),
                tuple(typical[:_NAMED].tolist()),
                tuple(loose[~core[loose]][:_NAMED].tolist()),
            )
        )
    return Clusters(tuple(found), place.astype(np.int64), core, firmness, notes)
