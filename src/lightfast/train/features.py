"""Pictures through a frozen backbone, once: features for a linear head,
or the maps in front of the first stage that learns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightfast.base.progress import Reporter, silent
from lightfast.data.preprocess import Preprocess, to_pixels, to_tensor
from lightfast.models.build import fresh_network
from lightfast.models.stages import run_stages
from lightfast.models.transfer import TransferNetwork, load_weights, preprocess_of
from lightfast.train.frozen import WORTHWHILE, FrozenRuntime, Read, frozen_runtime

BATCH = 32
ON_DISK = 2**30
"""Bytes: larger results rest in an unlinked temporary file, mapped into memory."""


@dataclass(frozen=True)
class FeatureExtractor:
    """A network, its preprocessing and where it computes: what turns uint8 pictures into features."""

    network: TransferNetwork
    preprocess: Preprocess
    device: torch.device
    report: Reporter = silent
    graphs: dict[tuple[str, tuple[int, ...]], FrozenRuntime | None] = field(default_factory=dict, repr=False)
    """Made when many pictures come (`train.frozen`): a backbone that has learned needs a new extractor."""

    @property
    def fewest(self) -> int:
        """Pictures from which on ONNX Runtime is used."""
        return -(-WORTHWHILE // (self.preprocess.size[0] * self.preprocess.size[1]))

    def features(self, images: NDArray[np.uint8], *, flip: bool = False) -> NDArray[np.float32]:
        """uint8 (N, H, W, C) → float32 (N, D): what the head sees; with `flip` of the mirrored pictures."""
        return self._through(images, flip, "features", _features, np.float32)

    def maps(self, images: NDArray[np.uint8], start: int, *, flip: bool = False) -> NDArray[np.float16]:
        """uint8 (N, H, W, C) → float16 (N, …): what stage number `start` is given."""

        def before(network: TransferNetwork, pixels: Tensor) -> Tensor:
            return run_stages(network.stages[:start], pixels)

        return self._through(images, flip, f"maps {start}", before, np.float16)

    def _through(self, images: NDArray[np.uint8], flip: bool, name: str, read: Read, dtype: type) -> NDArray:
        # Outside inference mode: weights that are moved inside it could not be trained afterwards.
        self.network.eval().to(self.device).to(memory_format=torch.channels_last)
        shown = images[:, :, ::-1] if flip else images
        runtime = self._runtime(shown, name, read)
        batches = runtime.batches(shown) if runtime is not None else self._eager(shown, read)
        result: NDArray | None = None
        for rows, found in batches:
            if result is None:
                result = empty((len(images), *found.shape[1:]), dtype)
            result[rows] = found
            self.report("features", min(rows.stop, len(images)), len(images), "mirrored" if flip else "")
        return np.zeros((0, self.network.width), dtype) if result is None else result

    def _runtime(self, images: NDArray[np.uint8], name: str, read: Read) -> FrozenRuntime | None:
        """The graph, where it pays; made once for all pictures of a shape."""
        if self.device.type != "cpu":
            return None
        key = (name, images.shape[1:])
        if key not in self.graphs and len(images) >= self.fewest:
            self.graphs[key] = frozen_runtime(self.network, read, self.preprocess, images)
        return self.graphs.get(key)

    def _eager(self, images: NDArray[np.uint8], read: Read) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        for start in range(0, len(images), BATCH):
            rows = slice(start, start + BATCH)
            with torch.inference_mode():
                pixels = to_pixels(to_tensor(np.ascontiguousarray(images[rows])).to(self.device))
                pixels = self.preprocess(pixels).contiguous(memory_format=torch.channels_last)
                yield rows, read(self.network, pixels).cpu().numpy()


def _features(network: TransferNetwork, pixels: Tensor) -> Tensor:
    return network.features(pixels).float()


def embedding(model: str = "lite0") -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Pictures uint8 (N, H, W, C) to the pooled features float32 (N, D)
    of a backbone with its published weights; loaded when first called.
    """

    def embed(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        shape = (images.shape[1], images.shape[2], images.shape[3])
        if shape not in extractors:
            network = fresh_network(model, "classifier", shape, 2, {}, 0)
            load_weights(network, model, {})
            extractors[shape] = FeatureExtractor(
                network, preprocess_of(model, shape, {}), torch.device("cpu")
            )
        return extractors[shape].features(images)

    extractors: dict[tuple[int, int, int], FeatureExtractor] = {}
    return embed


def empty(shape: tuple[int, ...], dtype: type) -> NDArray:
    """An array to be filled: in memory, or above ON_DISK in a file that vanishes with the process."""
    if int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize <= ON_DISK:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="lightfast-features-") as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)
