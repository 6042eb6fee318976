"""Do the maps of an explanation depend on what the network has learned?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lightfast.base.errors import DataError
from lightfast.base.randomness import derive_seed
from lightfast.explain import attribution
from lightfast.explain.attribution import Attribution, pixels_of
from lightfast.explain.difference import rank_correlation
from lightfast.explain.faithfulness import MIN_PICTURES, mean_interval, too_few
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.statistics.intervals import Interval

DRAWS = 3
"""How often all weights are re-drawn: the interval is one over pictures
and must not stand on a single draw.
"""
DEPENDENT_BELOW = 0.5
"""Our line for the rank correlation with the trained network's maps:
below it they share less than a quarter of the ranks' variance.
"""
DEPENDS, HARDLY, UNDECIDED = (
    "the maps depend on the learned weights",
    "the maps hardly depend on the learned weights",
    "a dependence on the learned weights is not shown",
)
COULD_NOT_RUN = "could not run"
# Pictures that re-drawn batch norms are measured on.
_STATISTICS_OF = 64


@dataclass(frozen=True)
class Redrawn:
    """Likeness of the maps to those of the trained network after some of its weights were re-drawn.

    Attributes:
        part: which weights, in words; modules: how many of the network's modules with weights.
        correlation, interval: mean Spearman rank correlation over pictures (each the mean of `draws`), -1..1;
            95 % by Student's t over pictures.
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
        seed: of the weights.
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


Explain = Callable[..., Attribution]
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
    networks of any depth (2 + `DRAWS` explanations beyond the trained one).

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
        seed: of the drawn weights and of the explanation.
        explain: the function to call, `explain.attribution.explain` by default.
    """
    if isinstance(classifier.network, Forest):
        return _not_run(method, seed, "a forest has no weights to draw anew")
    if not len(images):
        raise DataError("randomisation check", expected="at least one picture", got="none")
    run = explain or attribution.explain
    trained = run(classifier, images, method=method, settings=settings, seed=seed)
    kept = np.ptp(trained.maps, axis=(1, 2)) > 0
    flat = int((~kept).sum())
    if flat == len(images):
        return _not_run(method, seed, "the trained network's maps are the same everywhere", flat)
    images, targets, maps = images[kept], trained.targets[kept], trained.maps[kept]

    def likeness(network: nn.Module) -> NDArray[np.float64]:
        redrawn = classifier.replace(network=network)
        found = run(redrawn, images, method=method, targets=targets, settings=settings, seed=seed).maps
        return rank_correlation(*(np.abs(maps), np.abs(found)) if trained.signed else (maps, found))

    rows = tuple(
        _redrawn(part, count, np.stack([likeness(network) for network in networks]))
        for part, count, networks in _cascade(classifier, images, seed)
    )
    ranked, verdict = "magnitude" if trained.signed else "value", _dependence(rows[-1], len(images))
    return Randomisation(method, rows, len(images), flat, ranked, seed, verdict)


def _not_run(method: str, seed: int, reason: str, flat: int = 0) -> Randomisation:
    return Randomisation(method, (), 0, flat, "value", seed, COULD_NOT_RUN, reason)


def _redrawn(part: str, modules: int, likeness: NDArray[np.float64]) -> Redrawn:
    values = np.nan_to_num(likeness, nan=0.0).mean(axis=0)
    interval = mean_interval(values)
    flat = int(np.isnan(likeness).sum())
    return Redrawn(part, modules, float(values.mean()), interval, len(likeness), flat)


def _dependence(whole: Redrawn, n: int) -> str:
    if 2 * whole.flat > n * whole.draws:  # maps of a dead network prove nothing
        return (
            f"{UNDECIDED} ({whole.flat:,} of {n * whole.draws:,} maps were the same everywhere after the "
            "draw)"
        )
    if whole.interval.high < DEPENDENT_BELOW:
        return DEPENDS
    # Maps of which none moved at all have no spread, and so a wide interval.
    unmoved = n >= MIN_PICTURES and whole.correlation > 1 - 1e-9
    return HARDLY if unmoved or whole.interval.low > DEPENDENT_BELOW else UNDECIDED + too_few(n)


def _cascade(
    classifier: Checkpoint, images: NDArray[np.uint8], seed: int
) -> Iterator[tuple[str, int, Iterator[nn.Module]]]:
    """(part in words, modules, one network a draw), from the output layer to all weights."""
    names = modules_from_the_output(classifier, images[:1])
    # In a network of few modules the parts coincide; the later name then stands for both.
    parts = {-(-len(names) // 2): "the upper half"} | {1: "the output layer"} | {len(names): "all weights"}
    for count, part in sorted(parts.items()):
        seeds = [derive_seed(seed, "redraw", draw) for draw in range(DRAWS if count == len(names) else 1)]
        yield part, count, (redrawn_network(classifier, images, names[:count], one) for one in seeds)


@torch.no_grad()
def modules_from_the_output(classifier: Checkpoint, picture: NDArray[np.uint8]) -> list[str]:
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
        classifier.logits(pixels_of(classifier, picture))
    finally:
        for hook in hooks:
            hook.remove()
    return [*reversed(ran), *(name for name in owners if name not in ran)]


@torch.no_grad()
def redrawn_network(
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
    batch = np.concatenate([images, images[:, :, ::-1]]) if len(images) == 1 else images
    classifier.logits(pixels_of(classifier, batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
