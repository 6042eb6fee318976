"""Pictures for a run that exists: read at its size, labels brought into its order of classes, or without labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightfast.base.errors import DataError
from lightfast.data.decode import fit
from lightfast.data.images import ImageSet
from lightfast.data.ingest import read_splits
from lightfast.data.loaded import LoadedData, Target, Unreadable, concatenate
from lightfast.data.manifest import MANIFEST_ENDINGS
from lightfast.data.pictures import Entry, assemble
from lightfast.data.tree import PART_NAMES, PICTURE_ENDINGS
from lightfast.models.checkpoint import Checkpoint
from lightfast.runs.folder import RunOptions


@dataclass(frozen=True, eq=False)
class Given:
    """Pictures as a run reads them, the files that could not be read, and what was done on the way in."""

    images: ImageSet
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()


def read_labelled(source: str, checkpoint: Checkpoint, options: RunOptions) -> Given:
    """The pictures to score: the official test part where there is one, else all. Another class list is refused by name."""
    loaded = _loaded(source, checkpoint, options)
    images, notes = (loaded.test, ("the official test part was read",)) if loaded.test is not None else (loaded.part("all"), ())
    images, more = aligned(images, checkpoint)
    return Given(images, loaded.unreadable, (*loaded.notes, *notes, *more))


def read_labelled_or_not(source: str, checkpoint: Checkpoint, options: RunOptions) -> Given:
    """Like `read_labelled`; a folder or file that carries no classes of the run is read without labels."""
    path = Path(source).expanduser()
    if path.is_dir() and not _has_class_folders(path, checkpoint.class_names):
        given = read_pictures([source], checkpoint, options)
        return dataclasses.replace(given, notes=(*given.notes, "no folder is named after a class: read without labels"))
    if path.is_file() and (path.suffix.lower() in PICTURE_ENDINGS or (path.suffix.lower() == ".npz" and not _has_labels(path))):
        return read_pictures([source], checkpoint, options)
    return read_labelled(source, checkpoint, options)


def read_pictures(paths: Sequence[str], checkpoint: Checkpoint, options: RunOptions) -> Given:
    """Pictures without labels from picture files, folders (recursive), `.npz` files, manifests and catalogue names, in that order of rows.

    Files that cannot be read are listed; when no picture at all can be read, DataError.
    """
    if not paths:
        raise DataError("no pictures named", cure="Give picture files, folders, an .npz or a catalogue name.")
    entries: list[Entry] = []
    sets: list[ImageSet] = []
    unreadable: list[Unreadable] = []
    notes: list[str] = []
    for text in paths:
        path = Path(text).expanduser()
        if path.is_dir():
            entries += _files_below(path)
        elif path.is_file() and path.suffix.lower() not in (".npz", *MANIFEST_ENDINGS):
            entries.append(Entry(path, text, 0))
        else:
            given = _unlabelled(text, checkpoint, options)
            sets.append(given.images)
            unreadable += given.unreadable
            notes += given.notes
    if entries:
        height, width, channels = checkpoint.image_shape
        name = Path(paths[0]).expanduser().resolve().name
        loaded = assemble(name, entries, ("unlabelled",), Target((height, width), channels), options.report)
        sets.insert(0, _without_labels(loaded.train))
        unreadable += loaded.unreadable
        notes += loaded.notes
    return Given(concatenate(sets), tuple(unreadable), tuple(notes))


def aligned(images: ImageSet, checkpoint: Checkpoint) -> tuple[ImageSet, tuple[str, ...]]:
    """(`images` with labels in the checkpoint's class order, notes); classes that the checkpoint does not know are refused by name."""
    names = images.class_names
    if names == checkpoint.class_names:
        return images, ()
    if not set(names) <= set(checkpoint.class_names):
        checkpoint.require_classes(names, images.name)
    numbers = np.array([checkpoint.class_names.index(name) for name in names])
    missing = [name for name in checkpoint.class_names if name not in names]
    note = f"{images.name} has no pictures of: {', '.join(missing)}" if missing else f"{images.name} lists its classes in another order"
    labels = numbers[images.require_labels()]
    return dataclasses.replace(images, labels=labels, class_names=checkpoint.class_names), (note,)


def _loaded(source: str, checkpoint: Checkpoint, options: RunOptions) -> LoadedData:
    height, width, channels = checkpoint.image_shape
    path = Path(source).expanduser()
    if "data_version" not in checkpoint.details and not path.is_dir() and path.suffix.lower() not in MANIFEST_ENDINGS:
        # Not trained here but taken from the hub: it resizes by itself, and 60,000 digits at 224 × 224 × 3 would take 9 GB.
        return read_splits(source, data_folder=options.data_folder, report=options.report)
    return read_splits(source, image_size=(height, width), channels=channels, data_folder=options.data_folder, report=options.report)


def _unlabelled(source: str, checkpoint: Checkpoint, options: RunOptions) -> Given:
    path = Path(source).expanduser()
    if path.is_file() and path.suffix.lower() == ".npz" and not _has_labels(path):
        height, width, channels = checkpoint.image_shape
        return Given(ImageSet(fit(_bare_images(path), (height, width), channels), name=path.stem))
    loaded = _loaded(source, checkpoint, options)
    return Given(_without_labels(loaded.part("all")), loaded.unreadable, loaded.notes)


def _without_labels(images: ImageSet) -> ImageSet:
    return dataclasses.replace(images, labels=None, class_names=())


def _files_below(folder: Path) -> list[Entry]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in PICTURE_ENDINGS)
    visible = [path for path in files if not any(step.startswith(".") for step in path.relative_to(folder).parts)]
    if not visible:
        raise DataError(f"{folder} holds no picture files", cure="Give another folder, or the files themselves.")
    return [Entry(path, path.relative_to(folder).as_posix(), 0) for path in visible]


def _has_class_folders(folder: Path, class_names: Sequence[str]) -> bool:
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    inner = {path.name for part in names if part.lower() in PART_NAMES for path in (folder / part).iterdir() if path.is_dir()}
    return bool((names | inner) & set(class_names))


def _has_labels(path: Path) -> bool:
    return any(key.endswith("labels") for key in _keys(path))


def _keys(path: Path) -> list[str]:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a whole .npz ({error})", cure="Make or fetch it again.") from error


def _bare_images(path: Path) -> np.ndarray:
    if "images" not in _keys(path):
        raise DataError(f"{path}: no array 'images'", expected="images, uint8 (N, H, W[, C])", got=", ".join(_keys(path)) or "nothing")
    with np.load(path, allow_pickle=False) as archive:
        # ImageSet checks dtype and shape and adds the channel axis.
        return ImageSet(archive["images"], name=path.stem).images
