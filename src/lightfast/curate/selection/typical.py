"""TypiClust: clusters without a label yet, and in each the most typical picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import derive_seed
from lightfast.curate.neighbours import nearest
from lightfast.curate.selection.pool import Chosen, Pool, count_text, strategy

MOST_CLUSTERS = 500
_SMALL = 5
"""Pictures: smaller clusters come last (the paper's value)."""
_NEIGHBOURS = 20
_LARGE = 20_000
"""Pictures: above, k-means sees them in batches."""


@strategy(
    "typical",
    "Typical pictures of the largest clusters that have no label yet.",
    "TypiClust of Hacohen, Dekel and Weinshall 2022",
)
def choose_typical(pool: Pool, count: int) -> Chosen:
    """One picture a cluster of k-means with as many clusters as there will be labels (at most 500), those
    with the fewest labels and then the largest first; in each the candidate nearest on average to its 20
    nearest neighbours there.
    """
    clusters = min(len(pool.labelled) + count, MOST_CLUSTERS, len(pool))
    member = _clustered(pool, clusters)
    sizes = np.bincount(member, minlength=clusters)
    labelled = np.bincount(member[pool.labelled], minlength=clusters)
    queues: dict[int, list[int]] = {}
    rows, reasons = [], []
    left = np.bincount(member[pool.candidates], minlength=clusters)
    for _ in range(count):
        order = np.lexsort((-sizes, labelled, sizes < _SMALL, left == 0))
        cluster = int(order[0])
        if cluster not in queues:
            queues[cluster] = _by_typicality(pool, np.flatnonzero(member == cluster))
        rows.append(queues[cluster].pop(0))
        reasons.append(_reason(int(sizes[cluster]), int(labelled[cluster])))
        labelled[cluster] += 1
        left[cluster] -= 1
    return Chosen(tuple(rows), tuple(reasons))


def _reason(size: int, labelled: int) -> str:
    if size == 1:
        return "alone: like no other picture"
    known = "none of them labelled" if not labelled else f"{labelled:,} of them labelled or chosen"
    return f"typical of {count_text(size)} that look alike, {known}"


def _clustered(pool: Pool, clusters: int) -> NDArray[np.int64]:
    """int64 (N,): the cluster of each row."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    kind = KMeans if len(pool) <= _LARGE else MiniBatchKMeans
    seed = derive_seed(pool.seed, "select", "clusters") % 2**32
    found = kind(clusters, n_init="auto", max_iter=50, random_state=seed).fit(pool.vectors)
    return np.asarray(found.labels_, dtype=np.int64)


def _by_typicality(pool: Pool, rows: NDArray[np.intp]) -> list[int]:
    """The candidates among the rows of a cluster, the most typical first."""
    if len(rows) > 1:
        k = min(_NEIGHBOURS, max(len(rows) // 2, 1))
        cosines = nearest(pool.vectors[rows], k).similarity
        distance = np.sqrt(np.maximum(2 - 2 * cosines, 0)).mean(axis=1)
    else:
        distance = np.zeros(len(rows))
    ordered = rows[np.argsort(distance, kind="stable")]
    return ordered[pool.open[ordered]].tolist()
