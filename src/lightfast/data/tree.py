"""A folder of class folders, with train/, val/ and test/ above them when the source has official parts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.loaded import LoadedData, Target, Unreadable
from lightfast.data.names import check_names, ordered
from lightfast.data.pictures import Entry, assemble
from lightfast.data.unreadable import printable, reason

PICTURE_ENDINGS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2",
     ".tga", ".ico", ".avif", ".heic", ".heif"))
PART_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"}


@dataclass(frozen=True)
class _Found:
    """What lies below the class folders: files with the ending of a picture, other files, folders by link, and what could not be opened."""

    pictures: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    linked: list[Path] = field(default_factory=list)
    closed: list[Unreadable] = field(default_factory=list)

    def add(self, more: _Found) -> None:
        """Take in what lies below one more folder."""
        self.pictures.extend(more.pictures)
        self.others.extend(more.others)
        self.linked.extend(more.linked)
        self.closed.extend(more.closed)


def read_tree(root: Path, target: Target | None = None, report: Reporter = silent) -> LoadedData:
    """Every picture below `root/CLASS/` (any depth), labels from the folder names, ids from the relative paths.

    Raises DataError for: no class folders, an empty class folder, one class, one picture, classes spelled alike, nothing readable.
    """
    folders = _subfolders(root)
    parts = _parts(folders, root)
    entries, found, class_names = _entries(root, parts or {"train": root})
    if len(class_names) < 2:
        raise DataError(f"{printable(root)} has one class only ({', '.join(class_names)})", expected="at least two class folders",
                        cure="Add a folder of pictures for each further class.")
    if len(entries) < 2:
        raise DataError(f"{printable(root)} has one picture only ({printable(entries[0].id)})", cure="Add more pictures.")
    loaded = assemble(root.resolve().name, entries, class_names, target or Target(), report)
    unreadable = tuple(sorted((*loaded.unreadable, *found.closed), key=lambda one: one.path))
    return LoadedData(train=loaded.train, test=loaded.test, val=loaded.val, unreadable=unreadable, sizes=loaded.sizes,
                      notes=(*loaded.notes, *_left_out(found), *_missing(loaded)))


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except PermissionError as error:
        raise DataError(f"cannot open {printable(folder)}: permission denied", cure="Give yourself the right to read it.") from error


def _parts(folders: Sequence[Path], root: Path) -> dict[str, Path]:
    """{part: folder} when the folders are official parts; empty when they are classes."""
    if not folders or any(folder.name.lower() not in PART_NAMES for folder in folders):
        return {}
    parts: dict[str, Path] = {}
    for folder in folders:
        part = PART_NAMES[folder.name.lower()]
        if part in parts:
            raise DataError(f"{root}: {parts[part].name}/ and {folder.name}/ both name the {part} part", cure="Keep one of them.")
        parts[part] = folder
    if "train" not in parts:
        only = ", ".join(f"{folder.name}/" for folder in folders)
        raise DataError(f"{root} has {only} but no train/", cure=f"Give {folders[0]} itself.")
    return parts


def _entries(root: Path, parts: dict[str, Path]) -> tuple[list[Entry], _Found, tuple[str, ...]]:
    """(picture files, all that was found in and outside the class folders, class names)."""
    classes = {part: _class_folders(folder) for part, folder in parts.items()}
    names = sorted(_class_name(folder) for folder in classes["train"])
    check_names(names, printable(root))
    for part, folders in classes.items():
        unknown = [folder for folder in folders if _class_name(folder) not in names]
        if unknown:
            name = _class_name(unknown[0])
            check_names([*names, name], printable(root))
            raise DataError(f"{printable(unknown[0])}: class {name!r} is not among the training classes",
                            cure=f"Add {printable(parts['train'] / name)}, or remove it from {part}.")
    class_names = ordered(names)
    entries: list[Entry] = []
    found = _Found()
    for folder in {root, *parts.values()}:
        # Whatever stands beside the class folders; pipes and broken links too, so that nothing is dropped without a word.
        found.others.extend(path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith("."))
    for part, folders in classes.items():
        empty: list[Path] = []
        for folder in folders:
            here = _files(folder)
            label = class_names.index(_class_name(folder))
            entries += [Entry(path, path.relative_to(root).as_posix(), label, part) for path in here.pictures]
            found.add(here)
            empty += [] if here.pictures else [folder]
        if empty:
            _refuse_empty(empty, found)
    return entries, found, class_names


def _class_name(folder: Path) -> str:
    return printable(folder.name)


def _refuse_empty(folders: Sequence[Path], found: _Found) -> None:
    named = ", ".join(printable(folder) for folder in folders[:5])
    closed = next((one for one in found.closed if any(one.path.startswith(printable(folder)) for folder in folders)), None)
    if closed is not None:
        raise DataError(f"no picture in {named}: {closed.path} cannot be read ({closed.reason})",
                        cure="Give yourself the right to read it, or remove the folder.")
    raise DataError(f"empty class: no picture in {named}", cure="Add pictures or remove the folder.")


def _class_folders(folder: Path) -> list[Path]:
    found = _subfolders(folder)
    if found:
        return found
    pictures = _files(folder).pictures
    said = f"{len(pictures)} pictures but no class folders" if pictures else "no class folders"
    cure = "Put the pictures of each class in a folder named after it, or give a manifest (path,label)."
    raise DataError(f"{printable(folder)} has {said}", cure=cure)


def _files(folder: Path) -> _Found:
    """Everything below `folder`, sorted, hidden things aside. Nothing is opened; folders by link are not followed (they may lead back)."""
    found = _Found()
    files: list[Path] = []
    named_as_pictures: list[Path] = []

    def refused(error: OSError) -> None:
        place = Path(os.fsdecode(error.filename or folder))
        found.closed.append(Unreadable(printable(place), reason(error, place)))

    for place, folders, names in os.walk(folder, onerror=refused):
        here = Path(place)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.linked.extend(here / name for name in folders if (here / name).is_symlink())
        named_as_pictures += [here / name for name in folders if _is_picture(here / name) and not (here / name).is_symlink()]
        files += [here / name for name in names if not name.startswith(".")]
    files.sort()
    found.pictures.extend(path for path in files if _is_picture(path))
    found.others.extend(path for path in files if not _is_picture(path))
    closed = {one.path for one in found.closed}
    filled = {folder for path in found.pictures for folder in path.parents}
    hollow = [printable(path) for path in named_as_pictures if path not in filled]
    found.closed.extend(Unreadable(path, "it is a folder") for path in hollow if path not in closed)
    return found


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_ENDINGS


def _left_out(found: _Found) -> tuple[str, ...]:
    """Notes about files and folders that were not taken for pictures of a class."""
    loose = sorted(path for path in found.others if _is_picture(path))
    others = sorted(path for path in found.others if not _is_picture(path))
    notes = [(loose, "file(s) stand outside the class folders and were left out"),
             (others, "file(s) have no ending of a picture and were left out"),
             (sorted(found.linked), "folder(s) are links and were not followed")]
    return tuple(f"{len(some)} {said} (first: {printable(some[0])})" for some, said in notes if some)


def _missing(loaded: LoadedData) -> tuple[str, ...]:
    notes: list[str] = []
    for part, images in loaded.parts.items():
        present = set(images.require_labels().tolist())
        absent = [name for label, name in enumerate(images.class_names) if label not in present]
        if absent:
            notes.append(f"the {part} part has no picture of: {', '.join(absent)}")
    return tuple(notes)
