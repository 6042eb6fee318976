"""A folder of class folders, with train/, val/ and test/ above them when the source has official parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.loaded import LoadedData, Target
from lightfast.data.names import check_names, ordered
from lightfast.data.pictures import Entry, assemble

PICTURE_ENDINGS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2",
     ".tga", ".ico", ".avif", ".heic", ".heif"))
PART_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"}


def read_tree(root: Path, target: Target | None = None, report: Reporter = silent) -> LoadedData:
    """Every picture below `root/CLASS/` (any depth), labels from the folder names, ids from the relative paths.

    Raises DataError for: no class folders, an empty class folder, one class, one picture, classes spelled alike, nothing readable.
    """
    folders = _subfolders(root)
    parts = _parts(folders, root)
    entries, left_out, class_names = _entries(root, parts or {"train": root})
    if len(class_names) < 2:
        raise DataError(f"{root} has one class only ({', '.join(class_names)})", expected="at least two class folders",
                        cure="Add a folder of pictures for each further class.")
    if len(entries) < 2:
        raise DataError(f"{root} has one picture only ({entries[0].id})", cure="Add more pictures.")
    loaded = assemble(root.resolve().name, entries, class_names, target or Target(), report)
    return LoadedData(train=loaded.train, test=loaded.test, val=loaded.val, unreadable=loaded.unreadable, sizes=loaded.sizes,
                      notes=(*loaded.notes, *_left_out(left_out), *_missing(loaded)))


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except PermissionError as error:
        raise DataError(f"cannot open {folder}: permission denied", cure="Give yourself the right to read it.") from error


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


def _entries(root: Path, parts: dict[str, Path]) -> tuple[list[Entry], list[Path], tuple[str, ...]]:
    """(picture files, files left out, class names)."""
    classes = {part: _class_folders(folder) for part, folder in parts.items()}
    names = {folder.name for folder in classes["train"]}
    check_names(sorted(names), str(root))
    for part, folders in classes.items():
        unknown = [folder for folder in folders if folder.name not in names]
        if unknown:
            check_names([*sorted(names), unknown[0].name], str(root))
            raise DataError(f"{unknown[0]}: class {unknown[0].name!r} is not among the training classes",
                            cure=f"Add {parts['train'] / unknown[0].name}, or remove it from {part}.")
    class_names = ordered(names)
    entries: list[Entry] = []
    left_out = [path for folder in {root, *parts.values()} for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    for part, folders in classes.items():
        empty: list[Path] = []
        for folder in folders:
            pictures, others = _files(folder)
            label = class_names.index(folder.name)
            entries += [Entry(path, path.relative_to(root).as_posix(), label, part) for path in pictures]
            left_out += others
            empty += [] if pictures else [folder]
        if empty:
            named = ", ".join(str(folder) for folder in empty[:5])
            raise DataError(f"empty class: no picture in {named}", cure="Add pictures or remove the folder.")
    return entries, left_out, class_names


def _class_folders(folder: Path) -> list[Path]:
    found = _subfolders(folder)
    if found:
        return found
    pictures = _files(folder)[0]
    said = f"{len(pictures)} pictures but no class folders" if pictures else "no class folders"
    cure = "Put the pictures of each class in a folder named after it, or give a manifest (path,label)."
    raise DataError(f"{folder} has {said}", cure=cure)


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    """(files with the ending of a picture, other files), hidden ones aside."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    visible = [path for path in files if not any(step.startswith(".") for step in path.relative_to(folder).parts) and not path.is_dir()]
    return ([path for path in visible if path.suffix.lower() in PICTURE_ENDINGS],
            [path for path in visible if path.suffix.lower() not in PICTURE_ENDINGS])


def _left_out(files: Sequence[Path]) -> tuple[str, ...]:
    """Notes about files that were not taken for pictures of a class."""
    loose = sorted(path for path in files if path.suffix.lower() in PICTURE_ENDINGS)
    others = sorted(path for path in files if path.suffix.lower() not in PICTURE_ENDINGS)
    notes = [(loose, "stand outside the class folders and were left out"), (others, "have no ending of a picture and were left out")]
    return tuple(f"{len(some)} file(s) {said} (first: {some[0]})" for some, said in notes if some)


def _missing(loaded: LoadedData) -> tuple[str, ...]:
    notes: list[str] = []
    for part, images in loaded.parts.items():
        present = set(images.require_labels().tolist())
        absent = [name for label, name in enumerate(images.class_names) if label not in present]
        if absent:
            notes.append(f"the {part} part has no picture of: {', '.join(absent)}")
    return tuple(notes)
