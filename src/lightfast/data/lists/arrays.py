"""Canonical `.npz` files: uint8 (N, H, W[, C]) `images, labels`, or `train_images, train_labels, test_...`;
and `class_names`. `ruled_out_images` with bool (M, K) `ruled_out` are pictures known only for what they are
not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.data.dataset import PART_ORDER, ImageSpec, LoadedData
from lightfast.data.decode.decode import resize_batch
from lightfast.data.images import ImageSet
from lightfast.data.lists.array_labels import numbered
from lightfast.data.lists.class_names import check_class_names, require_two_classes
from lightfast.data.ruled_out import RuledOut

_RULED_OUT = ("ruled_out_images", "ruled_out")
_KNOWN = {"images", "labels", "class_names", *_RULED_OUT} | {
    f"{part}_{kind}" for part in PART_ORDER for kind in ("images", "labels")
}
_OTHER_NAMES = {
    name: f"{part}{kind}"
    for said, part in (("", ""), *((f"_{part}", f"{part}_") for part in PART_ORDER), ("_valid", "val_"))
    for letters, kind in (("xX", "images"), ("yY", "labels"))
    for name in (f"{letter}{said}" for letter in letters)
}
"""Names of Keras and scikit-learn (`x_train`, `y`) and what they are here."""

_CURE = "Write it with numpy.savez_compressed from plain arrays (no objects)."


def load_npz(path: Path, target: ImageSpec | None = None, name: str | None = None) -> LoadedData:
    """A canonical `.npz` (pickled ones are refused: unpickling can run code). Without `class_names` the
    classes are the label numbers.

    Raises DataError for: not an .npz, pickled content, missing arrays (those found are said), wrong dtype,
    shape or NaN, labels that do not fit the pictures or the class names, one class, one picture, classes
    spelled alike.
    """
    name = name or path.stem
    stored, renamed = _stored(path)
    sets = _sets(stored, path)
    names = tuple(map(str, np.atleast_1d(stored["class_names"]))) if "class_names" in stored else None
    labelled = numbered({part: labels for part, (_, labels) in sets.items()}, names, str(path))
    class_names = labelled.class_names
    alike = check_class_names(class_names, str(path))
    divided = set(sets) != {"images"}
    parts: dict[str, Any] = {
        part: ImageSet(pixels, class_names, labelled.labels[part], name=f"{name}/{part}" if divided else name)
        for part, (pixels, _) in sets.items()
    }
    require_two_classes(class_names, str(path))
    notes = (*renamed, *labelled.notes, *alike, *_notes(stored, parts))
    loaded = LoadedData(**parts, notes=notes) if divided else LoadedData(parts["images"], notes=notes)
    if len(loaded.train) < 2:
        raise DataError(
            f"{path}: {loaded.train.name} holds {len(loaded.train)} picture(s)",
            expected="at least 2",
            cure="Add more pictures.",
        )
    loaded = dataclasses.replace(loaded, ruled_out=_ruled_out(stored, loaded.train, path))
    return with_image_spec(loaded, target or ImageSpec())


def with_image_spec(loaded: LoadedData, target: ImageSpec) -> LoadedData:
    """The same data at the wanted size and channels, with a note when that changed the pictures."""
    height, width, channels = loaded.train.image_shape
    sizes = loaded.sizes or {f"{height}x{width}": sum(map(len, loaded.parts.values()))}
    wanted = (*(target.image_size or (height, width)), target.channels or channels)
    notes = loaded.notes
    if wanted != (height, width, channels):
        made = "x".join(map(str, wanted))
        notes = (*notes, f"pictures of {height}x{width}x{channels} made into {made}")
    parts: dict[str, Any] = {part: _fitted(images, target) for part, images in loaded.parts.items()}
    others = loaded.ruled_out
    if others is not None:
        others = dataclasses.replace(others, images=_fitted(others.images, target))
    return dataclasses.replace(loaded, **parts, notes=notes, sizes=sizes, ruled_out=others)


def _ruled_out(stored: Mapping[str, NDArray[Any]], train: ImageSet, path: Path) -> RuledOut | None:
    if not any(key in stored for key in _RULED_OUT):
        return None
    missing = [key for key in _RULED_OUT if key not in stored]
    if missing:
        cure = "Add it, or take the other away."
        raise DataError(f"{path}: no array {missing[0]!r}", expected=" and ".join(_RULED_OUT), cure=cure)
    images = ImageSet(stored[_RULED_OUT[0]], name=f"{train.name.split('/')[0]}/not")
    found = RuledOut(images, stored[_RULED_OUT[1]])
    if (found.classes.shape[1], images.image_shape) != (train.num_classes, train.image_shape):
        expected = f"bool (M, {train.num_classes}), one column a class, of pictures {train.image_shape}"
        got = f"{found.classes.shape} of {images.image_shape}"
        raise DataError(f"{path}: array 'ruled_out'", expected=expected, got=got)
    return found


def _fitted(images: ImageSet, target: ImageSpec) -> ImageSet:
    pixels = resize_batch(images.images, target.image_size, target.channels)
    if pixels is images.images:
        return images
    return images.derived(
        pixels, step={"verb": "resize", "image_size": list(pixels.shape[1:3]), "channels": pixels.shape[3]}
    )


@contextlib.contextmanager
def whole_npz(path: Path, cure: str = "Make or fetch it again.") -> Iterator[None]:
    """Turn what NumPy raises about an `.npz` that is damaged or cut off into one line."""
    try:
        yield
    except PermissionError as error:
        raise DataError(f"cannot open {path}: permission denied") from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        what = f"is not a whole .npz ({error})"
        if isinstance(error, ValueError) and "pickle" in str(error).lower():
            what, cure = "holds pickled Python objects, which are never loaded: they can run code", _CURE
        raise DataError(f"{path} {what}", cure=cure) from error


def _stored(path: Path) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """(arrays under the names that are known here, a note where they have others)."""
    with whole_npz(path), path.open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"{path} holds one array", expected="an .npz with named arrays", cure=_CURE)
        # Arrays that nothing here uses are named in a note, not read.
        own = bool(_KNOWN & {*archive.files})
        names = {key: key if own else known_array(key) for key in archive.files}
        read = {name: archive[key] if name in _KNOWN else np.empty(0) for key, name in names.items()}
    other = [f"{key} as {name}" for key, name in names.items() if key != name]
    return read, (f"arrays were read under other names: {', '.join(other)}",) if other else ()


def known_array(key: str) -> str:
    """What an array of this name is here: `y` is `labels`, `x_train` is `train_images`."""
    return _OTHER_NAMES.get(key, key)


def _sets(stored: Mapping[str, NDArray[Any]], path: Path) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """{part: (images, labels)}."""
    pairs = {"images": ("images", "labels")}
    if "train_images" in stored:
        pairs = {
            part: (f"{part}_images", f"{part}_labels") for part in PART_ORDER if f"{part}_images" in stored
        }
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


def _notes(stored: Mapping[str, NDArray[Any]], parts: Mapping[str, ImageSet]) -> tuple[str, ...]:
    notes: list[str] = []
    others = [key for key in stored if key not in _KNOWN]
    if others:
        notes.append(f"arrays left out: {', '.join(others)}")
    for part, images in parts.items():
        if images.absent_classes:
            notes.append(f"{part} has no picture of: {', '.join(images.absent_classes)}")
    return tuple(notes)
