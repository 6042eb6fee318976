"""The maps themselves: what the first convolutions and every later stage see in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.explain.attribution import layers_of, pixels_of
from lightfast.explain.pictures import CHANNELS
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.maps import MapLayer, compute_maps, convolutions
from lightfast.report.overlay import mosaic

_BATCH = 32


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """The maps of one layer for N pictures: float32 (N, C, h, w), as the layer gave them;
    `name` is the layer's.
    """

    name: str
    maps: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Channels:
    """What is drawn of one layer, the same for every picture: `chosen` (K,) channels of `total`, `ranges` (K,
    2) their colours' ends.
    """

    name: str
    total: int
    size: tuple[int, int]
    chosen: NDArray[np.intp]
    ranges: NDArray[np.float32]

    @property
    def words(self) -> str:
        """The layer in words."""
        some = f"{len(self.chosen)} of {self.total}" if len(self.chosen) < self.total else f"{self.total}"
        return f"{self.name}: {some} channels of {self.size[0]} × {self.size[1]}"

    def drawn(self, maps: NDArray[np.float32], columns: int, side: int) -> NDArray[np.uint8]:
        """The chosen channels of one picture's maps (C, h, w) beside each other."""
        return mosaic(maps[self.chosen], self.ranges, columns=columns, side=side)


def channels_of(found: FeatureMaps) -> Channels:
    """The channels that vary most over these pictures, in their order;
    each channel's colours go from its 1st to its 99th percentile.
    """
    maps = found.maps
    chosen = np.sort(np.argsort(-maps.std(axis=(0, 2, 3)), kind="stable")[:CHANNELS])
    ranges = np.percentile(maps[:, chosen], (1, 99), axis=(0, 2, 3)).T
    return Channels(found.name, maps.shape[1], maps.shape[2:], chosen, ranges.astype(np.float32))


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
            cure="Use the method occlusion or lime to see what it looks at.",
        )
    chosen = _chosen(known, layers)
    found = [[np.zeros((0, layer.channels, *layer.size), dtype=np.float32)] for layer in chosen]
    for start in range(0, len(images), _BATCH):
        pixels = classifier.preprocess(pixels_of(classifier, images[start : start + _BATCH]))
        for rows, maps in zip(found, compute_maps(classifier.torch_network, chosen, pixels), strict=True):
            rows.append(maps.cpu().numpy())
    return tuple(
        FeatureMaps(layer.name, np.concatenate(rows)) for layer, rows in zip(chosen, found, strict=True)
    )


def _chosen(known: Sequence[MapLayer], wanted: Sequence[str] | None) -> list[MapLayer]:
    if wanted is None:
        first = convolutions(known)
        behind = known.index(first[-1]) + 1 if first else 0
        return [*first, *known[behind:]]
    names = [layer.name for layer in known]
    for name in set(wanted).difference(names):
        raise SettingsError(
            f"layer={name}",
            expected="a layer of this network that keeps maps",
            cure=f"Its layers: {', '.join(names)}.",
        )
    return [layer for layer in known if layer.name in wanted]
