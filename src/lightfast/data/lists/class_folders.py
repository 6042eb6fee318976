"""A folder of class folders, with train/, val/ and test/ above them when the source has official parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import Entry, ImageSpec, LoadedData
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.assemble import assemble
from lightfast.data.lists.class_names import check_class_names, ordered_class_names, require_two_classes
from lightfast.data.sources.folder import (
    FoundFiles,
    find_files,
    is_part,
    loose_files,
    part_folders,
    subfolders,
)


def load_class_folders(root: Path, target: ImageSpec | None = None, report: Reporter = silent) -> LoadedData:
    """Every picture below `root/CLASS/` (any depth), labels from the folder names, ids from the relative
    paths.

    Raises DataError for: no class folders, an empty class folder, one class, one picture, classes spelled
    alike, nothing readable.
    """
    entries, found, class_names = _entries(root, _parts(subfolders(root), root) or {"train": root})
    cure = "Add a folder of pictures for each further class."
    require_two_classes(class_names, printable(root), "class folders", cure)
    if len(entries) < 2:
        raise DataError(
            f"{printable(root)} has one picture only ({printable(entries[0].id)})", cure="Add more pictures."
        )
    loaded = assemble(root.resolve().name, entries, class_names, target or ImageSpec(), report)
    unreadable = tuple(sorted((*loaded.unreadable, *found.closed)))
    missing = [
        f"the {part} part has no picture of: {', '.join(images.absent_classes)}"
        for part, images in loaded.parts.items()
        if images.absent_classes
    ]
    return dataclasses.replace(loaded, unreadable=unreadable, notes=(*loaded.notes, *found.notes(), *missing))


def _parts(folders: Sequence[Path], root: Path) -> dict[str, Path]:
    """{part: folder} when the folders are official parts; empty when they are classes."""
    if not all(map(is_part, folders)):
        return {}
    parts = part_folders(folders, root)
    if parts and "train" not in parts:
        only = ", ".join(f"{folder.name}/" for folder in folders)
        raise DataError(f"{root} has {only} but no train/", cure=f"Give {folders[0]} itself.")
    return parts


def _entries(root: Path, parts: dict[str, Path]) -> tuple[list[Entry], FoundFiles, tuple[str, ...]]:
    """(picture files, all that was found in and outside the class folders, class names)."""
    classes = {part: _class_folders(folder, part) for part, folder in parts.items()}
    class_names = _class_names(root, parts["train"], classes)
    found, entries = FoundFiles(), list[Entry]()
    for folder in {root, *parts.values()}:
        # Whatever stands beside the class folders, so that nothing is dropped without a word.
        found.others.extend(loose_files(folder))
    for part, folders in classes.items():
        below = {folder: find_files(folder) for folder in folders}
        for folder, here in below.items():
            label = class_names.index(printable(folder.name))
            entries += [Entry(path, path.relative_to(root).as_posix(), label, part) for path in here.pictures]
            found.extend(here)
        empty = [folder for folder, here in below.items() if not here.pictures]
        if empty:
            _refuse_empty(empty, found)
    return entries, found, class_names


def _class_names(root: Path, train: Path, classes: Mapping[str, Sequence[Path]]) -> tuple[str, ...]:
    names = sorted(printable(folder.name) for folder in classes["train"])
    check_class_names(names, printable(root))
    for part, folders in classes.items():
        for folder in folders:
            name = printable(folder.name)
            if name not in names:
                check_class_names([*names, name], printable(root))
                raise DataError(
                    f"{printable(folder)}: class {name!r} is not among the training classes",
                    cure=f"Add {printable(train / name)}, or remove it from {part}.",
                )
    return ordered_class_names(names)


def _refuse_empty(folders: Sequence[Path], found: FoundFiles) -> None:
    named = ", ".join(map(printable, folders[:5]))
    for one in found.closed:
        if one.path.startswith(tuple(map(printable, folders))):
            raise DataError(
                f"no picture in {named}: {one.path} cannot be read ({one.reason})",
                cure="Give yourself the right to read it, or remove the folder.",
            )
    raise DataError(f"empty class: no picture in {named}", cure="Add pictures or remove the folder.")


def _class_folders(folder: Path, part: str) -> Sequence[Path]:
    found = subfolders(folder)
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
