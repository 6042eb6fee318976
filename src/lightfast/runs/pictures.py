"""The door by which pictures enter a verb: labelled ones through `prepare`, in a run's size and order of
classes where there is a run; bare ones through `load_pictures`.
"""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.text import nfc
from lightfast.data.catalogue.catalogue import load_dataset
from lightfast.data.dataset import ImageSpec, LoadedData, Unreadable, concatenate
from lightfast.data.decode.decode import resize_batch
from lightfast.data.duplicates.kept_apart import with_ruled_out
from lightfast.data.duplicates.search import Embed, NearDuplicates, find_near_duplicates, with_near_groups
from lightfast.data.images import ImageSet
from lightfast.data.ingest import Ingest, load_splits
from lightfast.data.lists.arrays import known_array, whole_npz
from lightfast.data.lists.layout import NoClassFolders, layout_of
from lightfast.data.lists.listing import load_unlabelled
from lightfast.data.lists.metadata import metadata_files
from lightfast.data.partly import PartlyLabelled, load_partly
from lightfast.data.sources.archives import ARCHIVE_ENDINGS
from lightfast.data.sources.folder import MANIFEST_ENDINGS, file_kind, holds_picture
from lightfast.data.sources.remote import is_address
from lightfast.data.sources.resolve import SourceResolver
from lightfast.data.splits import Splits, split_loaded
from lightfast.data.strokes import holds_strokes
from lightfast.runs.options import RunOptions

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint


class Shaped(Protocol):
    """What decides how pictures are read for a classifier: a checkpoint or an exported file's card."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) that it was built for."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the label numbers."""
        ...

    @property
    def from_hub(self) -> bool:
        """Published by others: it resizes pictures by itself."""
        ...


NearSearch = Literal["none", "hashes", "features"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """The labelled pictures of a source, as every verb gets them: read, near duplicates in one group.

    Attributes:
        data: the parts that the source has, `ImageSet.groups` set where near duplicates were found and are
            to be grouped.
        near: what was found, or why nothing was searched.
    """

    data: LoadedData
    near: NearDuplicates

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Every file that could not be read."""
        return self.data.unreadable

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done on the way in, near duplicates included."""
        groups = len(self.near.groups)
        if not groups:
            return (*self.data.notes, *self.near.notes)
        count, plural = sum(map(len, self.near.groups)), "s" * (groups > 1)
        near = f"{count:,} pictures are near duplicates of others ({groups:,} group{plural})"
        grouped = self.data.train.groups is not None
        then = "those of a group stay on one side" if grouped else "as asked, they were not kept on one side"
        return (*self.data.notes, f"{near}: {then}", *self.near.notes)

    def splits(self, seed: int, *, val: float = 0.1, test: float = 0.2) -> Splits:
        """Train, val and test by `data.splits.split_loaded`: no picture, no near duplicate on two sides."""
        found = split_loaded(self.data, val=val, test=test, seed=seed)
        return with_ruled_out(found, self.data)

    def without_test(self) -> tuple[ImageSet, tuple[str, ...]]:
        """(the pictures for cross-validation, notes): all but an official test part."""
        parts = [images for name, images in self.data.parts.items() if name != "test"]
        images, test = concatenate(parts), self.data.test
        if test is None:
            return images, ()
        note = f"the official test part ({len(test):,} pictures) was left aside: cross-validation needs none"
        return images, (note,)

    def to_score(self) -> tuple[ImageSet, tuple[str, ...]]:
        """(the official test part where there is one, else all pictures; notes)."""
        if self.data.test is not None:
            return self.data.test, ("the official test part was read",)
        return self.data.part("all"), ()


def prepare(
    source: str | Path,
    options: RunOptions,
    *,
    classifier: Shaped | None = None,
    target: ImageSpec | None = None,
    near: NearSearch = "features",
    named: bool = False,
) -> Prepared:
    """THE DOOR: every verb and study that takes labelled pictures gets them here.

    Args:
        source: folder, manifest, `.npz`, archive, address or catalogue name.
        options: `image_size`, `damaged`, `near_duplicates`, `root`, `label_separator`, `data_folder`
            and `report` count.
        classifier: read at its picture size and channels; one from the hub resizes by itself.
        target: size and channels of the pictures; None = `options.image_size`, all else as it is.
        near: what decides the doubtful pairs of near duplicates: the features of a pretrained backbone, or
            the hashes alone; "none" searches nothing, for pictures that will not be divided.
        named: `source` is a catalogue name, whatever lies in the working folder (studies).

    Raises DataError with one line about what is wrong with the source.
    """
    wanted = target or ImageSpec(options.image_size)
    if classifier is not None:
        height, width, channels = classifier.image_shape
        wanted = (
            ImageSpec() if _resizes_itself(classifier, str(source)) else ImageSpec((height, width), channels)
        )
    wanted = dataclasses.replace(wanted, damaged=options.damaged)
    if named:
        data = load_dataset(str(source), options.data_folder, options.report, wanted)
    else:
        # What is scored and not divided may hold a single class of the run.
        known = () if classifier is None or near != "none" else classifier.class_names
        data = load_splits(
            source,
            wanted,
            data_folder=options.data_folder,
            report=options.report,
            known=known,
            tables=options.tables,
        )
    if near == "none":
        return Prepared(data, NearDuplicates(not_searched="the pictures were not divided"))
    if options.near_duplicates == "ignore":
        return Prepared(data, NearDuplicates(not_searched="near duplicates were to be ignored"))
    grouped, found = with_near_groups(data, _backbone() if near == "features" else None, options.report)
    return Prepared(grouped if options.near_duplicates == "group" else data, found)


def prepare_labelled_or_not(
    source: str | Path,
    options: RunOptions,
    *,
    classifier: Shaped | None = None,
    target: ImageSpec | None = None,
) -> Prepared:
    """`prepare`, for verbs that have something to say of pictures without labels too: a folder of pictures
    that says nothing of classes is read without them, and a note says so. Classes of which no picture can be
    read stay, without pictures.

    Args, Raises: as `prepare`.
    """
    target = dataclasses.replace(target or ImageSpec(options.image_size), lost="keep")
    try:
        return prepare(source, options, classifier=classifier, target=target)
    except NoClassFolders as error:
        if classifier is not None:
            height, width, channels = classifier.image_shape
            target = ImageSpec((height, width), channels)
        spec = dataclasses.replace(target, damaged=options.damaged)
        data = load_unlabelled([str(source)], spec, options.report)
        said = f"read without labels: {error.without_cure}"
        data = dataclasses.replace(data, notes=(*data.notes, said))
        if options.near_duplicates == "ignore":
            return Prepared(data, NearDuplicates(not_searched="near duplicates were to be ignored"))
        grouped, found = with_near_groups(data, _backbone(), options.report)
        return Prepared(grouped, found)


def prepare_partly(
    source: str, options: RunOptions, classifier: Shaped | None = None, side: int | None = None
) -> tuple[PartlyLabelled, NDArray[np.int64], tuple[str, ...]]:
    """Pictures of which some are labelled, for choosing what to label next: (they, groups, notes).

    Args:
        source: folder, manifest, `.npz`, archive, address or catalogue name.
        options: as for `prepare`.
        classifier: read at its picture size, with its label numbers.
        side: the largest that pictures need, without a classifier.

    Returns: groups int64 (N,): near duplicates and exact copies have one number; what was done.
    """
    wanted = ImageSpec(options.image_size, largest_side=side, damaged=options.damaged)
    if classifier is not None:
        height, width, channels = classifier.image_shape
        wanted = ImageSpec((height, width), channels, damaged=options.damaged)
    given = load_partly(
        source,
        wanted,
        known=() if classifier is None else classifier.class_names,
        tables=options.tables,
        data_folder=options.data_folder,
        report=options.report,
    )
    images = given.data.train
    copies = np.unique(images.content_hashes, return_index=True, return_inverse=True)
    if options.near_duplicates == "ignore":
        return given, copies[1][copies[2]], ("near duplicates were not searched, exact copies were",)
    found = find_near_duplicates(given.data, _backbone(), options.report)
    if found.not_searched:
        return given, copies[1][copies[2]], (f"near duplicates were not searched: {found.not_searched}",)
    return given, found.numbers(len(images))[copies[1][copies[2]]], found.notes


def _backbone() -> Embed:
    """Features that decide doubtful pairs; the backbone, and torch with it, is loaded where there is one."""
    loaded: list[Embed] = []

    def embed(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not loaded:
            from lightfast.train.features import embedding

            loaded.append(embedding())
        return loaded[0](images)

    return embed


def load_labelled(source: str, checkpoint: Checkpoint, options: RunOptions) -> Ingest:
    """The pictures to score: the official test part where there is one, else all.

    Another class list is refused by name.
    """
    prepared = prepare(source, options, classifier=checkpoint, near="none")
    images, notes = prepared.to_score()
    images, more = aligned(images, checkpoint)
    return Ingest(images, prepared.unreadable, (*prepared.notes, *notes, *more))


def load_labelled_or_not(source: str, checkpoint: Checkpoint, options: RunOptions) -> Ingest:
    """Like `load_labelled`; a folder or file that carries no classes of the run is read without labels."""
    resolver = SourceResolver(options.report, options.tables)
    with resolver.display_errors():
        path = resolver.resolve(source)
    if (
        file_kind(path) == "folder"
        and not _has_class_folders(path, checkpoint.class_names)
        and not metadata_files(path)
    ):
        given = load_pictures([source], checkpoint, options)
        return dataclasses.replace(
            given, notes=(*given.notes, "no folder is named after a class: read without labels")
        )
    if file_kind(path) == "file" and (
        holds_picture(path) or (path.suffix.lower() == ".npz" and not _has_labels(path))
    ):
        return load_pictures([source], checkpoint, options)
    return load_labelled(source, checkpoint, options)


def load_pictures(paths: Sequence[str], checkpoint: Shaped, options: RunOptions) -> Ingest:
    """Pictures without labels from picture files, folders (recursive), `.npz` files, tables of pictures,
    archives, addresses and catalogue names; rows of files come first, then those of arrays and names, each in
    the order given.

    Files that cannot be read are listed; when no picture at all can be read, DataError.
    """
    if not paths:
        raise DataError("no pictures named", cure="Give picture files, folders, an .npz or a catalogue name.")
    resolver = SourceResolver(options.report, options.tables)
    with resolver.display_errors():
        arrays = [text for text in paths if _is_array_or_name(resolver.resolve(text))]
    files = [text for text in paths if text not in arrays]
    given = [_from_files(files, checkpoint, options, resolver)] if files else []
    given += [_unlabelled(text, checkpoint, options) for text in arrays]
    return Ingest(
        concatenate([one.images for one in given]),
        tuple(chain.from_iterable(one.unreadable for one in given)),
        tuple(chain.from_iterable(one.notes for one in given)),
    )


def _from_files(
    paths: Sequence[str], checkpoint: Shaped, options: RunOptions, resolver: SourceResolver
) -> Ingest:
    height, width, channels = checkpoint.image_shape
    target = ImageSpec((height, width), channels, damaged=options.damaged)
    loaded = load_unlabelled(paths, target, options.report, resolver)
    return Ingest(loaded.train, loaded.unreadable, loaded.notes)


def _is_array_or_name(path: Path) -> bool:
    """Whether a path has to be read as a data set: an `.npz`, drawings as strokes, or no path at all but a
    name of the catalogue.
    """
    return path.suffix.lower() == ".npz" or not file_kind(path) or holds_strokes(path)


def aligned(images: ImageSet, checkpoint: Checkpoint) -> tuple[ImageSet, tuple[str, ...]]:
    """(`images` with labels in the checkpoint's class order, notes);
    classes that the checkpoint does not know are refused by name.
    """
    names = images.class_names
    if names == checkpoint.class_names:
        return images, ()
    # One name may be spelled in two ways of Unicode; what the run calls it stays.
    known = {nfc(name): number for number, name in enumerate(checkpoint.class_names)}
    if not known.keys() >= set(map(nfc, names)):
        checkpoint.require_classes(names, images.name)
    numbers = np.array([known[nfc(name)] for name in names])
    missing = [name for number, name in enumerate(checkpoint.class_names) if number not in numbers]
    said = f"{images.name} lists its classes in another order"
    if missing:
        said = f"{images.name} has no pictures of: {', '.join(missing)}"
    notes = (said,) if missing or numbers.tolist() != sorted(numbers.tolist()) else ()
    if images.tags is not None:
        tags = np.zeros((len(images), len(checkpoint.class_names)), dtype=np.bool_)
        tags[:, numbers] = images.tags
        return dataclasses.replace(images, tags=tags, class_names=checkpoint.class_names), notes
    labels = numbers[images.require_labels()]
    return dataclasses.replace(images, labels=labels, class_names=checkpoint.class_names), notes


def _resizes_itself(classifier: Shaped, source: str) -> bool:
    """Whether arrays stay as they are: 60,000 digits at the 224 × 224 × 3 of a hub model would take 9 GB."""
    of_files = bool({Path(source).suffix.lower()} & {*MANIFEST_ENDINGS, *ARCHIVE_ENDINGS})
    files = of_files or is_address(source) or file_kind(Path(source).expanduser()) == "folder"
    return classifier.from_hub and not files


def _unlabelled(source: str, checkpoint: Shaped, options: RunOptions) -> Ingest:
    path = SourceResolver(options.report, options.tables).resolve(source)
    if file_kind(path) == "file" and path.suffix.lower() == ".npz" and not _has_labels(path):
        height, width, channels = checkpoint.image_shape
        return Ingest(ImageSet(resize_batch(_bare_images(path), (height, width), channels), name=path.stem))
    prepared = prepare(source, options, classifier=checkpoint, near="none")
    return Ingest(_without_labels(prepared.data.part("all")), prepared.unreadable, prepared.notes)


def _without_labels(images: ImageSet) -> ImageSet:
    return dataclasses.replace(images, labels=None, tags=None, class_names=())


def _has_class_folders(folder: Path, class_names: Sequence[str]) -> bool:
    """Whether folders below are called after classes; what `folder` itself is called says nothing here."""
    known = set(map(nfc, class_names))
    classes = layout_of(folder, class_names).classes.values()
    return any(name in known and one != folder for part in classes for one, name in part.items())


def _has_labels(path: Path) -> bool:
    return any(known_array(key).endswith("labels") for key in _keys(path))


def _keys(path: Path) -> list[str]:
    with whole_npz(path), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


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
