"""A folder of class folders, with train/, val/ and test/ above them when the source has official parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import ImageSpec, LoadedData
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.assemble import Entry, assemble
from lightfast.data.lists.class_names import check_class_names, ordered_class_names
from lightfast.data.sources.folder import PART_NAMES, PICTURE_ENDINGS, FoundFiles, find_files, subfolders

__all__ = ["PART_NAMES", "PICTURE_ENDINGS", "load_class_folders"]


def load_class_folders(root: Path, target: ImageSpec | None = None, report: Reporter = silent) -> LoadedData:
    """Every picture below `root/CLASS/` (any depth), labels from the folder names, ids from the relative
    paths.

    Raises DataError for: no class folders, an empty class folder, one class, one picture, classes spelled
    alike, nothing readable.
    """
    folders = _subfolders(root)
    parts = _parts(folders, root)
    entries, found, class_names = _entries(root, parts or {"train": root})
    if len(class_names) < 2:
        raise DataError(
            f"{printable(root)} has one class only ({', '.join(class_names)})",
            expected="at least two class folders",
            cure="Add a folder of pictures for each further class.",
        )
    if len(entries) < 2:
        raise DataError(
            f"{printable(root)} has one picture only ({printable(entries[0].id)})", cure="Add more pictures."
        )
    loaded = assemble(root.resolve().name, entries, class_names, target or ImageSpec(), report)
    unreadable = tuple(sorted((*loaded.unreadable, *found.closed), key=lambda one: one.path))
    return dataclasses.replace(
        loaded, unreadable=unreadable, notes=(*loaded.notes, *found.notes(), *_missing(loaded))
    )


def _subfolders(folder: Path) -> Sequence[Path]:
    try:
        return subfolders(folder)
    except PermissionError as error:
        raise DataError(
            f"cannot open {printable(folder)}: permission denied", cure="Give yourself the right to read it."
        ) from error


def _parts(folders: Sequence[Path], root: Path) -> dict[str, Path]:
    """{part: folder} when the folders are official parts; empty when they are classes."""
    if not folders or any(folder.name.lower() not in PART_NAMES for folder in folders):
        return {}
    parts: dict[str, Path] = {}
    for folder in folders:
        part = PART_NAMES[folder.name.lower()]
        if part in parts:
            raise DataError(
                f"{root}: {parts[part].name}/ and {folder.name}/ both name the {part} part",
                cure="Keep one of them.",
            )
        parts[part] = folder
    if "train" not in parts:
        only = ", ".join(f"{folder.name}/" for folder in folders)
        raise DataError(f"{root} has {only} but no train/", cure=f"Give {folders[0]} itself.")
    return parts


def _entries(root: Path, parts: dict[str, Path]) -> tuple[list[Entry], FoundFiles, tuple[str, ...]]:
    """(picture files, all that was found in and outside the class folders, class names)."""
    classes = {part: _class_folders(folder, part) for part, folder in parts.items()}
    names = sorted(_class_name(folder) for folder in classes["train"])
    check_class_names(names, printable(root))
    for part, folders in classes.items():
        unknown = [folder for folder in folders if _class_name(folder) not in names]
        if unknown:
            name = _class_name(unknown[0])
            check_class_names([*names, name], printable(root))
            raise DataError(
                f"{printable(unknown[0])}: class {name!r} is not among the training classes",
                cure=f"Add {printable(parts['train'] / name)}, or remove it from {part}.",
            )
    class_names = ordered_class_names(names)
    entries: list[Entry] = []
    found = FoundFiles()
    for folder in {root, *parts.values()}:
        # Whatever stands beside the class folders; pipes and broken links too, so that nothing is dropped
        # without a word.
        found.others.extend(
            path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith(".")
        )
    for part, folders in classes.items():
        empty: list[Path] = []
        for folder in folders:
            here = find_files(folder)
            label = class_names.index(_class_name(folder))
            entries += [Entry(path, path.relative_to(root).as_posix(), label, part) for path in here.pictures]
            found.extend(here)
            empty += [] if here.pictures else [folder]
        if empty:
            _refuse_empty(empty, found)
    return entries, found, class_names


def _class_name(folder: Path) -> str:
    return printable(folder.name)


def _refuse_empty(folders: Sequence[Path], found: FoundFiles) -> None:
    named = ", ".join(printable(folder) for folder in folders[:5])
    closed = next(
        (one for one in found.closed if any(one.path.startswith(printable(folder)) for folder in folders)),
        None,
    )
    if closed is not None:
        raise DataError(
            f"no picture in {named}: {closed.path} cannot be read ({closed.reason})",
            cure="Give yourself the right to read it, or remove the folder.",
        )
    raise DataError(f"empty class: no picture in {named}", cure="Add pictures or remove the folder.")


def _class_folders(folder: Path, part: str) -> Sequence[Path]:
    found = _subfolders(folder)
    if found:
        return found
    pictures = find_files(folder).pictures
    said = f"{len(pictures)} pictures but no class folders" if pictures else "no class folders"
    cure = "Put the pictures of each class in a folder named after it, or give a manifest (path,label)."
    if part in ("val", "test"):
        cure = (
            f"Put its pictures in folders named after their classes, or remove it: a {part} part is then "
            "split off train."
        )
    raise DataError(f"{printable(folder)} has {said}", cure=cure)


def _missing(loaded: LoadedData) -> tuple[str, ...]:
    notes: list[str] = []
    for part, images in loaded.parts.items():
        present = set(images.require_labels().tolist())
        absent = [name for label, name in enumerate(images.class_names) if label not in present]
        if absent:
            notes.append(f"the {part} part has no picture of: {', '.join(absent)}")
    return tuple(notes)
