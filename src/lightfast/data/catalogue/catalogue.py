"""Known data sets by name: found in the data folder, carried by a package,
or fetched from their official address.
"""

from __future__ import annotations

import dataclasses
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from lightfast.base.errors import DataError, StorageError, UnknownName
from lightfast.base.files import file_hash, write_json
from lightfast.base.folders import data_folder, sources_folder
from lightfast.base.progress import Reporter, silent
from lightfast.data.catalogue.download import download
from lightfast.data.catalogue.known_sets import CATALOGUE, CatalogueEntry, quickdraw_entry
from lightfast.data.dataset import ImageSpec, LoadedData
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.data.lists.arrays import load_npz, whole_npz, with_image_spec
from lightfast.data.lists.class_folders import load_class_folders
from lightfast.data.sources.folder import is_picture, subfolders

Availability = Literal["here", "embedded", "to fetch"]


def catalogue_entry(name: str) -> CatalogueEntry:
    """The catalogue's entry of `name`; `quickdraw:cat,dog` chooses categories.

    Raises UnknownName with the closest names.
    """
    base, _, chosen = name.partition(":")
    categories = [category.strip() for category in chosen.split(",") if category.strip()]
    if base == "quickdraw" and categories:
        if len(set(categories)) < max(2, len(categories)):
            raise DataError(f"{name}", expected="at least two different categories", got=chosen)
        return quickdraw_entry(categories)
    return CATALOGUE.get(name)


def is_dataset_name(name: str, folder: Path | None = None) -> bool:
    """Whether `load_dataset` has a place to look for `name`: a catalogue name,
    or NAME.npz or NAME/ in the data folder.
    """
    return name.partition(":")[0] in CATALOGUE or _canonical(name, folder or data_folder()) is not None


def load_dataset(
    name: str, folder: Path | None = None, report: Reporter = silent, target: ImageSpec | None = None
) -> LoadedData:
    """The data set called `name`, without the network.

    Looked for in this order: `NAME.npz` or a tree of class folders `NAME/` in the data folder; the package
    that carries it; the published files in `raw/NAME/` of the data folder (converted into `NAME.npz` once),
    in `NAME/`, or where the system's packages put them.

    Raises DataError with the command that fetches it, UnknownName for a name that neither the catalogue nor
    the data folder knows.
    """
    folder = folder or data_folder()
    canonical = _canonical(name, folder)
    if canonical is not None:
        if canonical.is_dir():
            return load_class_folders(canonical, target, report)
        return load_npz(canonical, target, name)
    if name.partition(":")[0] not in CATALOGUE:
        raise UnknownName("data set", name, {*CATALOGUE.names(), *local_dataset_names(folder)})
    entry = catalogue_entry(name)
    return with_image_spec(_load(name, entry, folder), target or ImageSpec())


def _load(name: str, entry: CatalogueEntry, folder: Path) -> LoadedData:
    if entry.embedded:
        return entry.load(folder)
    raw = _raw_folder(entry, folder)
    if raw is not None:
        loaded = entry.load(raw)
        return _kept(loaded, folder / f"{name}.npz") if raw == folder / "raw" / name else loaded
    chosen = _quickdraw_elsewhere(entry, folder)
    if chosen is not None:
        return chosen
    cure = f"{entry.by_hand} in {folder / name}." if entry.by_hand else f"Run: lightfast data fetch {name}"
    raise DataError(f"data set {name!r} is not in {folder}", cure=cure)


def _kept(loaded: LoadedData, path: Path) -> LoadedData:
    """`loaded`, written to `path` so that the next reading is quick;
    a folder that cannot be written is only noted.
    """
    try:
        save_npz(path, loaded)
    except StorageError as error:
        return dataclasses.replace(loaded, notes=(*loaded.notes, f"not kept for the next time: {error}"))
    return loaded


def fetch(name: str, folder: Path | None = None, report: Reporter = silent) -> Path:
    """Download the published files of `name` and convert them; returns `NAME.npz` (kept if it is there
    already).

    Beside it, `NAME.json` records addresses, sizes, sha256 sums, licence and citation. Of
    `quickdraw:CATEGORY,...` the files themselves are kept, and their folder is returned.
    """
    folder = folder or data_folder()
    entry = catalogue_entry(name)
    canonical = _canonical(name, folder)
    if canonical is not None:
        return canonical
    if entry.by_hand:
        raise DataError(f"{name} cannot be fetched", cure=f"{entry.by_hand} in {folder / name}.")
    raw = folder / "raw" / entry.name
    for file in entry.files:
        download(file.url, raw / file.name, checksum=file.checksum, size=file.size, report=report)
    provenance = raw / "provenance.json" if ":" in name else folder / f"{name}.json"
    _record(entry, raw, provenance)
    return raw if ":" in name else save_npz(folder / f"{name}.npz", entry.load(raw))


def availability(name: str, folder: Path | None = None) -> Availability:
    """Whether `name` can be loaded now ("here"), comes with a package ("embedded"), or is "to fetch"."""
    folder = folder or data_folder()
    if _canonical(name, folder) is not None:
        return "here"
    entry = catalogue_entry(name)
    if entry.embedded:
        return "embedded"
    return "here" if _raw_folder(entry, folder) or _quickdraw_source(entry, folder) else "to fetch"


def local_dataset_names(folder: Path | None = None) -> tuple[str, ...]:
    """Names of the canonical files and trees in the data folder, known to the catalogue or not."""
    folder = folder or data_folder()
    if not folder.is_dir():
        return ()
    arrays = {path.stem for path in folder.glob("*.npz") if _holds_pictures(path)}
    trees = {path.name for path in subfolders(folder) if path.name != "raw" and _is_tree(path)}
    return tuple(sorted(arrays | trees))


def _canonical(name: str, folder: Path) -> Path | None:
    if not re.fullmatch(r"[\w+-][\w.+ -]*", name) or name == "raw":
        return None
    npz, tree = folder / f"{name}.npz", folder / name
    if npz.is_file():
        return npz
    return tree if tree.is_dir() and _is_tree(tree) else None


def _is_tree(folder: Path) -> bool:
    """Whether some folder in it holds a picture, at any depth: CLASS/file or PART/CLASS/file.

    What holds the copies of sources is none: the cache may have been put into the data folder.
    """
    return not sources_folder().resolve().is_relative_to(folder.resolve()) and any(
        map(_has_pictures, subfolders(folder))
    )


def _has_pictures(folder: Path) -> bool:
    return any(map(is_picture, folder.rglob("*")))


def _holds_pictures(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return bool({"images.npy", "train_images.npy"} & set(archive.namelist()))
    except (OSError, zipfile.BadZipFile):
        # A damaged file is listed: loading it says what is wrong with it.
        return True


def _raw_folder(entry: CatalogueEntry, folder: Path) -> Path | None:
    """The first folder that holds all published files, gzipped or not."""

    def complete(place: Path) -> bool:
        return all(
            (place / file.name).is_file() or (place / file.name.removesuffix(".gz")).is_file()
            for file in entry.files
        )

    places = (folder / "raw" / entry.name, folder / entry.name, *entry.places)
    return next((place for place in places if entry.files and complete(place)), None)


def _quickdraw_source(entry: CatalogueEntry, folder: Path) -> Path | None:
    """A canonical file `quickdraw*.npz` that holds all categories of the entry."""
    if entry.name != "quickdraw":
        return None
    for path in sorted(folder.glob("quickdraw*.npz")):
        with whole_npz(path, "Delete it and fetch it again."), np.load(path, allow_pickle=False) as archive:
            if "class_names" in archive and set(entry.classes) <= set(archive["class_names"].tolist()):
                return path
    return None


def _quickdraw_elsewhere(entry: CatalogueEntry, folder: Path) -> LoadedData | None:
    path = _quickdraw_source(entry, folder)
    if path is None:
        return None
    chosen = _only_classes(load_npz(path).part("all"), entry.classes)
    return LoadedData(train=chosen, notes=(f"{len(entry.classes)} categories out of {path.name}",))


def _only_classes(images: ImageSet, names: Sequence[str]) -> ImageSet:
    """The pictures of the named classes, labels renumbered in the order of `names`."""
    number = np.full(images.num_classes, -1)
    number[[images.class_names.index(name) for name in names]] = np.arange(len(names))
    labels = number[images.require_labels()]
    rows = np.flatnonzero(labels >= 0)
    ids = tuple(images.ids[row] for row in rows)
    return ImageSet(images.images[rows], tuple(names), labels[rows], ids, "quickdraw")


def _record(entry: CatalogueEntry, raw: Path, target: Path) -> None:
    files = [
        {
            "name": file.name,
            "url": file.url,
            "bytes": (raw / file.name).stat().st_size,
            "sha256": file_hash(raw / file.name),
            "published_checksum": file.checksum,
        }
        for file in entry.files
    ]
    about = {key: getattr(entry, key) for key in ("name", "licence", "citation", "homepage")}
    write_json(target, {**about, "files": files})
