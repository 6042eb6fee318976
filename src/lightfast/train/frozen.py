"""A frozen part of a network in ONNX Runtime: many pictures pass some times faster than through torch."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError
from lightfast.data.decode.stream import map_in_order
from lightfast.data.preprocess import Preprocess, to_pixels, to_tensor
from lightfast.models.onnx_graph import GraphPreprocess, write_onnx
from lightfast.models.onnx_session import onnx_failures, onnx_session

WORTHWHILE = 100 * 224 * 224
"""Pixels from which on a graph is made: making one takes about as long as torch takes for so many."""
GRAPH_TOLERANCE = 1e-3
"""Largest difference to torch, relative to the largest value, at which the graph counts as the same."""
_BATCH_PIXELS = 8 * 224 * 224
_LARGEST_BATCH = 256
_NAMES = ("images", "found")
Read = Callable[[Any, Tensor], Tensor]
"""(network, normalised float32 (N, C, H, W)) → float32 (N, …)."""


@dataclass(frozen=True, eq=False)
class FrozenRuntime:
    """A graph that is ready: `batches` passes pictures through it, in order.

    Attributes:
        session: ONNX Runtime's, of one thread a call.
        batch: pictures a call.
        threads: calls at once.
    """

    session: Any
    batch: int
    threads: int

    def batches(self, images: NDArray[np.uint8]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """(rows, what was found float32 (n, …)) of uint8 (N, H, W, C)."""
        rows = [slice(start, start + self.batch) for start in range(0, len(images), self.batch)]
        found = map_in_order(
            self._run, (images[one] for one in rows), jobs=self.threads, ahead=2 * self.threads
        )
        yield from zip(rows, found, strict=True)

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.session.run([_NAMES[1]], {_NAMES[0]: np.ascontiguousarray(images)})[0]


def frozen_runtime(
    network: nn.Module, read: Read, preprocess: Preprocess, images: NDArray[np.uint8]
) -> FrozenRuntime | None:
    """The graph of `read(network, preprocess(pixels))` for one picture shape, or None where torch has to do
    it.

    None for a network with an operator that ONNX has not, and where the graph's answer to the first pictures
    is not torch's (`GRAPH_TOLERANCE`): the result is the same function or nothing. The network is not
    changed.

    Args:
        network: on the CPU, in eval mode.
        read: what is wanted of it; the network is given, for the graph is made of a copy.
        preprocess: of the network.
        images: uint8 (N, H, W, C); the first few are compared.
    """
    shape = (images.shape[1], images.shape[2], images.shape[3])
    few = np.ascontiguousarray(images[:2])
    with torch.inference_mode():
        wanted = read(network, preprocess(to_pixels(to_tensor(few)))).float().numpy()
    with tempfile.TemporaryDirectory(prefix="lightfast-frozen-") as folder:
        path = Path(folder) / "frozen.onnx"
        try:
            write_onnx(_Frozen(network, read, preprocess, shape), shape, path, _NAMES)
            session = onnx_session(path.read_bytes())
            found = session.run([_NAMES[1]], {_NAMES[0]: few})[0]
        except (CheckpointError, *onnx_failures()):
            return None
    largest = float(np.abs(wanted).max(initial=1e-6))
    if found.shape != wanted.shape or not np.abs(found - wanted).max(initial=0) <= GRAPH_TOLERANCE * largest:
        return None
    side = max(preprocess.size[0] * preprocess.size[1], 1)
    batch = min(_LARGEST_BATCH, max(1, _BATCH_PIXELS // side))
    return FrozenRuntime(session, batch, torch.get_num_threads())


class _Frozen(nn.Module):
    """uint8 (N, H, W, C) → what `read` makes of it."""

    def __init__(
        self, network: nn.Module, read: Read, preprocess: Preprocess, image_shape: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.network, self.read = copy.deepcopy(network), read
        self.prepare = GraphPreprocess(image_shape, preprocess, 255)

    def forward(self, images: Tensor) -> Tensor:
        return self.read(self.network, self.prepare(images.permute(0, 3, 1, 2).float()))
