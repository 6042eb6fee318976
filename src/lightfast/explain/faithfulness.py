"""Is an explanation any good?

Deletion and insertion curves, and whether the maps depend on what the network has learned.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.randomness import derive_seed, generator
from lightfast.corrupt.filtering import gaussian
from lightfast.data.preprocess import to_pixels, to_tensor
from lightfast.evaluate.predict import pred_probs, tag_probs
from lightfast.explain.difference import rank_correlation
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.statistics.intervals import Interval, bootstrap_mean

if TYPE_CHECKING:
    from lightfast.explain.attribution import Attribution

MIN_PICTURES = 6
"""Fewer pictures prove nothing at 95 %: even if all of n agreed,
a two-sided sign test would end at p = 2 / 2ⁿ, above 0.05 for n < 6.
"""
STEPS = 20
BLUR_SHARE = 1 / 8
"""Deviation of the blur that replaces pixels, as a share of the longer side."""
_DRAWS = 3
"""How often all weights are re-drawn: the interval is one over pictures
and must not stand on a single draw.
"""
DEPENDENT_BELOW = 0.5
"""Our line for the rank correlation with the trained network's maps:
below it they share less than a quarter of the ranks' variance.
"""

BETTER, WORSE, NO_BETTER = (
    "better than a random order",
    "worse than a random order",
    "no better than a random order is shown",
)
DEPENDS, HARDLY, UNDECIDED = (
    "the maps depend on the learned weights",
    "the maps hardly depend on the learned weights",
    "a dependence on the learned weights is not shown",
)
COULD_NOT_RUN = "could not run"
_BLOCK_BYTES, _STATISTICS_OF = (
    64_000_000,
    64,
)  # changed pictures held at once; pictures that re-drawn batch norms are measured on


@dataclass(frozen=True, eq=False)
class FaithfulnessCurve:
    """Deletion or insertion over the checked pictures. All intervals are 95 %, percentile bootstrap over the
    pictures.

    With fewer than `MIN_PICTURES` pictures the intervals are the whole range: nothing is known.

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
    areas: NDArray[np.float64] = field(repr=False)
    random_areas: NDArray[np.float64] = field(repr=False)
    area: float
    interval: Interval
    random_area: float
    random_interval: Interval
    gain: float
    gain_interval: Interval
    verdict: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; the areas a picture are left out."""
        plain = {name: getattr(self, name) for name in ("name", "area", "random_area", "gain", "verdict")}
        lists = {name: list(getattr(self, name)) for name in ("interval", "random_interval", "gain_interval")}
        return plain | lists | {"mean": self.mean.tolist(), "random_mean": self.random_mean.tolist()}


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Deletion and insertion curves of `n` pictures in `steps` equal steps;
    `seed` of the random orders and of the intervals.
    """

    deletion: FaithfulnessCurve
    insertion: FaithfulnessCurve
    n: int
    steps: int
    seed: int

    @property
    def shares(self) -> NDArray[np.float64]:
        """float64 (steps + 1,): the share of pixels changed at each point of the curves, 0..1."""
        return np.linspace(0, 1, self.steps + 1)

    @property
    def verdict(self) -> str:
        """Both verdicts in one line."""
        return f"deletion: {self.deletion.verdict}; insertion: {self.insertion.verdict}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "n": self.n,
            "steps": self.steps,
            "seed": self.seed,
            "deletion": self.deletion.as_json(),
            "insertion": self.insertion.as_json(),
            "verdict": self.verdict,
        }


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

    Costs 4 · (steps - 1) + 2 readings a picture, in batches.

    Args:
        classifier: any classifier, forests and multi-label ones included.
        images: uint8 (N, H, W, C).
        maps: finite (N, H, W), larger = more in favour of the target; only their order counts.
        targets: (N,), the class whose probability is followed.
        steps: equal steps from no pixel to all of them.
        seed: of the random order and of the bootstrap.

    Raises DataError for arrays that do not fit together, SettingsError for steps outside 1..pixels.
    """
    _require_fit(classifier, images, maps, targets, steps)
    height, width, channels = images.shape[1:]
    # Two ends, and the steps between them: map and random order, deletion and insertion.
    count = 4 * (steps - 1) + 2
    rows = max(1, _BLOCK_BYTES // (count * height * width * channels))
    rng = generator(seed, "explain", "random order")
    found = [
        _block_curves(
            classifier,
            images[start : start + rows],
            maps[start : start + rows],
            targets[start : start + rows],
            steps,
            rng,
        )
        for start in range(0, len(images), rows)
    ]
    curves = np.concatenate(found, axis=2)
    deletion, insertion = (
        _curve(name, curves[side], seed) for side, name in enumerate(("deletion", "insertion"))
    )
    return Faithfulness(deletion, insertion, len(images), steps, seed)


def _require_fit(
    classifier: Checkpoint, images: NDArray, maps: NDArray, targets: NDArray, steps: int
) -> None:
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
        raise DataError(
            "deletion and insertion",
            expected="at least one picture, uint8 (N, H, W, C)",
            got=f"{images.dtype} {images.shape}",
        )
    if maps.shape != images.shape[:3] or not np.isfinite(maps).all():
        raise DataError(
            "deletion and insertion",
            expected=f"finite maps of the shape {images.shape[:3]}",
            got=f"shape {maps.shape}",
        )
    if targets.shape != images.shape[:1] or not ((targets >= 0) & (targets < classifier.outputs)).all():
        raise DataError(
            "deletion and insertion",
            expected=f"{len(images)} targets in 0..{classifier.outputs - 1}",
            got=str(targets)[:60],
        )
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
    probs = _target_probs(classifier, batch, np.concatenate([repeated, targets, targets]))
    whole, empty = probs[-2 * n : -n], probs[-n:]
    curves = np.empty((2, 2, n, steps + 1))
    curves[..., 1:-1] = probs[: -2 * n].reshape(2, 2, n, steps - 1)
    curves[0, ..., 0], curves[0, ..., -1] = whole, empty
    curves[1, ..., 0], curves[1, ..., -1] = empty, whole
    return curves


def blurred_pictures(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What stands for "taken away": uint8 (N, H, W,
    C) blurred by a Gaussian of `BLUR_SHARE` of the longer side.
    """
    sigma = BLUR_SHARE * max(images.shape[1:3])
    return np.clip(np.rint(gaussian(images.astype(np.float32), sigma, border="reflect")), 0, 255).astype(
        np.uint8
    )


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


def _target_probs(
    classifier: Checkpoint, images: NDArray[np.uint8], targets: NDArray[np.integer]
) -> NDArray[np.float64]:
    read = tag_probs if classifier.task == "multi-label" else pred_probs
    return read(classifier, images)[np.arange(len(images)), targets].astype(np.float64)


def _curve(name: str, curves: NDArray[np.float64], seed: int) -> FaithfulnessCurve:
    areas, random_areas = (curves[..., 1:] + curves[..., :-1]).mean(axis=-1) / 2
    gains = random_areas - areas if name == "deletion" else areas - random_areas
    interval, random_interval = (_mean_interval(values, seed, (0.0, 1.0)) for values in (areas, random_areas))
    gain_interval = _mean_interval(gains, seed, (-1.0, 1.0))
    verdict = (
        BETTER
        if gain_interval.low > 0
        else WORSE
        if gain_interval.high < 0
        else NO_BETTER + _too_few(len(gains))
    )
    mean, random_mean = curves.mean(axis=1)
    return FaithfulnessCurve(
        name,
        mean,
        random_mean,
        areas,
        random_areas,
        float(areas.mean()),
        interval,
        float(random_areas.mean()),
        random_interval,
        float(gains.mean()),
        gain_interval,
        verdict,
    )


def _mean_interval(values: NDArray[np.float64], seed: int, whole_range: tuple[float, float]) -> Interval:
    return (
        bootstrap_mean(values, generator(seed, "explain", "interval"))
        if len(values) >= MIN_PICTURES
        else Interval(*whole_range)
    )


def _too_few(n: int) -> str:
    return f" (too few pictures: {n} of at least {MIN_PICTURES})" if n < MIN_PICTURES else ""


@dataclass(frozen=True)
class Redrawn:
    """Likeness of the maps to those of the trained network after some of its weights were re-drawn.

    Attributes:
        part: which weights, in words; modules: how many of the network's modules with weights.
        correlation, interval: mean Spearman rank correlation over pictures (each the mean of `draws`), -1..1;
            95 % bootstrap over pictures.
        draws: how often the weights were drawn.
        flat: maps, of n · draws, that were the same everywhere after the draw; they count as correlation 0,
            for they show nothing alike.
    """

    part: str
    modules: int
    correlation: float
    interval: Interval
    draws: int
    flat: int


@dataclass(frozen=True)
class Randomisation:
    """The weight-randomisation check of one method.

    Attributes:
        method: name of the explanation.
        rows: from the output layer alone to all weights; empty where the check could not run.
        n: pictures compared; flat: further ones, left out because the trained network's map is the same
            everywhere.
        ranked: "value", or "magnitude" for methods with a sign.
        seed: of the weights and the interval.
        verdict: `DEPENDS`, `HARDLY`, `UNDECIDED` (from the row with all weights; also where most of its maps
            are flat) or `COULD_NOT_RUN`.
        reason: why it could not run, else empty.
    """

    method: str
    rows: tuple[Redrawn, ...]
    n: int
    flat: int
    ranked: str
    seed: int
    verdict: str
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        rows = [{**asdict(row), "interval": list(row.interval)} for row in self.rows]
        return {
            "method": self.method,
            "n": self.n,
            "flat": self.flat,
            "ranked": self.ranked,
            "seed": self.seed,
            "verdict": self.verdict,
            "reason": self.reason,
            "rows": rows,
        }


Explain = Callable[..., "Attribution"]
"""`explain.attribution.explain`, or anything with its arguments."""


def randomisation_check(
    classifier: Checkpoint,
    images: NDArray[np.uint8],
    method: str = "grad-cam",
    settings: Any = None,
    seed: int = 0,
    explain: Explain | None = None,
) -> Randomisation:
    """Do the maps change when what the network has learned is lost? Adebayo et al. 2018 (Sanity Checks for
    Saliency Maps), section 3.

    A method whose maps stay shows edges of the picture, not reasons of the network. Weights are re-drawn in a
    cascade from the output: the output layer, the upper half of the modules, all of them. All weights decide
    the verdict; the parts before show from where on the maps change. Three parts keep the cost bounded for
    networks of any depth (2 + `_DRAWS` explanations beyond the trained one).

    Each tensor is drawn from a normal distribution with its own mean and deviation, and re-drawn batch norms
    measure their statistics anew: with the usual initialisation the signal of deep networks dies away, and
    the maps of a dead network prove nothing. Methods with a sign are ranked by magnitude, which stays alike
    longer (the paper's stricter figure).

    Args:
        classifier: a classifier; its own weights stay as they are. A forest has none: the result says "could
            not run".
        images: uint8 (N, H, W, C), N at least 1.
        method: name in the registry of explanations.
        settings: `ExplainSettings` or None.
        seed: of the drawn weights, of the explanation and of the bootstrap.
        explain: the function to call, `explain.attribution.explain` by default.
    """
    if isinstance(classifier.network, Forest):
        return _not_run(method, seed, "a forest has no weights to draw anew")
    if not len(images):
        raise DataError("randomisation check", expected="at least one picture", got="none")
    run = explain or _of_the_house()
    trained = run(classifier, images, method=method, settings=settings, seed=seed)
    kept = np.ptp(trained.maps, axis=(1, 2)) > 0
    flat = int((~kept).sum())
    if flat == len(images):
        return _not_run(method, seed, "the trained network's maps are the same everywhere", flat)
    images, targets, maps = images[kept], trained.targets[kept], trained.maps[kept]

    def likeness(network: nn.Module) -> NDArray[np.float64]:
        found = run(
            classifier.replace(network=network),
            images,
            method=method,
            targets=targets,
            settings=settings,
            seed=seed,
        )
        pair = (np.abs(maps), np.abs(found.maps)) if trained.signed else (maps, found.maps)
        return rank_correlation(*pair)

    rows = tuple(
        _redrawn(part, count, np.stack([likeness(network) for network in networks]), seed)
        for part, count, networks in _cascade(classifier, images, seed)
    )
    ranked, verdict = "magnitude" if trained.signed else "value", _dependence(rows[-1], len(images))
    return Randomisation(method, rows, len(images), flat, ranked, seed, verdict)


def _of_the_house() -> Explain:
    from lightfast.explain.attribution import explain  # the curves need no method

    return explain


def _not_run(method: str, seed: int, reason: str, flat: int = 0) -> Randomisation:
    return Randomisation(method, (), 0, flat, "value", seed, COULD_NOT_RUN, reason)


def _redrawn(part: str, modules: int, likeness: NDArray[np.float64], seed: int) -> Redrawn:
    values = np.nan_to_num(likeness, nan=0.0).mean(axis=0)
    interval = _mean_interval(values, seed, (-1.0, 1.0))
    return Redrawn(
        part, modules, float(values.mean()), interval, len(likeness), int(np.isnan(likeness).sum())
    )


def _dependence(whole: Redrawn, n: int) -> str:
    if 2 * whole.flat > n * whole.draws:  # maps of a dead network prove nothing
        return (
            f"{UNDECIDED} ({whole.flat:,} of {n * whole.draws:,} maps were the same everywhere after the "
            "draw)"
        )
    if whole.interval.high < DEPENDENT_BELOW:
        return DEPENDS
    return HARDLY if whole.interval.low > DEPENDENT_BELOW else UNDECIDED + _too_few(n)


def _cascade(
    classifier: Checkpoint, images: NDArray[np.uint8], seed: int
) -> Iterator[tuple[str, int, Iterator[nn.Module]]]:
    """(part in words, modules, one network a draw), from the output layer to all weights."""
    names = _from_the_output(classifier, images[:1])
    # In a network of few modules the parts coincide; the later name then stands for both.
    parts = (
        {-(-len(names) // 2): ("the upper half", 1)}
        | {1: ("the output layer", 1)}
        | {len(names): ("all weights", _DRAWS)}
    )
    for count, (part, draws) in sorted(parts.items()):
        yield (
            part,
            count,
            (
                _drawn_network(classifier, images, names[:count], derive_seed(seed, "redraw", draw))
                for draw in range(draws)
            ),
        )


@torch.no_grad()
def _from_the_output(classifier: Checkpoint, picture: NDArray[np.uint8]) -> list[str]:
    """Names of all modules with weights of their own, the last one that runs first;
    those that never run by themselves at the end.
    """
    network, ran = classifier.torch_network.eval(), {}
    owners = {
        name: module
        for name, module in network.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    }
    hooks = [
        module.register_forward_pre_hook(
            lambda _module, _given, name=name: ran.setdefault(name, None) and None
        )
        for name, module in owners.items()
    ]
    try:
        _run(classifier, picture)
    finally:
        for hook in hooks:
            hook.remove()
    return [*reversed(ran), *(name for name in owners if name not in ran)]


@torch.no_grad()
def _drawn_network(
    classifier: Checkpoint, images: NDArray[np.uint8], names: list[str], seed: int
) -> nn.Module:
    """A copy of the network with the weights of the modules `names` drawn anew."""
    network = copy.deepcopy(classifier.torch_network).eval()
    rng = torch.Generator().manual_seed(seed)
    norms: list[_BatchNorm] = []
    for name in names:
        module = network.get_submodule(name)
        for weight in module.parameters(recurse=False):
            values = weight.float()
            noise = torch.randn(weight.shape, generator=rng).to(weight.device)
            weight.copy_(values.mean() + values.std(correction=0) * noise)
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            norms.append(module)
    if norms:
        _measure_statistics(classifier.replace(network=network), norms, images[:_STATISTICS_OF])
    return network.eval()


def _measure_statistics(classifier: Checkpoint, norms: list[_BatchNorm], images: NDArray[np.uint8]) -> None:
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train().momentum = None  # torch then keeps the plain mean of what it has seen
    # One value a channel has no deviation; a single picture is joined by its mirror image.
    _run(classifier, np.concatenate([images, images[:, :, ::-1]]) if len(images) == 1 else images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _run(classifier: Checkpoint, images: NDArray[np.uint8]) -> None:
    device = next(classifier.torch_network.parameters()).device
    classifier.logits(to_pixels(to_tensor(images).to(device)))
