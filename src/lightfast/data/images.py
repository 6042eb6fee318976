"""`ImageSet`: pictures at rest, with labels, names and ids. The record that every room passes on."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError


@dataclass(frozen=True, eq=False)
class ImageSet:
    """N pictures of one size.

    Attributes:
        images: uint8 (N, H, W, C), C = 1 (grey) or 3 (RGB), range 0..255; may be memory-mapped.
        class_names: one name a class, in the order of the label numbers; empty when unlabelled.
        labels: int64 (N,) in 0..len(class_names)-1, or None.
        ids: one text a picture (path or `name/index`).
        name: what the set is called in tables.
        parent: `version` of the set that this one was made from, or None.
        history: how it was made: one mapping a step (verb and its arguments).
    """

    images: NDArray[np.uint8]
    class_names: tuple[str, ...] = ()
    labels: NDArray[np.int64] | None = None
    ids: tuple[str, ...] = ()
    name: str = "images"
    parent: str | None = None
    history: tuple[Mapping[str, Any], ...] = field(default=())

    def __post_init__(self) -> None:
        images = self.images
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            got = f"{images.dtype} array" if isinstance(images, np.ndarray) else type(images).__name__
            raise DataError(f"{self.name}: images", expected="a uint8 array (N, H, W, C)", got=got, cure=_dtype_cure(images))
        if images.ndim == 3:
            object.__setattr__(self, "images", images[..., None])
        elif images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise DataError(f"{self.name}: images", expected="shape (N, H, W), (N, H, W, 1) or (N, H, W, 3)", got=str(images.shape))
        object.__setattr__(self, "class_names", tuple(map(str, self.class_names)))
        ids = tuple(map(str, self.ids)) or tuple(f"{self.name}/{index}" for index in range(len(images)))
        object.__setattr__(self, "ids", ids)
        if len(ids) != len(images):
            raise DataError(f"{self.name}: ids", expected=f"{len(images)} (one a picture)", got=str(len(ids)))
        if self.labels is not None:
            object.__setattr__(self, "labels", _checked_labels(self.labels, len(images), self.class_names, self.name))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every picture."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    @property
    def num_classes(self) -> int:
        """How many classes the names list has."""
        return len(self.class_names)

    @cached_property
    def content_hashes(self) -> tuple[str, ...]:
        """A 128-bit content hash a picture (pixels and shape): equal hashes are exact duplicates."""
        shape = str(self.image_shape).encode()
        return tuple(hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16, key=shape).hexdigest() for image in self.images)

    @cached_property
    def version(self) -> str:
        """Id of this content: pictures, labels, class names and ids, in order (hex, 16 characters)."""
        digest = hashlib.blake2b(digest_size=8)
        for text in (*self.content_hashes, *self.class_names, *self.ids):
            digest.update(text.encode() + b"\0")
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def require_labels(self) -> NDArray[np.int64]:
        """The labels, or a DataError that says they are missing."""
        if self.labels is None:
            raise DataError(
                f"{self.name} has no labels", cure="Give a folder of class folders, a manifest with a label column, or an .npz with labels."
            )
        return self.labels

    def take(self, indices: NDArray[np.integer] | Sequence[int], name: str | None = None) -> Self:
        """The pictures at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        labels = None if self.labels is None else self.labels[chosen]
        ids = tuple(self.ids[index] for index in chosen)
        return dataclasses.replace(self, images=self.images[chosen], labels=labels, ids=ids, name=name or self.name)

    def derived(self, images: NDArray[np.uint8], *, step: Mapping[str, Any], name: str | None = None) -> Self:
        """The same rows with other pixels: a new version with this one as its parent."""
        return dataclasses.replace(self, images=images, name=name or self.name, parent=self.version, history=(*self.history, dict(step)))


def _dtype_cure(images: object) -> str:
    if isinstance(images, np.ndarray) and images.dtype.kind == "f":
        if not np.isfinite(images).all():
            return "The array holds NaN or infinity: find out where they come from before going on."
        return "Scale to 0..255 and convert: (x * 255).round().astype('uint8')."
    return ""


def _checked_labels(labels: NDArray[Any], count: int, class_names: tuple[str, ...], name: str) -> NDArray[np.int64]:
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise DataError(f"{name}: labels", expected=f"shape ({count},), one a picture", got=str(labels.shape))
    if labels.dtype.kind not in "iu":
        raise DataError(f"{name}: labels", expected="whole numbers", got=str(labels.dtype))
    if count and (labels.min() < 0 or labels.max() >= len(class_names)):
        wrong = int(labels.min() if labels.min() < 0 else labels.max())
        raise DataError(
            f"{name}: label {wrong}",
            expected=f"0..{len(class_names) - 1} ({len(class_names)} class names)",
            cure="Give one class name a label number.",
        )
    return labels.astype(np.int64)
