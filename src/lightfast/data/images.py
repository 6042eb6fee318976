"""`ImageSet`: pictures at rest, with labels, names and ids. The record that every room passes on."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, UnknownName
from lightfast.base.randomness import generator
from lightfast.data.array_cures import dtype_cure, is_one_picture, shape_cure
from lightfast.data.mapped import MappedArray, take_rows

ROW_FIELDS = ("labels", "tags", "groups")
"""The fields of an ImageSet that hold one entry a picture, or None."""


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
        tags: bool (N, K) which of `class_names` a picture carries, for pictures with any number of labels;
            `labels` is then None.
        groups: int64 (N,) or None: rows with the same number (near duplicates) stay on one side of every
            split, as exact copies always do.
    """

    images: NDArray[np.uint8]
    class_names: tuple[str, ...] = ()
    labels: NDArray[np.int64] | None = None
    ids: tuple[str, ...] = ()
    name: str = "images"
    parent: str | None = None
    history: tuple[Mapping[str, Any], ...] = field(default=())
    tags: NDArray[np.bool_] | None = None
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        self._check_images()
        count = len(self.images)
        ids = tuple(map(str, self.ids)) or tuple(f"{self.name}/{row}" for row in range(count))
        object.__setattr__(self, "class_names", tuple(map(str, self.class_names)))
        object.__setattr__(self, "ids", ids)
        if len(ids) != count:
            raise self._wrong("ids", f"{count} (one a picture)", len(ids))
        if self.labels is not None:
            self._check_labels(np.asarray(self.labels))
        if self.tags is not None:
            self._check_tags(self.tags)
        groups = self.groups
        if groups is not None and (groups.shape != (count,) or groups.dtype.kind != "i"):
            raise self._wrong("groups", f"whole numbers ({count},), one a picture", groups.shape)

    def _wrong(self, what: str, expected: str, got: object = "", cure: str = "") -> DataError:
        return DataError(f"{self.name}: {what}", expected=expected, got=got, cure=cure)

    def _check_images(self) -> None:
        images: Any = self.images
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            got = f"{images.dtype} array" if isinstance(images, np.ndarray) else type(images).__name__
            raise self._wrong("images", "a uint8 array (N, H, W, C)", got, dtype_cure(images))
        if images.ndim == 3 and not is_one_picture(images):
            object.__setattr__(self, "images", images[..., None])
        elif images.ndim != 4 or images.shape[-1] not in (1, 3):
            expected, cure = "shape (N, H, W), (N, H, W, 1) or (N, H, W, 3)", shape_cure(images)
            raise self._wrong("images", expected, images.shape, cure)

    def _check_labels(self, labels: NDArray[Any]) -> None:
        count, classes = len(self.images), len(self.class_names)
        if labels.shape != (count,):
            raise self._wrong("labels", f"shape ({count},), one a picture", labels.shape)
        if labels.dtype.kind not in "iu":
            raise self._wrong("labels", "whole numbers", labels.dtype)
        if count and (labels.min() < 0 or labels.max() >= classes):
            wrong = labels.min() if labels.min() < 0 else labels.max()
            expected, cure = (
                f"0..{classes - 1} ({classes} class names)",
                "Give one class name a label number.",
            )
            raise self._wrong(f"label {wrong}", expected, cure=cure)
        object.__setattr__(self, "labels", labels.astype(np.int64))

    def _check_tags(self, tags: Any) -> None:
        shape = len(self.images), len(self.class_names)
        if not isinstance(tags, np.ndarray) or tags.dtype != np.bool_ or tags.shape != shape:
            got = f"{tags.dtype} {tags.shape}" if isinstance(tags, np.ndarray) else type(tags).__name__
            raise self._wrong("tags", f"a bool array {shape}, one row a picture, one column a class", got)
        if self.labels is not None:
            expected = "one label a picture, or any number of tags"
            raise self._wrong("both labels and tags", expected, cure="Leave one out.")

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

    @property
    def absent_classes(self) -> list[str]:
        """The names of the classes without any picture."""
        present = set(self.require_labels().tolist())
        return [name for label, name in enumerate(self.class_names) if label not in present]

    @cached_property
    def content_hashes(self) -> tuple[str, ...]:
        """A 128-bit content hash a picture (pixels and shape): equal hashes are exact duplicates."""
        return self.known_hashes or tuple(content_hash(image) for image in self.images)

    @property
    def known_hashes(self) -> tuple[str, ...] | None:
        """`content_hashes` if they are known without reading the pixels."""
        stored = self.images.hashes if isinstance(self.images, MappedArray) else None
        return self.__dict__.get("content_hashes") or stored

    def with_hashes(self, hashes: Sequence[str] | None) -> Self:
        """This set, told its `content_hashes`, which whoever made it knows (None: he does not)."""
        if hashes is not None:
            if len(hashes) != len(self):
                raise self._wrong("content hashes", f"{len(self)} (one a picture)", len(hashes))
            self.__dict__["content_hashes"] = tuple(hashes)
            if isinstance(self.images, MappedArray):
                self.images.hashes = tuple(hashes)
        return self

    @cached_property
    def version(self) -> str:
        """Id of this content: pictures, labels, class names and ids, in order (hex, 16 characters)."""
        digest = hashlib.blake2b(digest_size=8)
        for text in (*self.content_hashes, *self.class_names, *self.ids):
            digest.update(text.encode() + b"\0")
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        if self.tags is not None:
            digest.update(np.packbits(self.tags, axis=1).tobytes())
        return digest.hexdigest()

    def require_labels(self) -> NDArray[np.int64]:
        """The labels, or a DataError that says they are missing."""
        if self.labels is None:
            cure = "Give a folder of class folders, a manifest with a label column, or an .npz with labels."
            raise DataError(f"{self.name} has no labels", cure=cure)
        return self.labels

    def require_tags(self) -> NDArray[np.bool_]:
        """The label matrix bool (N, K), or a DataError that says it is missing."""
        if self.tags is None:
            raise DataError(
                f"{self.name} has one label a picture, or none",
                expected="pictures with any number of labels",
                cure="Give a manifest whose label column holds lists, or one 0/1 column a label.",
            )
        return self.tags

    def take(self, indices: NDArray[np.integer] | Sequence[int], name: str | None = None) -> Self:
        """The pictures at `indices`, in that order.

        What does not fit in memory stays on the disk: see `take_rows`.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        hashes = self.known_hashes
        new = dataclasses.replace(
            self,
            images=take_rows(self.images, chosen),
            ids=tuple(self.ids[index] for index in chosen),
            name=name or self.name,
            **{one: rows[chosen] for one in ROW_FIELDS if (rows := getattr(self, one)) is not None},
        )
        return new.with_hashes(None if hashes is None else [hashes[index] for index in chosen])

    def derived(self, images: NDArray[np.uint8], *, step: Mapping[str, Any], name: str | None = None) -> Self:
        """The same rows with other pixels: a new version with this one as its parent."""
        return self._next(step, images=images, name=name or self.name)

    def _next(self, step: Mapping[str, Any], **changed: Any) -> Self:
        return dataclasses.replace(self, parent=self.version, history=(*self.history, dict(step)), **changed)

    def relabel(self, labels: Mapping[str, str] | Mapping[int, str], *, step: Mapping[str, Any]) -> Self:
        """The same pictures with other labels: a new version with this one as its parent.

        Args:
            labels: id or row (0..N-1) of a picture → the name of its class; the others keep their labels.
            step: what is noted in `history`: the verb and its arguments.

        Raises DataError without labels, for an id that no picture has or several have, a row that is not
        there, and for None: a set with one label a picture has no room for "none of these". Raises
        UnknownName for a name that is no class.
        """
        changed = self.require_labels().copy()
        rows: dict[str, list[int]] = defaultdict(list)
        for row, name in enumerate(self.ids):
            rows[name].append(row)
        numbers = {name: number for number, name in enumerate(self.class_names)}
        for picture, label in labels.items():
            found = rows[picture] if isinstance(picture, str) else [picture]
            if len(found) != 1 or not 0 <= found[0] < len(self):
                several = f"{len(found) or 'no'} pictures with the id {picture!r}"
                raise self._wrong(
                    several if isinstance(picture, str) else f"row {picture}",
                    f"one of {len(self):,} pictures, by its id or its row",
                    cure="Take ids from this version of the data; where one stands twice, give rows.",
                )
            if label is None:
                cure = "Leave the picture out (`take`) where no class fits."
                raise self._wrong(f"no label for {self.ids[found[0]]!r}", "the name of a class", cure=cure)
            if label not in numbers:
                raise UnknownName(f"class for {self.ids[found[0]]!r}", str(label), self.class_names)
            changed[found[0]] = numbers[label]
        return self._next(step, labels=changed).with_hashes(self.known_hashes)


def content_hash(image: NDArray[np.uint8]) -> str:
    """128 bits (hex) of one picture's pixels and shape (H, W, C)."""
    return hashlib.blake2b(
        np.ascontiguousarray(image).data, digest_size=16, key=str(image.shape).encode()
    ).hexdigest()


def fingerprints(hashes: Iterable[str]) -> NDArray[np.uint64]:
    """uint64 (N,): the first 64 of the 128 bits of content hashes.

    Among a million pictures the chance of one false match is below 1e-7.
    """
    return np.array([int(text[:16], 16) for text in hashes], dtype=np.uint64)


def sample(images: ImageSet, limit: int | None, seed: int = 0) -> ImageSet:
    """At most `limit` pictures drawn by seed, in their order; all when `limit` is None."""
    if limit is None or limit >= len(images):
        return images
    if limit < 1:
        raise DataError(f"limit {limit}", expected="at least 1 picture")
    return images.take(np.sort(generator(seed, "sample", images.name).permutation(len(images))[:limit]))
