"""Is an explanation any good? Deletion and insertion curves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.plain import HIDDEN
from lightfast.base.randomness import generator
from lightfast.corrupt.filtering import gaussian
from lightfast.evaluate.predict import probs_of
from lightfast.models.checkpoint import Checkpoint
from lightfast.statistics.bounded_mean import bounded_mean
from lightfast.statistics.intervals import Interval

MIN_PICTURES = 6
"""Fewer pictures prove nothing at 95 %: even if all of n agreed,
a two-sided sign test would end at p = 2 / 2ⁿ, above 0.05 for n < 6.
"""
STEPS = 20
BLUR_SHARE = 1 / 8
"""Deviation of the blur that replaces pixels, as a share of the longer side."""

BETTER, WORSE, NO_BETTER = (
    "better than a random order",
    "worse than a random order",
    "no better than a random order is shown",
)
# Nominal level of Student's t, for 95 % of what is skewed.
_LEVEL = 0.97
# Below it the values of all pictures differ by rounding alone.
_ROUNDING = 1e-12
# Changed pictures held at once.
_BLOCK_BYTES = 64_000_000


@dataclass(frozen=True, eq=False)
class FaithfulnessCurve:
    """Deletion or insertion over the checked pictures. All intervals are 95 %, over the pictures: of
    areas by their range (`bounded_mean`), of gains by Student's t (`mean_interval`).

    With fewer than `MIN_PICTURES` pictures the interval of the gain is the whole range: nothing is known.

    Attributes:
        name: "deletion" (a small area is good) or "insertion" (a large area is good).
        mean, random_mean: float64 (steps + 1,), mean probability of the target after each step, by the map
            and in a random order.
        areas, random_areas: float64 (N,), area under each picture's curve, 0..1.
        area, interval: mean of `areas`; random_area, random_interval: of `random_areas`.
        gain, gain_interval: mean paired advantage over the random order, -1..1, positive = better, for both
            curves.
        verdict: `BETTER`, `WORSE` or `NO_BETTER`, with the reason where the pictures were too few.
    """

    name: str
    mean: NDArray[np.float64]
    random_mean: NDArray[np.float64]
    areas: NDArray[np.float64] = field(repr=False, metadata=HIDDEN)
    random_areas: NDArray[np.float64] = field(repr=False, metadata=HIDDEN)
    area: float
    interval: Interval
    random_area: float
    random_interval: Interval
    gain: float
    gain_interval: Interval
    verdict: str


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Deletion and insertion curves of `n` pictures in `steps` equal steps;
    `seed` of the random orders and of the areas' intervals.
    """

    deletion: FaithfulnessCurve
    insertion: FaithfulnessCurve
    n: int
    steps: int
    seed: int
    JSON_PROPERTIES: ClassVar = ("verdict",)

    @property
    def shares(self) -> NDArray[np.float64]:
        """float64 (steps + 1,): the share of pixels changed at each point of the curves, 0..1."""
        return np.linspace(0, 1, self.steps + 1)

    @property
    def verdict(self) -> str:
        """Both verdicts in one line."""
        return f"deletion: {self.deletion.verdict}; insertion: {self.insertion.verdict}"


def deletion_insertion(
    classifier: Checkpoint,
    images: NDArray[np.uint8],
    maps: NDArray[np.floating],
    targets: NDArray[np.integer],
    *,
    steps: int = STEPS,
    seed: int = 0,
) -> Faithfulness:
    """Take the most important pixels away first (deletion), or bring them first (insertion): Petsiuk et al.
    2018 (RISE), section 4.

    A pixel is taken away by giving it the value of the strongly blurred picture, and insertion starts from
    that picture. The paper deletes to grey and inserts into a blur; a flat colour draws new sharp edges,
    which a network reads, so we blur both times, and both curves run between the same two pictures.

    The random order has the grain of the map itself (its Fourier amplitudes with random phases, Theiler et
    al. 1992): single random pixels look like noise, to which networks answer in another way than to holes,
    whatever the map. It also decides among equal values.

    Costs 4 · (steps - 1) + 2 predictions a picture, in batches.

    Args:
        classifier: any classifier, forests and multi-label ones included.
        images: uint8 (N, H, W, C).
        maps: finite (N, H, W), larger = more in favour of the target; only their order counts.
        targets: (N,), the class whose probability is followed.
        steps: equal steps from no pixel to all of them.
        seed: of the random order and of the areas' intervals.

    Raises DataError for arrays that do not fit together, SettingsError for steps outside 1..pixels.
    """
    _require_fit(classifier, images, maps, targets, steps)
    height, width, channels = images.shape[1:]
    # Two ends, and the steps between them: map and random order, deletion and insertion.
    count = 4 * (steps - 1) + 2
    rows = max(1, _BLOCK_BYTES // (count * height * width * channels))
    rng = generator(seed, "explain", "random order")
    blocks = [slice(start, start + rows) for start in range(0, len(images), rows)]
    found = [_block_curves(classifier, images[at], maps[at], targets[at], steps, rng) for at in blocks]
    deletion, insertion = np.concatenate(found, axis=2)
    return Faithfulness(
        _curve("deletion", deletion, seed), _curve("insertion", insertion, seed), len(images), steps, seed
    )


def _require_fit(
    classifier: Checkpoint, images: NDArray, maps: NDArray, targets: NDArray, steps: int
) -> None:
    what, outputs = "deletion and insertion", classifier.outputs
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
        got = f"{images.dtype} {images.shape}"
        raise DataError(what, expected="at least one picture, uint8 (N, H, W, C)", got=got)
    if maps.shape != images.shape[:3] or not np.isfinite(maps).all():
        expected = f"finite maps of the shape {images.shape[:3]}"
        raise DataError(what, expected=expected, got=f"shape {maps.shape}")
    if targets.shape != images.shape[:1] or not ((targets >= 0) & (targets < outputs)).all():
        expected = f"{len(images)} targets in 0..{outputs - 1}"
        raise DataError(what, expected=expected, got=str(targets)[:60])
    if not 1 <= steps <= maps[0].size:
        raise SettingsError(f"steps={steps}", expected=f"1 to {maps[0].size}, the pixels of a picture")


def _block_curves(
    classifier: Checkpoint,
    images: NDArray[np.uint8],
    maps: NDArray[np.floating],
    targets: NDArray[np.integer],
    steps: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Curves of some pictures: float64 (2, 2, n, steps + 1), (deletion | insertion, map | random order,
    picture, step).
    """
    blurred = blurred_pictures(images)
    n, pixels = len(images), maps[0].size
    random = same_grain(maps, rng).reshape(n, -1)
    orders = (_ranks(maps.reshape(n, -1), random), _ranks(random, random))
    removed = np.round(np.linspace(0, pixels, steps + 1)[1:-1])
    masks = np.stack([ranks[:, None] < removed[None, :, None] for ranks in orders])
    masks = masks.reshape(2, n, steps - 1, *images.shape[1:3], 1)
    own, other = images[None, :, None], blurred[None, :, None]
    changed = np.stack([np.where(masks, other, own), np.where(masks, own, other)])
    batch = np.concatenate([changed.reshape(-1, *images.shape[1:]), images, blurred])
    repeated = np.broadcast_to(targets[None, :, None], (4, n, steps - 1)).reshape(-1)
    followed = np.concatenate([repeated, targets, targets])
    probs = probs_of(classifier, batch)[np.arange(len(batch)), followed].astype(np.float64)
    whole, empty = probs[-2 * n : -n], probs[-n:]
    curves = np.empty((2, 2, n, steps + 1))
    curves[..., 1:-1] = probs[: -2 * n].reshape(2, 2, n, steps - 1)
    curves[0, ..., 0], curves[0, ..., -1] = whole, empty
    curves[1, ..., 0], curves[1, ..., -1] = empty, whole
    return curves


def blurred_pictures(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What stands for "taken away": uint8 (N, H, W, C)
    blurred by a Gaussian of `BLUR_SHARE` of the longer side.
    """
    sigma = BLUR_SHARE * max(images.shape[1:3])
    blurred = np.rint(gaussian(images.astype(np.float32), sigma, border="reflect"))
    return np.clip(blurred, 0, 255).astype(np.uint8)


def same_grain(maps: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
    """A random map for each of (N, H, W): the same Fourier amplitudes, random phases (Theiler et al.

    1992); noise where a map is flat.
    """
    noise = rng.standard_normal(maps.shape)
    phases = np.fft.fft2(noise)
    phases /= np.maximum(np.abs(phases), np.finfo(np.float64).tiny)
    drawn = np.fft.ifft2(np.fft.fft2(maps.astype(np.float64)) * phases).real
    return np.where(np.ptp(maps, axis=(1, 2), keepdims=True) > 0, drawn, noise)


def _ranks(values: NDArray[np.floating], ties: NDArray[np.float64]) -> NDArray[np.int32]:
    """Place of each of (n, pixels) when the largest comes first; `ties` decides among equal ones."""
    order = np.lexsort((-ties, -values), axis=-1)
    ranks = np.empty(order.shape, dtype=np.int32)
    np.put_along_axis(ranks, order, np.arange(order.shape[1], dtype=np.int32)[None], axis=1)
    return ranks


def _curve(name: str, curves: NDArray[np.float64], seed: int) -> FaithfulnessCurve:
    areas, random_areas = (curves[..., 1:] + curves[..., :-1]).mean(axis=-1) / 2
    gains = random_areas - areas if name == "deletion" else areas - random_areas
    gain_interval = mean_interval(gains)
    unclear = NO_BETTER + too_few(len(gains))
    mean, random_mean = curves.mean(axis=1)
    return FaithfulnessCurve(
        name,
        mean,
        random_mean,
        areas,
        random_areas,
        float(areas.mean()),
        _area_interval(areas, seed),
        float(random_areas.mean()),
        _area_interval(random_areas, seed),
        float(gains.mean()),
        gain_interval,
        BETTER if gain_interval.low > 0 else WORSE if gain_interval.high < 0 else unclear,
    )


def _area_interval(areas: NDArray[np.float64], seed: int) -> Interval:
    # Areas crowd at an end of their range, where Student's t covers as little as 85 % (measured there too).
    return bounded_mean(areas.clip(0, 1), (0.0, 1.0), generator(seed, "explain", "area"))


def mean_interval(values: NDArray[np.float64]) -> Interval:
    """95 % interval of the mean of values in -1..1 over pictures: mean ± t · s / √n, n − 1 degrees of freedom
    (Student 1908), within -1..1.

    It is -1..1 for fewer than `MIN_PICTURES`. Where all values are equal their spread is not known, and the
    interval is that of `bounded_mean`, which then has this closed form. t is taken at `_LEVEL`, so that what
    is skewed is covered as well; the percentile bootstrap is too narrow at these n. Both were measured:
    benchmarks/explain_coverage.py.
    """
    n, mean = len(values), float(values.mean())
    if n < MIN_PICTURES:
        return Interval(-1.0, 1.0)
    spread = float(values.std(ddof=1))
    if spread <= _ROUNDING:
        left = 1 - 0.025 ** (1 / n)
        return Interval(mean - left * (mean + 1), mean + left * (1 - mean))
    half = float(stdtrit(n - 1, (1 + _LEVEL) / 2)) * spread / math.sqrt(n)
    return Interval(max(mean - half, -1.0), min(mean + half, 1.0))


def too_few(n: int) -> str:
    """What a verdict adds where `n` pictures are too few for one."""
    return f" (too few pictures: {n} of at least {MIN_PICTURES})" if n < MIN_PICTURES else ""
