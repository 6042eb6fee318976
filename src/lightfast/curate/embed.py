"""Pictures as features, computed once a picture and network, and found again by the picture's content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.base.files import atomic, make_folder
from lightfast.base.folders import features_folder
from lightfast.base.progress import Reporter, silent
from lightfast.data.images import ImageSet

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint

_BLOCK = 512
"""Pictures that are computed before their features are brought to the disk: what a stop can cost."""

Compute = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class Embedder:
    """What turns pictures into features: `compute` takes uint8 (N, H, W, C) and gives float32 (N, D);
    `source` names network and weights, so that kept features of another one are never taken for these.
    """

    source: str
    compute: Compute = field(repr=False)


@dataclass(frozen=True, eq=False)
class Features:
    """`vectors` float32 (N, D), one row a picture, memory-mapped where they are many; `source` names the
    network that made them.
    """

    vectors: NDArray[np.float32]
    source: str

    @cached_property
    def unit(self) -> NDArray[np.float32]:
        """The rows at length 1, so that a product is a cosine; a row of zeros stays one."""
        return unit_rows(self.vectors)


def unit_rows(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """float (N, D) → float32 (N, D), each row divided by its length; rows of zeros stay as they are."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, np.where(lengths > 0, lengths, 1), dtype=np.float32)


def backbone_embedder(model: str = "lite0") -> Embedder:
    """The pooled features of a backbone with its published weights, loaded when first needed."""

    def compute(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not loaded:
            from lightfast.train.features import embedding

            loaded.append(embedding(model))
        return loaded[0](images)

    loaded: list[Compute] = []
    return Embedder(f"{model}-pooled", compute)


def checkpoint_embedder(checkpoint: Checkpoint) -> Embedder:
    """What the last linear layer of a trained classifier is given.

    Raises CheckpointError for a forest and for a network without such a layer.
    """
    from torch import nn

    network = None if not isinstance(checkpoint.network, nn.Module) else checkpoint.network
    layers = [] if network is None else [part for part in network.modules() if isinstance(part, nn.Linear)]
    if network is None or not layers:
        raise CheckpointError(
            f"{checkpoint.model} has no features",
            expected="a network that ends in a linear layer",
            cure="Use a run of another model, or none: then a published backbone is used.",
        )

    def compute(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        from lightfast.models.infer import predict_logits

        seen: list[NDArray[np.float32]] = []
        hook = layers[-1].register_forward_pre_hook(
            lambda _layer, given: seen.append(given[0].flatten(1).float().cpu().numpy())
        )
        try:
            predict_logits(checkpoint, images)
        finally:
            hook.remove()
        return np.concatenate(seen)

    return Embedder(f"{checkpoint.model}-{_weights_digest(network)}", compute)


def embed_pictures(
    images: ImageSet, embedder: Embedder, *, folder: Path | None = None, report: Reporter = silent
) -> Features:
    """The features of every picture of the set, in its order.

    Those of pictures that were computed before, of whatever set, are found again by content; new ones are
    written every few hundred pictures, so that a stopped job goes on where it was.

    Args:
        images: N pictures.
        embedder: what computes; its `source` names the folder.
        folder: where features are kept; None: `features` in the cache folder.
        report: told of every block.
    """
    place = make_folder((folder or features_folder()) / embedder.source)
    keys = np.array([text.encode() for text in images.content_hashes], dtype="S32")
    distinct, first = np.unique(keys, return_index=True)
    new = first[~np.isin(distinct, _known(place))]
    for start in range(0, len(new), _BLOCK):
        rows = np.sort(new)[start : start + _BLOCK]
        _keep(place, keys[rows], embedder.compute(np.ascontiguousarray(images.images[rows])))
        report("features", start + len(rows), len(new), embedder.source)
    return Features(_gathered(place, keys), embedder.source)


def _weights_digest(network: object) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in network.state_dict().items():  # pyright: ignore[reportAttributeAccessIssue]
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _blocks(place: Path) -> list[Path]:
    return sorted(place.glob("*.keys.npy"))


def _known(place: Path) -> NDArray[np.bytes_]:
    kept = [np.load(path) for path in _blocks(place)]
    return np.concatenate(kept) if kept else np.zeros(0, "S32")


def _keep(place: Path, keys: NDArray[np.bytes_], vectors: NDArray[np.float32]) -> None:
    """One block: the vectors first, so that a block whose keys are there is whole."""
    name = hashlib.blake2b(keys.tobytes(), digest_size=8).hexdigest()
    for path, content in ((place / f"{name}.npy", vectors), (place / f"{name}.keys.npy", keys)):
        with atomic(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, content)


def _gathered(place: Path, keys: NDArray[np.bytes_]) -> NDArray[np.float32]:
    """The rows of `keys` out of all blocks; above 1 GiB in an unlinked file, mapped into memory."""
    from lightfast.train.features import empty

    result: NDArray | None = None
    for path in _blocks(place):
        own = np.load(path)
        order = np.argsort(own)
        found = np.minimum(np.searchsorted(own, keys, sorter=order), len(own) - 1)
        rows = np.flatnonzero(own[order[found]] == keys)
        if not len(rows):
            continue
        vectors = np.load(path.with_name(path.name.replace(".keys.npy", ".npy")), mmap_mode="r")
        if result is None:
            result = empty((len(keys), vectors.shape[1]), np.float32)
        result[rows] = vectors[order[found[rows]]]
    return np.zeros((0, 0), np.float32) if result is None else result
