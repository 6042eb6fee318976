"""Pictures on a plane: principal components alone, or t-SNE over those that hold 80 % of the variance;
and how far such a map may be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, UnknownName
from lightfast.base.parallel import usable_cores
from lightfast.base.plain import HIDDEN
from lightfast.base.progress import Reporter, silent
from lightfast.base.randomness import derive_seed, generator
from lightfast.curate.embed import unit_rows
from lightfast.curate.neighbours import nearest

MapMethod = Literal["tsne", "pca"]
VARIANCE = 0.8
"""Of the features, kept for t-SNE (Kapp, Song, Rodriguez Echavarria, section 2)."""
_PERPLEXITY = 30.0
_FEW = 8
"""Below so many pictures t-SNE has no neighbourhoods to keep."""
_NEAR = 15
_ASKED = 1_000
_FFT = 10_000
_DRAWS = 1_000


@dataclass(frozen=True)
class MapTrust:
    """How far a map may be trusted, over `n` pictures drawn by seed, each compared with all.

    Attributes:
        trustworthiness: 0..1, 1 where every neighbour on the map is one in all dimensions (Venna and Kaski,
            ICANN 2001), of `k` neighbours.
        interval: its 95 % interval (bootstrap over the pictures).
        neighbours_kept: share of the k nearest pictures in all dimensions that are among the k nearest on
            the map.
        k, n: neighbours; pictures that were asked.
    """

    trustworthiness: float
    interval: tuple[float, float]
    neighbours_kept: float
    k: int
    n: int

    @property
    def verdict(self) -> str:
        """What the score means for somebody who reads the map."""
        if not self.n:
            return "too few pictures to say how far the map can be trusted"
        if self.interval[0] >= 0.95:
            return "what lies together on the map is alike; distances between groups say nothing"
        if self.trustworthiness >= 0.9:
            return "groups on the map are real for the most part, single neighbours often are not"
        return "do not judge by this map: many pictures that lie together on it are not alike"

    @property
    def verdict_text(self) -> str:
        """The verdict as a sentence."""
        return f"{self.verdict[0].upper()}{self.verdict[1:]}."


@dataclass(frozen=True, eq=False)
class PictureLayout:
    """Where every picture lies on a plane.

    Attributes:
        coordinates: float32 (N, 2).
        method: tsne or pca, as it was made.
        dimensions: principal components that the map was made from.
        variance_kept: their share of the features' variance, 0..1.
        variance_drawn: the share of the first two components: all that a map by pca alone shows.
        trust: how far the map may be trusted.
        notes: what was done otherwise than asked, one sentence each.
    """

    coordinates: NDArray[np.float32] = field(metadata=HIDDEN)
    method: MapMethod
    dimensions: int
    variance_kept: float
    variance_drawn: float
    trust: MapTrust
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Components:
    """The principal components of N rows: `scores` float32 (N, d), the longest direction first, and the share
    of the variance that each of all the directions holds (float64, sums to 1; all 0 where nothing varies).
    """

    scores: NDArray[np.float32]
    shares: NDArray[np.float64]


def principal_components(
    vectors: NDArray[np.floating], *, variance: float = VARIANCE, at_least: int = 2
) -> Components:
    """The components of `vectors` float (N, D) that hold `variance` of it (0..1), `at_least` so many.

    Signs are fixed (the largest weight of a direction is positive), so that the same pictures give the same
    map. Raises DataError for another shape and for numbers that are not finite.
    """
    rows = finite_rows(vectors)
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = rows - mean
    values, axes = np.linalg.eigh((spread.T @ spread).astype(np.float64) / max(1, len(rows)))
    values, axes = np.maximum(values[::-1], 0.0), axes[:, ::-1]
    total = values.sum()
    # What is left of constant features is rounding.
    if total <= 1e-12 * max(1.0, float(np.square(mean, dtype=np.float64).sum())):
        return Components(np.zeros((len(rows), at_least), np.float32), np.zeros(len(values)))
    shares = values / total
    kept = int(np.searchsorted(np.cumsum(shares), variance - 1e-9)) + 1
    axes = axes[:, : min(max(kept, at_least), len(values))]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    scores = spread @ axes.astype(np.float32)
    missing = max(0, at_least - scores.shape[1])
    return Components(np.pad(scores, ((0, 0), (0, missing))), shares)


def make_map(
    vectors: NDArray[np.floating], *, method: MapMethod = "tsne", seed: int = 0, report: Reporter = silent
) -> PictureLayout:
    """Features float (N, D) to a place on a plane for each picture.

    Args:
        vectors: one row a picture; they are brought to length 1.
        method: "pca" draws the first two principal components; "tsne" lays out the components that hold
            80 % of the variance (openTSNE; perplexity 30, less where pictures are few).
        seed: of the pictures that are asked how far the map may be trusted.
        report: told of the steps.

    Raises DataError for features that are no finite (N, D) numbers, UnknownName for another method.
    """
    if method not in get_args(MapMethod):
        raise UnknownName("map", str(method), get_args(MapMethod))
    unit = unit_rows(finite_rows(vectors))
    found = principal_components(unit)
    notes: list[str] = []
    if method == "tsne" and (why := _no_tsne(found)):
        method = "pca"
        notes.append(f"the map is one of principal components: {why}")
    coordinates = _tsne(found.scores, seed, report) if method == "tsne" else found.scores[:, :2]
    report("map", 2, 2, "")
    dimensions = found.scores.shape[1] if method == "tsne" else 2
    return PictureLayout(
        np.ascontiguousarray(coordinates, dtype=np.float32),
        method,
        dimensions,
        float(found.shares[:dimensions].sum()),
        float(found.shares[:2].sum()),
        map_trust(unit, coordinates, seed=seed),
        tuple(notes),
    )


def map_trust(
    vectors: NDArray[np.floating], coordinates: NDArray[np.floating], *, k: int = _NEAR, seed: int = 0
) -> MapTrust:
    """How far the map float (N, 2) of features float (N, D) may be trusted.

    At most 1,000 pictures, drawn by seed, are compared with all others, by the distance of the features at
    length 1. The value of a picture is Venna and Kaski's; their mean is scikit-learn's `trustworthiness`.
    """
    n = len(vectors)
    k = min(k, (n - 1) // 3)
    if k < 1:
        return MapTrust(0.0, (0.0, 0.0), 0.0, 0, 0)
    rng = generator(seed, "map trust")
    asked = np.sort(rng.permutation(n)[:_ASKED])
    unit, places = unit_rows(vectors), np.asarray(coordinates, dtype=np.float64)
    found = np.array([_one(row, unit, places, k) for row in asked])
    worst = k * (2 * n - 3 * k - 1) / 2
    values = 1 - found[:, 0] / worst
    means = values[rng.integers(0, len(values), (_DRAWS, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return MapTrust(
        float(values.mean()), (float(low), float(high)), float(found[:, 1].mean() / k), k, len(asked)
    )


def _one(row: int, unit: NDArray[np.float32], places: NDArray[np.float64], k: int) -> tuple[float, float]:
    """(the ranks beyond k of its k neighbours on the map, how many of those neighbours are true) of one."""
    far = -(unit @ unit[row])
    on_map = np.square(places - places[row]).sum(axis=1)
    far[row], on_map[row] = np.inf, np.inf
    near = np.argpartition(on_map, k - 1)[:k]
    ranks = np.array([np.count_nonzero(far < value) + 1 for value in far[near]])
    return float(np.maximum(ranks - k, 0).sum()), float((ranks <= k).sum())


def _no_tsne(found: Components) -> str:
    n = len(found.scores)
    if n < _FEW:
        return f"t-SNE needs at least {_FEW} pictures, there are {n}"
    return "" if found.shares.any() else "the features of all pictures are the same"


def _tsne(scores: NDArray[np.float32], seed: int, report: Reporter) -> NDArray[np.float64]:
    """Poličar, Stražar, Zupan, openTSNE (JSS 2024), from our own neighbours of the scores at length 1."""
    from openTSNE import TSNEEmbedding, affinity, initialization, nearest_neighbors

    n = len(scores)
    perplexity: Any = min(_PERPLEXITY, (n - 1) / 3)
    near = nearest(scores, int(min(n - 1, 3 * perplexity)), report=report)
    distances = np.sqrt(np.maximum(2 - 2 * near.similarity.astype(np.float64), 0))
    neighbours = nearest_neighbors.PrecomputedNeighbors(near.rows, distances)
    affinities = affinity.PerplexityBasedNN(perplexity=perplexity, knn_index=neighbours)
    start = initialization.rescale(scores[:, :2].astype(np.float64))
    embedding = TSNEEmbedding(
        start + generator(seed, "map").normal(0, 1e-6, start.shape),
        affinities,
        negative_gradient_method="fft" if n > _FFT else "bh",
        random_state=derive_seed(seed, "map") % 2**31,
        n_jobs=usable_cores() if n > _FFT else 1,
    )
    report("map", 0, 2, "t-SNE")
    embedding.optimize(n_iter=250, exaggeration=12, momentum=0.5, inplace=True)
    report("map", 1, 2, "t-SNE")
    embedding.optimize(n_iter=500, momentum=0.8, inplace=True)
    return np.asarray(embedding)


def finite_rows(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Features as float32 (N, D); raises DataError for another shape and for numbers that are not finite."""
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or not len(rows) or not rows.shape[1]:
        raise DataError(
            "features", expected="numbers of shape (N, D), N and D at least 1", got=str(rows.shape)
        )
    if not np.isfinite(rows).all():
        raise DataError("features", expected="finite numbers", got="NaN or infinity")
    return rows
