"""Canonical `.npz` files: uint8 (N, H, W[, C]) `images, labels`, or `train_images, train_labels, test_...`;
and `class_names`.
"""

from __future__ import annotations

import dataclasses
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.data.dataset import ImageSpec, LoadedData
from lightfast.data.decode.decode import resize_batch
from lightfast.data.images import ImageSet
from lightfast.data.lists.class_names import check_class_names

_PARTS = ("train", "val", "test")
_KNOWN = {"images", "labels", "class_names"} | {
    f"{part}_{kind}" for part in _PARTS for kind in ("images", "labels")
}


def load_npz(path: Path, target: ImageSpec | None = None, name: str | None = None) -> LoadedData:
    """A canonical `.npz` (pickled ones are refused: unpickling can run code). Without `class_names` the
    classes are the label numbers.

    Raises DataError for: not an .npz, pickled content, missing arrays (those found are said), wrong dtype,
    shape or NaN, labels that do not fit the pictures or the class names, one class, one picture, classes
    spelled alike.
    """
    name = name or path.stem
    stored = _stored(path)
    sets = _sets(stored, path)
    class_names = _class_names(stored, [labels for _, labels in sets.values()], path)
    divided = set(sets) != {"images"}
    parts = {
        part: ImageSet(
            images=pixels, labels=labels, class_names=class_names, name=f"{name}/{part}" if divided else name
        )
        for part, (pixels, labels) in sets.items()
    }
    first = parts["train" if divided else "images"]
    if len(class_names) < 2:
        raise DataError(
            f"{path} has one class only ({', '.join(class_names)})",
            expected="at least two classes",
            cure="Add other classes.",
        )
    if len(first) < 2:
        raise DataError(
            f"{path}: {first.name} holds {len(first)} picture(s)",
            expected="at least 2",
            cure="Add more pictures.",
        )
    loaded = LoadedData(
        train=first, val=parts.get("val"), test=parts.get("test"), notes=_notes(stored, parts)
    )
    return with_image_spec(loaded, target or ImageSpec())


def with_image_spec(loaded: LoadedData, target: ImageSpec) -> LoadedData:
    """The same data at the wanted size and channels, with a note when that changed the pictures."""
    height, width, channels = loaded.train.image_shape
    sizes = loaded.sizes or {f"{height}x{width}": sum(map(len, loaded.parts.values()))}
    wanted = (*(target.image_size or (height, width)), target.channels or channels)
    notes = loaded.notes
    if wanted != (height, width, channels):
        notes = (
            *notes,
            f"pictures of {height}x{width}x{channels} made into {wanted[0]}x{wanted[1]}x{wanted[2]}",
        )
    parts = {part: _fitted(images, target) for part, images in loaded.parts.items()}
    return dataclasses.replace(
        loaded, train=parts["train"], val=parts.get("val"), test=parts.get("test"), notes=notes, sizes=sizes
    )


def _fitted(images: ImageSet, target: ImageSpec) -> ImageSet:
    pixels = resize_batch(images.images, target.image_size, target.channels)
    if pixels is images.images:
        return images
    return images.derived(
        pixels, step={"verb": "resize", "image_size": list(pixels.shape[1:3]), "channels": pixels.shape[3]}
    )


def _stored(path: Path) -> dict[str, NDArray[Any]]:
    cure = "Write it with numpy.savez_compressed from plain arrays (no objects)."
    try:
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} holds one array", expected="an .npz with named arrays", cure=cure)
            # Arrays that nothing here uses are named in a note, not read.
            return {key: archive[key] if key in _KNOWN else np.empty(0) for key in archive.files}
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise DataError(
                f"{path} holds pickled Python objects, which are never loaded: they can run code", cure=cure
            ) from error
        raise DataError(f"{path} is not a whole .npz ({error})", cure="Make or fetch it again.") from error
    except PermissionError as error:
        raise DataError(f"cannot open {path}: permission denied") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is not a whole .npz ({error})", cure="Make or fetch it again.") from error


def _sets(stored: Mapping[str, NDArray[Any]], path: Path) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """{part: (images, labels)}."""
    keys = [part for part in _PARTS if f"{part}_images" in stored]
    pairs = (
        {part: (f"{part}_images", f"{part}_labels") for part in keys}
        if "train" in keys
        else {"images": ("images", "labels")}
    )
    missing = [key for pair in pairs.values() for key in pair if key not in stored]
    if missing:
        wanted = "images and labels, or train_images, train_labels, test_images, test_labels"
        raise DataError(
            f"{path}: no array {missing[0]!r}",
            expected=wanted,
            got=", ".join(stored) or "nothing",
            cure="Add the labels, or the pictures, under these names (numpy.savez).",
        )
    return {part: (stored[images], stored[labels]) for part, (images, labels) in pairs.items()}


def _class_names(
    stored: Mapping[str, NDArray[Any]], labels: list[NDArray[Any]], path: Path
) -> tuple[str, ...]:
    top = max((int(part.max()) for part in labels if part.size and part.dtype.kind in "iu"), default=0)
    if "class_names" in stored:
        names = tuple(str(name) for name in np.atleast_1d(stored["class_names"]))
        if top >= len(names):
            raise DataError(
                f"{path}: class_names",
                expected=f"at least {top + 1} names (labels go up to {top})",
                got=f"{len(names)} names",
                cure="Give one class name a label number.",
            )
    else:
        names = tuple(str(number) for number in range(top + 1))
    check_class_names(names, str(path))
    return names


def _notes(stored: Mapping[str, NDArray[Any]], parts: Mapping[str, ImageSet]) -> tuple[str, ...]:
    notes: list[str] = []
    others = [key for key in stored if key not in _KNOWN]
    if others:
        notes.append(f"arrays left out: {', '.join(others)}")
    for part, images in parts.items():
        counts = np.bincount(images.require_labels(), minlength=images.num_classes)
        absent = [images.class_names[label] for label in np.flatnonzero(counts == 0)]
        if absent:
            notes.append(f"{part} has no picture of: {', '.join(absent)}")
    return tuple(notes)
