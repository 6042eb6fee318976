"""The maps themselves: what the first convolutions and every later stage see in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.data.preprocess import to_pixels, to_tensor
from lightfast.explain.attribution import layers_of
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.maps import MapLayer, compute_maps, convolutions

_BATCH = 32


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """The maps of one layer for N pictures: float32 (N, C, h, w), as the layer gave them;
    `name` is the layer's.
    """

    name: str
    maps: NDArray[np.float32]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; of the maps their shape."""
        return {"name": self.name, "shape": list(self.maps.shape)}


def feature_maps(
    classifier: Checkpoint, images: NDArray[np.uint8], layers: Sequence[str] | None = None
) -> tuple[FeatureMaps, ...]:
    """What layers of a network give for uint8 (N, H, W, C) pictures, in the order of the forward pass.

    Args:
        layers: names of layers; None takes the first and the second convolution, then every later stage.

    Raises CheckpointError for a classifier that keeps no maps, SettingsError for an unknown layer (with the
    layers there are).
    """
    if classifier.role != "classifier":
        raise CheckpointError("features", expected="a classifier checkpoint", got=f"a {classifier.role}")
    if images.dtype != np.uint8 or images.ndim != 4:
        raise DataError("pictures", expected="uint8 (N, H, W, C)", got=f"{images.dtype} {images.shape}")
    known = layers_of(classifier)
    if not known:
        raise CheckpointError(
            f"{classifier.model} keeps no maps of the picture",
            expected="a convolutional network or a vision transformer",
            cure="Use --method occlusion or lime to see what it looks at.",
        )
    chosen, network = _chosen(known, layers), classifier.torch_network
    device = next(network.parameters()).device
    found: list[list[NDArray[np.float32]]] = [[] for _ in chosen]
    for start in range(0, len(images), _BATCH):
        pixels = to_pixels(to_tensor(images[start : start + _BATCH]).to(device))
        for rows, maps in zip(
            found, compute_maps(network, chosen, classifier.preprocess(pixels)), strict=True
        ):
            rows.append(maps.cpu().numpy())
    empty = [np.zeros((0, layer.channels, *layer.size), dtype=np.float32) for layer in chosen]
    return tuple(
        FeatureMaps(layer.name, np.concatenate([none, *rows]))
        for layer, none, rows in zip(chosen, empty, found, strict=True)
    )


def _chosen(known: Sequence[MapLayer], wanted: Sequence[str] | None) -> list[MapLayer]:
    if wanted is None:
        first = convolutions(known)
        behind = known.index(first[-1]) + 1 if first else 0
        return [*first, *known[behind:]]
    missing = [name for name in wanted if name not in {layer.name for layer in known}]
    if missing:
        raise SettingsError(
            f"layer={missing[0]}",
            expected="a layer of this network that keeps maps",
            cure=f"Its layers: {', '.join(layer.name for layer in known)}.",
        )
    return [layer for layer in known if layer.name in wanted]
