"""Any source that a user may name to pictures with labels: a folder, a manifest, an archive, an address,
an .npz, or a catalogue name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightfast.base.errors import DataError, UnknownName
from lightfast.base.folders import data_folder as default_folder
from lightfast.base.progress import Reporter, silent
from lightfast.base.text import nfc
from lightfast.data.catalogue.catalogue import is_dataset_name, load_dataset, local_dataset_names
from lightfast.data.catalogue.known_sets import CATALOGUE
from lightfast.data.dataset import ImageSpec, LoadedData, Part, TableOptions, Unreadable
from lightfast.data.decode.unreadable import printable
from lightfast.data.images import ImageSet
from lightfast.data.lists.arrays import load_npz
from lightfast.data.lists.beside import load_table_beside
from lightfast.data.lists.class_folders import load_class_folders
from lightfast.data.lists.layout import layout_of
from lightfast.data.lists.manifest import load_manifest
from lightfast.data.lists.metadata import load_metadata
from lightfast.data.sources.archives import ARCHIVE_ENDINGS, is_archive
from lightfast.data.sources.folder import MANIFEST_ENDINGS, file_kind
from lightfast.data.sources.resolve import SourceResolver
from lightfast.data.stroke_pictures import load_drawn
from lightfast.data.strokes import holds_strokes, load_strokes

_CURE = (
    "Give a folder of class folders, a manifest (path,label), an .npz, or a name from: lightfast data list"
)


@dataclass(frozen=True, eq=False)
class Ingest:
    """The pictures of a source, every file that could not be read,
    and what was done to the pictures on the way in.
    """

    images: ImageSet
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()


def load_images(
    source: str | Path,
    *,
    part: Part = "all",
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    data_folder: Path | None = None,
    report: Reporter = silent,
) -> Ingest:
    """The pictures of `source` as one ImageSet.

    Args:
        source: a folder of class folders (with train/, val/ and test/ above them or not), a CSV, TSV, Parquet
            or JSONL manifest (`path,label`, paths relative to it), a folder with `metadata.csv`, `.jsonl` or
            `.parquet`, an `.npz`, an `.ndjson` of strokes (painted), a ZIP or tar archive of these, the
            address of any of them (`s3://…`, `zip://FOLDER::ARCHIVE`), or a catalogue name. A path that
            exists comes before a name.
        part: an official part, or "all" of them one after the other (train, val, test).
        image_size: (H, W) that every picture gets; None keeps the size, and brings mixed sizes to a common
            one with a note.
        channels: 1 or 3; None keeps grey grey, and makes mixed sets RGB with a note.
        data_folder: where named data sets are kept; see `catalogue.data_folder`.

    Raises DataError with one line about what is wrong with the source. Files that cannot be read are listed
    in `unreadable`.
    """
    loaded = load_splits(source, ImageSpec(image_size, channels), data_folder=data_folder, report=report)
    return Ingest(loaded.part(part), loaded.unreadable, loaded.notes)


def load_splits(
    source: str | Path,
    target: ImageSpec | None = None,
    *,
    data_folder: Path | None = None,
    report: Reporter = silent,
    known: Sequence[str] = (),
    tables: TableOptions | None = None,
) -> LoadedData:
    """Like `load_images`, with the official parts kept apart; a source without them has everything in
    `train`.

    `target` is what every picture is made into; None keeps what is there, as `load_images` does. `known` are
    the classes of a run that scores the pictures: a folder with class folders needs one of them only, and a
    folder of pictures that is called after one of them is that class. `tables`: how tables are read.
    """
    target = target or ImageSpec()
    resolver = SourceResolver(report, tables)
    with resolver.display_errors():
        path = resolver.resolve(source)
        if file_kind(path):
            return resolver.display_dataset(_read_path(path, target, resolver, known))
    name, folder = str(source), data_folder or default_folder()
    if is_dataset_name(name, folder):
        return load_dataset(name, folder, report, target)
    if path.suffix.lower() in (*MANIFEST_ENDINGS, ".npz") or is_archive(path.name) or len(path.parts) > 1:
        raise DataError(f"no such file or folder: {source}", cure=_CURE)
    unknown = UnknownName("data set", name, {*CATALOGUE.names(), *local_dataset_names(folder)})
    raise DataError(f"no such file or folder: {source}, and no data set of that name", cure=unknown.cure)


def _read_folder(path: Path, target: ImageSpec, resolver: SourceResolver, known: Sequence[str]) -> LoadedData:
    loaded = load_metadata(path, target, resolver)
    if loaded is not None:
        return loaded
    layout = layout_of(path, known)
    of_run = layout.class_names & set(map(nfc, known))
    beside = None if of_run else load_table_beside(path, layout, target, resolver)
    return beside or load_class_folders(path, target, resolver.report, known=known, layout=layout)


def _read_path(
    path: Path, target: ImageSpec, resolver: SourceResolver, known: Sequence[str] = ()
) -> LoadedData:
    if path.is_dir():
        return _read_folder(path, target, resolver, known)
    if holds_strokes(path):
        return load_drawn(load_strokes(path), target)
    match path.suffix.lower():
        case ".npz":
            return load_npz(path, target)
        case ending if ending in MANIFEST_ENDINGS:
            return load_manifest(path, target, resolver.report, resolver)
        case ending:
            raise DataError(
                f"cannot read {printable(path)} as a data set",
                expected=f"a folder, .npz, {', '.join((*MANIFEST_ENDINGS, *ARCHIVE_ENDINGS[:4]))}",
                got=f"a file ending in {ending or 'nothing'}",
                cure=_CURE,
            )
