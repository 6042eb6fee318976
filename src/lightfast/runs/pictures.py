"""Pictures for a run that exists: read at its size, labels brought into its order of classes,
or without labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightfast.base.errors import DataError
from lightfast.data.dataset import LoadedData, Target, Unreadable, concatenate
from lightfast.data.decode.decode import fit
from lightfast.data.decode.unreadable import printable
from lightfast.data.images import ImageSet
from lightfast.data.ingest import read_splits
from lightfast.data.lists.assemble import assemble
from lightfast.data.lists.listing import picture_entries
from lightfast.data.lists.manifest import MANIFEST_ENDINGS
from lightfast.data.lists.metadata import metadata_files
from lightfast.data.sources.archives import ARCHIVE_ENDINGS
from lightfast.data.sources.folder import PART_NAMES, PICTURE_ENDINGS, kind_of
from lightfast.data.sources.remote import is_address
from lightfast.data.sources.resolve import Places
from lightfast.models.checkpoint import Checkpoint
from lightfast.runs.options import RunOptions


@dataclass(frozen=True, eq=False)
class Given:
    """Pictures as a run reads them, the files that could not be read, and what was done on the way in."""

    images: ImageSet
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()


def read_labelled(source: str, checkpoint: Checkpoint, options: RunOptions) -> Given:
    """The pictures to score: the official test part where there is one, else all.

    Another class list is refused by name.
    """
    loaded = _loaded(source, checkpoint, options)
    images, notes = (
        (loaded.test, ("the official test part was read",))
        if loaded.test is not None
        else (loaded.part("all"), ())
    )
    images, more = aligned(images, checkpoint)
    return Given(images, loaded.unreadable, (*loaded.notes, *notes, *more))


def read_labelled_or_not(source: str, checkpoint: Checkpoint, options: RunOptions) -> Given:
    """Like `read_labelled`; a folder or file that carries no classes of the run is read without labels."""
    places = Places(options.report)
    with places.errors():
        path = places.local(source)
    if (
        kind_of(path) == "folder"
        and not _has_class_folders(path, checkpoint.class_names)
        and not metadata_files(path)
    ):
        given = read_pictures([source], checkpoint, options)
        return dataclasses.replace(
            given, notes=(*given.notes, "no folder is named after a class: read without labels")
        )
    if kind_of(path) == "file" and (
        path.suffix.lower() in PICTURE_ENDINGS or (path.suffix.lower() == ".npz" and not _has_labels(path))
    ):
        return read_pictures([source], checkpoint, options)
    return read_labelled(source, checkpoint, options)


def read_pictures(paths: Sequence[str], checkpoint: Checkpoint, options: RunOptions) -> Given:
    """Pictures without labels from picture files, folders (recursive), `.npz` files, tables of pictures,
    archives, addresses and catalogue names; rows of files come first, then those of arrays and names, each in
    the order given.

    Files that cannot be read are listed; when no picture at all can be read, DataError.
    """
    if not paths:
        raise DataError("no pictures named", cure="Give picture files, folders, an .npz or a catalogue name.")
    places = Places(options.report)
    with places.errors():
        arrays = [text for text in paths if _is_array_or_name(places.local(text))]
    files = [text for text in paths if text not in arrays]
    given = [_unlabelled(text, checkpoint, options) for text in arrays]
    if files:
        given.insert(0, _from_files(files, checkpoint, options, places))
    images = concatenate([one.images for one in given])
    return Given(
        images,
        tuple(lost for one in given for lost in one.unreadable),
        tuple(note for one in given for note in one.notes),
    )


def _from_files(paths: Sequence[str], checkpoint: Checkpoint, options: RunOptions, places: Places) -> Given:
    listing = picture_entries(paths, options.report, places)
    if not listing.entries:
        first = listing.unreadable[0]
        raise DataError(
            f"none of the {len(listing.unreadable)} files could be read, the first is {first.path}: "
            f"{first.reason}",
            cure="Check that they are whole picture files that you may read.",
        )
    height, width, channels = checkpoint.image_shape
    name = Path(paths[0]).expanduser().resolve().name
    with places.errors():
        loaded = assemble(
            name, listing.entries, ("unlabelled",), Target((height, width), channels), options.report
        )
    unreadable = sorted(
        (*map(places.named, loaded.unreadable), *listing.unreadable), key=lambda one: one.path
    )
    return Given(_without_labels(loaded.train), tuple(unreadable), (*loaded.notes, *listing.notes))


def _is_array_or_name(path: Path) -> bool:
    """Whether a path has to be read as a data set: an `.npz`,
    or no path at all but a name of the catalogue.
    """
    return path.suffix.lower() == ".npz" or not kind_of(path)


def aligned(images: ImageSet, checkpoint: Checkpoint) -> tuple[ImageSet, tuple[str, ...]]:
    """(`images` with labels in the checkpoint's class order, notes);
    classes that the checkpoint does not know are refused by name.
    """
    names = images.class_names
    if names == checkpoint.class_names:
        return images, ()
    if not set(names) <= set(checkpoint.class_names):
        checkpoint.require_classes(names, images.name)
    numbers = np.array([checkpoint.class_names.index(name) for name in names])
    missing = [name for name in checkpoint.class_names if name not in names]
    note = (
        f"{images.name} has no pictures of: {', '.join(missing)}"
        if missing
        else f"{images.name} lists its classes in another order"
    )
    if images.tags is not None:
        tags = np.zeros((len(images), len(checkpoint.class_names)), dtype=np.bool_)
        tags[:, numbers] = images.tags
        return dataclasses.replace(images, tags=tags, class_names=checkpoint.class_names), (note,)
    labels = numbers[images.require_labels()]
    return dataclasses.replace(images, labels=labels, class_names=checkpoint.class_names), (note,)


def _loaded(source: str, checkpoint: Checkpoint, options: RunOptions) -> LoadedData:
    height, width, channels = checkpoint.image_shape
    of_files = bool({Path(source).suffix.lower()} & {*MANIFEST_ENDINGS, *ARCHIVE_ENDINGS}) or is_address(
        source
    )
    if (
        "data_version" not in checkpoint.details
        and not of_files
        and kind_of(Path(source).expanduser()) != "folder"
    ):
        # Not trained here but taken from the hub: it resizes by itself, and 60,000 digits at 224 × 224 × 3
        # would take 9 GB.
        return read_splits(source, data_folder=options.data_folder, report=options.report)
    return read_splits(
        source,
        image_size=(height, width),
        channels=channels,
        data_folder=options.data_folder,
        report=options.report,
    )


def _unlabelled(source: str, checkpoint: Checkpoint, options: RunOptions) -> Given:
    path = Places(options.report).local(source)
    if kind_of(path) == "file" and path.suffix.lower() == ".npz" and not _has_labels(path):
        height, width, channels = checkpoint.image_shape
        return Given(ImageSet(fit(_bare_images(path), (height, width), channels), name=path.stem))
    loaded = _loaded(source, checkpoint, options)
    return Given(_without_labels(loaded.part("all")), loaded.unreadable, loaded.notes)


def _without_labels(images: ImageSet) -> ImageSet:
    return dataclasses.replace(images, labels=None, tags=None, class_names=())


def _has_class_folders(folder: Path, class_names: Sequence[str]) -> bool:
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    inner = {
        path.name
        for part in names
        if part.lower() in PART_NAMES
        for path in (folder / part).iterdir()
        if path.is_dir()
    }
    return bool({printable(name) for name in names | inner} & set(class_names))


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
        raise DataError(
            f"{path}: no array 'images'",
            expected="images, uint8 (N, H, W[, C])",
            got=", ".join(_keys(path)) or "nothing",
        )
    with np.load(path, allow_pickle=False) as archive:
        # ImageSet checks dtype and shape and adds the channel axis.
        return ImageSet(archive["images"], name=path.stem).images
