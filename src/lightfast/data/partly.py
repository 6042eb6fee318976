"""Pictures of which some have a label and some have none: what is still to be labelled."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, UnknownName
from lightfast.base.progress import Reporter, silent
from lightfast.base.text import nfc
from lightfast.data.dataset import Entry, ImageSpec, LoadedData, TableOptions
from lightfast.data.decode.decode import resize_batch
from lightfast.data.decode.unreadable import printable
from lightfast.data.images import ImageSet
from lightfast.data.ingest import load_splits
from lightfast.data.lists.arrays import whole_npz
from lightfast.data.lists.assemble import assemble
from lightfast.data.lists.cells import partial_labels
from lightfast.data.lists.class_names import check_class_names, ordered_class_names
from lightfast.data.lists.label_columns import has_labels
from lightfast.data.lists.layout import layout_of
from lightfast.data.lists.listing import picture_entries
from lightfast.data.lists.manifest import named_pictures, table_rows
from lightfast.data.lists.metadata import metadata_files
from lightfast.data.lists.table import PATH_COLUMNS, PictureTable, load_table
from lightfast.data.sources.folder import MANIFEST_ENDINGS, file_kind
from lightfast.data.sources.names import is_unlabelled
from lightfast.data.sources.resolve import SourceResolver

UNLABELLED = -1
_BARE = "(no label)"


@dataclass(frozen=True, eq=False)
class PartlyLabelled:
    """Pictures with the labels that some of them have.

    Attributes:
        data: all pictures in `train`, without labels there.
        labels: int64 (N,) in 0..len(class_names)-1, or UNLABELLED.
        class_names: of the labels that are there; a run's own where one was given.
    """

    data: LoadedData
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]


def load_partly(
    source: str,
    target: ImageSpec | None = None,
    *,
    known: Sequence[str] = (),
    tables: TableOptions | None = None,
    data_folder: Path | None = None,
    report: Reporter = silent,
) -> PartlyLabelled:
    """The pictures of `source` and the labels that some of them carry.

    Folders: pictures in class folders have a label; those beside them, and in folders called unlabelled,
    unsorted, todo … have none. Tables: an empty cell of the column `label` is no label, and the column may
    be missing. `.npz`: `labels` may be missing, and -1 in it is no label. A set of the catalogue is all
    labelled.

    Args:
        known: the classes of a run, in its order: the labels get its numbers, other classes are refused by
            name, and where no folder is called after one of them nothing is labelled.

    Raises DataError as `load_splits` does, and for several labels a picture.
    """
    target = dataclasses.replace(target or ImageSpec(), lost="keep")
    resolver = SourceResolver(report, tables)
    with resolver.display_errors():
        path = resolver.resolve(source)
        kind = file_kind(path)
        npz = path.suffix.lower() == ".npz"
        if kind and npz and (bare := _of_npz(path, target)) is not None:
            return _numbered(*bare, known)
        if kind and not npz:
            return _numbered(*_of_files(source, path, target, resolver, known), known)
    loaded = load_splits(source, target, data_folder=data_folder, report=report, tables=tables, known=known)
    images = loaded.part("all")
    bare = dataclasses.replace(images, labels=None, class_names=()).with_hashes(images.known_hashes)
    data = LoadedData(bare, None, loaded.unreadable, loaded.notes, sizes=loaded.sizes)
    return _numbered(data, images.require_labels(), images.class_names, known)


def without_labels(given: PartlyLabelled) -> PartlyLabelled:
    """The same pictures as if nobody had labelled one."""
    return dataclasses.replace(given, labels=np.full_like(given.labels, UNLABELLED))


_Read = tuple[LoadedData, NDArray[np.int64], tuple[str, ...]]


def _of_files(
    source: str, path: Path, target: ImageSpec, resolver: SourceResolver, known: Sequence[str]
) -> _Read:
    """Folders and tables, archives and addresses of them included (`path` is their local copy)."""
    folder = file_kind(path) == "folder"
    files = list(metadata_files(path).values()) if folder else [path]
    if folder and not files:
        listing = picture_entries([source], resolver.report, resolver)
        entries, unreadable, notes = listing.entries, listing.unreadable, listing.notes
        said, more = _folder_labels(path, entries, known)
    elif not folder and path.suffix.lower() not in MANIFEST_ENDINGS:
        cure = "Give a folder, a table (path,label), an .npz or a name of `data list`."
        raise DataError(f"{printable(source)} is one file and no pool of pictures", cure=cure)
    else:
        entries, unreadable, notes, more = (), (), (), ()
        said: Mapping[str, str] = {}
        for file in files:
            table = load_table(file)
            found, texts, told = _table_labels(table, file, resolver)
            entries, said, more = (*entries, *found), {**said, **texts}, (*more, *table.notes, *told)
    names = ordered_class_names(sorted({name for name in said.values() if name}))
    more = (*more, *check_class_names(names, printable(source)))
    numbers = {name: number for number, name in enumerate(names)}
    numbered = [
        dataclasses.replace(one, label=numbers.get(said.get(one.id) or "", len(names))) for one in entries
    ]
    loaded = assemble(path.resolve().name, numbered, (*names, _BARE), target, resolver.report)
    train = loaded.train
    labels = train.require_labels()
    data = dataclasses.replace(
        loaded,
        train=dataclasses.replace(train, labels=None, class_names=()).with_hashes(train.known_hashes),
        unreadable=tuple(sorted((*map(resolver.display_unreadable, loaded.unreadable), *unreadable))),
        notes=(*loaded.notes, *notes, *more),
    )
    return data, np.where(labels == len(names), UNLABELLED, labels), names


def _folder_labels(
    root: Path, entries: Sequence[Entry], known: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """({id: class} of the pictures in class folders, notes)."""
    layout = layout_of(root, known)
    classes = {
        folder: name
        for part in layout.classes.values()
        for folder, name in part.items()
        if not is_unlabelled(folder.name) or name in known
    }
    notes = list(layout.notes)
    if known and {nfc(name) for name in known}.isdisjoint(classes.values()):
        classes = {}
        notes.append("no folder is called after a class of the run: nothing counts as labelled")
    said = {}
    for entry in entries:
        name = next((classes[above] for above in entry.path.parents if above in classes), None)
        if name is not None:
            said[entry.id] = name
    return said, tuple(notes)


def _table_labels(
    table: PictureTable, file: Path, resolver: SourceResolver
) -> tuple[list[Entry], Mapping[str, str], tuple[str, ...]]:
    """(the pictures that a table names, {id: class} of those with a label, notes)."""
    column = next((name for name in PATH_COLUMNS if name in table.columns), PATH_COLUMNS[0])
    rows = table_rows(table, column, file.parent)
    entries = named_pictures(file, resolver)
    if "label" not in table.columns:
        if has_labels(table):
            cure = "Leave the columns of labels out: every picture then counts as unlabelled."
            raise DataError(f"{table.where} has several labels a picture", expected="one", cure=cure)
        return entries, {}, ()
    cells = [row["label"] for row in table.rows]
    if any(isinstance(cell, list) for cell in cells):
        cure = "Leave the column out: every picture then counts as unlabelled."
        raise DataError(f"{table.where} has several labels a picture", expected="one", cure=cure)
    texts, notes = partial_labels(cells, table.where)
    said: dict[str, str] = {}
    for row, text in zip(rows, texts, strict=True):
        if text is not None and said.setdefault(row.id, text) != text:
            what = f"{table.where}: {printable(row.id)} has the labels {said[row.id]!r} and {text!r}"
            raise DataError(what, cure="Keep one of the rows.")
    return entries, said, notes


def _of_npz(path: Path, target: ImageSpec) -> _Read | None:
    """What `load_splits` would refuse: arrays without labels, or with -1 among them."""
    with whole_npz(path), zipfile.ZipFile(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
    if "images" not in names:
        return None
    with np.load(path, allow_pickle=False) as stored:
        labels = np.asarray(stored["labels"]) if "labels" in names else None
        if labels is not None and (labels.dtype.kind not in "iu" or (labels >= 0).all()):
            return None
        images = ImageSet(stored["images"], name=path.stem)
        classes = tuple(map(str, stored["class_names"])) if "class_names" in names else ()
    if labels is None:
        labels = np.full(len(images), UNLABELLED)
    classes = classes or tuple(map(str, range(int(labels.max(initial=-1)) + 1)))
    _require_fitting(labels, len(images), classes, printable(path))
    height, width, channels = images.image_shape
    size, wanted = target.image_size or (height, width), target.channels or channels
    if (*size, wanted) != images.image_shape:
        images = ImageSet(resize_batch(images.images, size, wanted), name=path.stem)
    return LoadedData(images), np.maximum(labels, UNLABELLED).astype(np.int64), classes


def _require_fitting(labels: NDArray[np.integer], count: int, classes: Sequence[str], where: str) -> None:
    if labels.shape != (count,):
        raise DataError(f"{where}: labels", expected=f"({count},), one a picture", got=labels.shape)
    if labels.max(initial=-1) >= len(classes):
        expected = f"below {len(classes)}, the number of class_names"
        raise DataError(f"{where}: label {labels.max()}", expected=expected)


def _numbered(
    data: LoadedData, labels: NDArray[np.int64], names: tuple[str, ...], known: Sequence[str]
) -> PartlyLabelled:
    """With the label numbers of the run whose classes are `known`; others are refused by name."""
    if not known:
        return PartlyLabelled(data, labels, names)
    numbers = {nfc(name): number for number, name in enumerate(known)}
    used = sorted({names[label] for label in labels[labels >= 0].tolist()})
    for name in used:
        if nfc(name) not in numbers:
            raise UnknownName(f"class in {data.train.name} (the run has others)", name, known)
    table = np.array([numbers.get(nfc(name), UNLABELLED) for name in names] + [UNLABELLED])
    return PartlyLabelled(data, table[labels], tuple(known))
