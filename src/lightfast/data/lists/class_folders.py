"""A folder of class folders, with train/, val/ and test/ above them when the source has official parts."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import PART_ORDER, Entry, ImageSpec, LoadedData
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.assemble import assemble
from lightfast.data.lists.class_names import check_class_names, ordered_class_names
from lightfast.data.lists.layout import Layout, NoClassFolders, class_name_of, layout_of
from lightfast.data.sources.folder import FoundFiles

_FOLDERS_CURE = "Put the pictures of each class in a folder named after it, or give a manifest (path,label)."


def load_class_folders(
    root: Path,
    target: ImageSpec | None = None,
    report: Reporter = silent,
    *,
    known: Sequence[str] = (),
    layout: Layout | None = None,
) -> LoadedData:
    """Every picture below `root/CLASS/` (any depth), labels from the folder names, ids from the relative
    paths; parts and levels as `layout.layout_of` reads them.

    Args:
        known: the classes of a run that scores the pictures: one class is enough, where else two are wanted.
        layout: the reading of `root`, if that was made already.

    Raises NoClassFolders for: no class folders, one class. DataError for: an empty class folder, one picture,
    classes spelled alike, nothing readable.
    """
    layout = layout or layout_of(root, known)
    _require_class_folders(layout)
    class_names, notes = _class_names(layout)
    entries, found = _entries(root, layout, class_names)
    if not known:
        _require_enough(entries, class_names, layout.root)
    loaded = assemble(root.resolve().name, entries, class_names, target or ImageSpec(), report)
    unreadable = tuple(sorted((*loaded.unreadable, *found.closed)))
    missing = [
        f"the {part} part has no picture of: {', '.join(images.absent_classes)}"
        for part, images in loaded.parts.items()
        if images.absent_classes
    ]
    notes = (*loaded.notes, *layout.notes, *found.notes(), *notes, *missing)
    return dataclasses.replace(loaded, unreadable=unreadable, notes=notes)


def _require_class_folders(layout: Layout) -> None:
    for part in filter(layout.parts.__contains__, PART_ORDER):
        if layout.classes[part]:
            continue
        folder, cure = layout.parts[part], _FOLDERS_CURE
        count = sum(folder in path.parents for path in layout.found.pictures)
        said = f"{count} pictures but no class folders" if count else "no class folders"
        if part != "train":
            cure = (
                "Put its pictures in folders named after their classes, or remove it: a "
                f"{part} part is then split off train."
            )
        refusal = NoClassFolders if part == "train" else DataError
        raise refusal(f"{printable(folder)} has {said}", cure=cure)


def _require_enough(entries: Sequence[Entry], class_names: Sequence[str], root: Path) -> None:
    if len(class_names) < 2:
        raise NoClassFolders(
            f"{printable(root)} has one class only ({', '.join(class_names)})",
            expected="at least two class folders",
            cure="Add a folder of pictures for each further class.",
        )
    if len(entries) < 2:
        said = f"{printable(root)} has one picture only ({printable(entries[0].id)})"
        raise DataError(said, cure="Add more pictures.")


def _entries(root: Path, layout: Layout, class_names: Sequence[str]) -> tuple[list[Entry], FoundFiles]:
    """(the picture files of the classes; all that was found, the pictures outside them among the others)."""
    places = _places(layout, class_names)
    entries, outside, filled = list[Entry](), list[Path](), set[tuple[int, str]]()
    for path in layout.found.pictures:
        place = next((places[above] for above in path.parents if above in places), None)
        if place is not None:
            filled.add(place)
            entries.append(Entry(path, path.relative_to(root).as_posix(), *place))
        elif set(layout.beside).isdisjoint(path.parents):
            outside.append(path)
    _require_filled([folder for folder, place in places.items() if place not in filled], layout.found)
    kept = [entry.path for entry in entries]
    return entries, dataclasses.replace(layout.found, pictures=kept, others=[*layout.found.others, *outside])


def _places(layout: Layout, class_names: Sequence[str]) -> dict[Path, tuple[int, str]]:
    """{class folder: (label number, part)}."""
    return {
        folder: (class_names.index(name), part)
        for part, classes in layout.classes.items()
        for folder, name in classes.items()
    }


def _class_names(layout: Layout) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(class names in their order, notes): of one name in two spellings of Unicode one class is made."""
    where = printable(layout.root)
    named: Mapping[str, list[Path]] = defaultdict(list)
    for folder, name in layout.classes["train"].items():
        # A part below its class is called after the part.
        named[name].append(folder if class_name_of(folder) == name else folder.parent)
    names = sorted(named)
    spelled = {name: len({folder.name for folder in folders}) for name, folders in named.items()}
    two = "spellings of one name in Unicode were read as one class"
    notes = [f"class {name!r}: {count} {two}" for name, count in spelled.items() if count > 1]
    notes += check_class_names(names, where)
    for part, classes in layout.classes.items():
        for folder, name in classes.items():
            if name not in names:
                check_class_names([*names, name], where)
                raise DataError(
                    f"{printable(folder)}: class {name!r} is not among the training classes",
                    cure=f"Add {printable(layout.parts['train'] / name)}, or remove it from {part}.",
                )
    return ordered_class_names(names), tuple(notes)


def _require_filled(folders: Sequence[Path], found: FoundFiles) -> None:
    """Refuse class folders without a picture: `folders` are those."""
    if not folders:
        return
    named = ", ".join(map(printable, folders[:5]))
    for one in found.closed:
        if one.path.startswith(tuple(map(printable, folders))):
            raise DataError(
                f"no picture in {named}: {one.path} cannot be read ({one.reason})",
                cure="Give yourself the right to read it, or remove the folder.",
            )
    others = [path for path in found.others if not {*path.parents}.isdisjoint(folders)]
    if others:
        first = printable(min(others))
        raise DataError(
            f"empty class: no picture in {named}, {len(others)} file(s) there are none by their endings and "
            f"their first bytes (first: {first})",
            cure="Give pictures the ending of their format (.jpg), or remove the folder.",
        )
    raise DataError(f"empty class: no picture in {named}", cure="Add pictures or remove the folder.")
