"""`explain`: which places of a picture speak for a class.

The record, the table of methods, their settings, and the one verb over them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.base.registry import Registry
from lightfast.data.array_cures import picture_cure
from lightfast.data.preprocess import to_pixels, to_tensor
from lightfast.explain.methods import EXPLAINERS, AttributionRequest, Explainer, ExplainSettings
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.models.map_layers import map_layers
from lightfast.models.maps import MapLayer, evaluation_mode, find_layer, require_passage


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a method says about N pictures.

    Attributes:
        method: its name.
        maps: float32 (N, H, W) at the size of the pictures; larger = more in favour of the target, negative =
            against (signed methods only). Units: grad-cam and grad-cam++ none; integrated-gradients logits
            (they add up to the logit's gain over the baseline); occlusion and lime probability lost or
            carried.
        targets: int64 (N,), the class each map is about.
        target_layer: the layer whose maps were weighed, or None.
        signed: whether the method tells against from indifferent.
        seconds: wall time of all N.
    """

    method: str
    maps: NDArray[np.float32]
    targets: NDArray[np.int64]
    target_layer: str | None
    signed: bool
    seconds: float


def explainers() -> Registry[Explainer]:
    """The table of methods, filled."""
    # Imported here because each of these modules registers itself on import.
    from lightfast.explain import cam, integrated_gradients, lime, occlusion  # noqa: F401

    return EXPLAINERS


def applicable(classifier: Checkpoint) -> tuple[str, ...]:
    """The methods that apply to this classifier: all to a network with maps,
    fewer to an MLP and to a forest.
    """
    maps, gradients = bool(layers_of(classifier)), not isinstance(classifier.network, Forest)
    return tuple(
        entry.name
        for entry in explainers()
        if (maps or not entry.needs_maps) and (gradients or not entry.needs_gradients)
    )


def explain(
    classifier: Checkpoint,
    images: NDArray[np.uint8],
    *,
    method: str = "grad-cam",
    targets: NDArray[np.int64] | None = None,
    settings: ExplainSettings | None = None,
    seed: int = 0,
) -> Attribution:
    """Which places of each picture speak for its target class.

    The classifier comes out as it went in: weights, buffers, modes, hooks. Where a network averages over
    views, methods that weigh maps explain the plain picture, the others the averaged prediction.

    Args:
        classifier: any classifier checkpoint.
        images: uint8 (N, H, W, C).
        targets: int64 (N,) class numbers; None takes the predicted class (with several labels a picture the
            most probable one).
        seed: of the methods that draw; a picture gets the same map alone and among others.

    Raises:
        UnknownName: no such method.
        CheckpointError: no classifier, or one that has not what the method needs (with the methods that
            apply).
        SettingsError: an unknown layer, pictures too small for the network or the window, targets out of
            range, a setting without use.
        DataError: pictures of another kind or shape than can be read.
    """
    start = time.perf_counter()
    explainer, settings = explainers().get(method), settings or ExplainSettings()
    _require_fit(classifier, explainer, settings)
    _require_pictures(classifier, images)
    if targets is not None:
        _require_targets(targets, len(images), classifier.outputs)
    layer, averaged = _target_layer(classifier, explainer, settings), _averages(classifier)
    chosen = np.zeros(len(images), dtype=np.int64) if targets is None else np.array(targets, dtype=np.int64)
    maps = np.zeros(images.shape[:3], dtype=np.float32)
    for first in range(0, len(images), settings.batch_size):
        rows = slice(first, first + settings.batch_size)
        pixels = pixels_of(classifier, images[rows])
        wanted = torch.from_numpy(chosen[rows].copy()).to(pixels.device)
        unset = targets is None and layer is not None and not averaged
        request = AttributionRequest(classifier, pixels, wanted, settings, seed, layer, unset)
        if targets is None and not request.open:
            with _predicting(request, one_view=False):
                request.decide(request.probabilities(pixels))
        with _predicting(request, one_view=explainer.needs_maps):
            found = explainer.run(request).detach().float()
        maps[rows] = _resized(found, images.shape[1:3]).cpu().numpy()
        chosen[rows] = request.targets.cpu().numpy()
    return Attribution(
        method, maps, chosen, layer.name if layer else None, explainer.signed, time.perf_counter() - start
    )


@contextmanager
def _predicting(request: AttributionRequest, one_view: bool) -> Iterator[None]:
    """The network in evaluation mode; pictures that do not pass through it are answered with the cure."""
    network = request.classifier.network
    if isinstance(network, Forest):
        yield
        return
    try:
        with evaluation_mode(network, one_view=one_view):
            yield
    except RuntimeError:
        require_passage(network, request.classifier.preprocess(request.pixels[:1]))
        raise


def _averages(classifier: Checkpoint) -> bool:
    """Whether its prediction is a mean over several views."""
    network = classifier.network
    return not isinstance(network, Forest) and any(
        getattr(module, "views", "one") != "one" for module in network.modules()
    )


def pixels_of(classifier: Checkpoint, images: NDArray[np.uint8]) -> Tensor:
    """float (N, C, H, W) in [0, 1] where the classifier is."""
    forest = isinstance(classifier.network, Forest)
    device = "cpu" if forest else next(classifier.torch_network.parameters()).device
    return to_pixels(to_tensor(images).to(device))


def _resized(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    if maps.shape[1:] == size:
        return maps
    return functional.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def layers_of(classifier: Checkpoint) -> tuple[MapLayer, ...]:
    """The layers in which a classifier keeps maps of its pictures, in the order of the forward pass;
    none for an MLP or a forest.
    """
    if isinstance(classifier.network, Forest):
        return ()
    example = pixels_of(classifier, np.zeros((1, *classifier.image_shape), dtype=np.uint8))
    return map_layers(classifier.network, classifier.preprocess(example))


def _target_layer(classifier: Checkpoint, explainer: Explainer, settings: ExplainSettings) -> MapLayer | None:
    if not explainer.needs_maps:
        return None
    layers = layers_of(classifier)
    if not layers:
        raise CheckpointError(
            f"{classifier.model} keeps no maps of the picture, which {explainer.name} weighs",
            cure=_instead(classifier),
        )
    return find_layer(layers, settings.layer)


def _require_fit(classifier: Checkpoint, explainer: Explainer, settings: ExplainSettings) -> None:
    if classifier.role != "classifier":
        raise CheckpointError("explain", expected="a classifier checkpoint", got=f"a {classifier.role}")
    if explainer.needs_gradients and isinstance(classifier.network, Forest):
        lacks = "no maps and no gradients" if explainer.needs_maps else "no gradients"
        raise CheckpointError(
            f"{classifier.model} has {lacks}, which {explainer.name} needs", cure=_instead(classifier)
        )
    used = (*explainer.uses, "batch_size")
    for name, value in settings.model_dump(exclude_defaults=True, exclude=set(used)).items():
        raise SettingsError(
            f"{name}={value}: {explainer.name} does not use it", cure=f"It uses {', '.join(used)}."
        )


def _instead(classifier: Checkpoint) -> str:
    *others, last = applicable(classifier)
    return f"Use {', '.join(others)} or {last}."


def _require_pictures(classifier: Checkpoint, images: NDArray[np.uint8]) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(
            "pictures",
            expected="uint8 (N, H, W, C), C = 1 or 3",
            got=f"{images.dtype} {images.shape}",
            cure=picture_cure(images),
        )
    if isinstance(classifier.network, Forest) and images.shape[1:] != tuple(classifier.image_shape):
        raise DataError(
            f"pictures for {classifier.model}",
            expected=f"{classifier.image_shape} (H, W, C)",
            got=str(images.shape[1:]),
            cure="Read them at the shape that it was trained on.",
        )


def _require_targets(targets: NDArray[np.int64], count: int, outputs: int) -> None:
    given = np.asarray(targets)
    if given.shape != (count,) or given.dtype.kind not in "iu":
        raise SettingsError(
            "targets", expected=f"whole numbers ({count},), one a picture", got=f"{given.dtype} {given.shape}"
        )
    if count and (given.min() < 0 or given.max() >= outputs):
        raise SettingsError(
            "targets", expected=f"class numbers 0..{outputs - 1}", got=f"{given.min()}..{given.max()}"
        )
