"""A folder of class folders, with train/, val/ and test/ above them when the source has official parts."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.base.text import nfc
from lightfast.data.dataset import Entry, ImageSpec, LoadedData
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.assemble import assemble
from lightfast.data.lists.class_names import check_class_names, ordered_class_names, require_two_classes
from lightfast.data.lists.layout import Layout, layout_of
from lightfast.data.sources.folder import FoundFiles, beside_folders, find_files, subfolders


def load_class_folders(
    root: Path, target: ImageSpec | None = None, report: Reporter = silent, *, known: Sequence[str] = ()
) -> LoadedData:
    """Every picture below `root/CLASS/` (any depth), labels from the folder names, ids from the relative
    paths; parts and levels as `layout.layout_of` reads them.

    `known` are the classes of a run that scores the pictures: one of them is enough, where else two are
    wanted.

    Raises DataError for: no class folders, an empty class folder, one class, one picture, classes spelled
    alike, nothing readable.
    """
    layout = layout_of(root)
    entries, found, names = _entries(root, layout)
    class_names, alike = names
    if not (known and {*class_names} <= {*map(nfc, known)}):
        cure = "Add a folder of pictures for each further class."
        require_two_classes(class_names, printable(layout.root), "class folders", cure)
        if len(entries) < 2:
            one = f"{printable(root)} has one picture only ({printable(entries[0].id)})"
            raise DataError(one, cure="Add more pictures.")
    loaded = assemble(root.resolve().name, entries, class_names, target or ImageSpec(), report)
    unreadable = tuple(sorted((*loaded.unreadable, *found.closed)))
    missing = [
        f"the {part} part has no picture of: {', '.join(images.absent_classes)}"
        for part, images in loaded.parts.items()
        if images.absent_classes
    ]
    notes = (*loaded.notes, *layout.notes, *found.notes(), *alike, *missing)
    return dataclasses.replace(loaded, unreadable=unreadable, notes=notes)


def class_name_of(folder: Path) -> str:
    """The class that a folder is called after: printable, in Unicode's composed form."""
    return nfc(printable(folder.name))


Names = tuple[tuple[str, ...], tuple[str, ...]]


def _entries(given: Path, layout: Layout) -> tuple[list[Entry], FoundFiles, Names]:
    """(picture files, all that was found in and outside the class folders, (class names, notes on them))."""
    classes = {part: _class_folders(folder, part) for part, folder in layout.parts.items()}
    names = _class_names(layout.root, layout.parts["train"], classes)
    found, entries = FoundFiles(), list[Entry]()
    for folder in {given, layout.root, *layout.parts.values()}:
        # Whatever stands beside the class folders, so that nothing is dropped without a word.
        found.extend(beside_folders(folder))
    for part, folders in classes.items():
        below = {folder: find_files(folder) for folder in folders}
        filled = {class_name_of(folder) for folder, here in below.items() if here.pictures}
        for folder, here in below.items():
            label = names[0].index(class_name_of(folder))
            entries += [
                Entry(path, path.relative_to(given).as_posix(), label, part) for path in here.pictures
            ]
            found.extend(here)
        empty = [folder for folder in below if class_name_of(folder) not in filled]
        if empty:
            _refuse_empty(empty, found)
    return entries, found, names


def _class_names(root: Path, train: Path, classes: Mapping[str, Sequence[Path]]) -> Names:
    """(class names in their order, notes): of one name in two spellings of Unicode one class is made."""
    named: dict[str, list[Path]] = defaultdict(list)
    for folder in classes["train"]:
        named[class_name_of(folder)].append(folder)
    two = "folders of one name, in two spellings of Unicode, were read as one class"
    notes = [f"class {name!r}: {len(folders)} {two}" for name, folders in named.items() if len(folders) > 1]
    names = sorted(named)
    notes += check_class_names(names, printable(root))
    for part, folders in classes.items():
        for folder in folders:
            name = class_name_of(folder)
            if name not in names:
                check_class_names([*names, name], printable(root))
                raise DataError(
                    f"{printable(folder)}: class {name!r} is not among the training classes",
                    cure=f"Add {printable(train / name)}, or remove it from {part}.",
                )
    return ordered_class_names(names), tuple(notes)


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
