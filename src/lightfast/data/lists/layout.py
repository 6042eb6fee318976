"""How the folders of a source are to be read: which are official parts, which classes, which neither."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.text import nfc
from lightfast.data.decode.unreadable import printable
from lightfast.data.sources.folder import FoundFiles, find_files, subfolders
from lightfast.data.sources.names import (
    is_plain_part,
    is_unlabelled,
    may_be_val_or_test,
    named_parts,
    part_named,
)

_DATE = re.compile(r"\d{4}([-_. ]?\d{1,2}){0,2}")
"""A year, month or day: albums are filed by them, a level of them is no level of classes."""
_ALBUM = re.compile(r"(1[89]|20)\d\d([-_. ]?\d{1,2}){0,2}|[1-9]\d\d(?=.*[A-Z])[A-Z0-9_]{5}")
"""A date of the time of photographs, or a folder of a camera's card (100CANON, 101_PANA)."""
_NAMED = 6


class NoClassFolders(DataError):
    """A folder of pictures that says nothing of their classes."""


@dataclass(frozen=True)
class Layout:
    """How a folder is read.

    Attributes:
        root: the folder with the parts or the classes in it.
        parts: {part: the folder with its class folders}; {"train": root} without official parts.
        classes: {part: {class folder: its class}}; of a part that has pictures but no class folders none.
        beside: folders with pictures beside the official parts that are none.
        found: everything below the folder that was given.
        notes: what was decided, one sentence each.
    """

    root: Path
    parts: Mapping[str, Path]
    classes: Mapping[str, Mapping[Path, str]]
    beside: tuple[Path, ...]
    found: FoundFiles
    notes: tuple[str, ...] = ()

    @property
    def class_names(self) -> frozenset[str]:
        """The classes of all parts."""
        return frozenset(name for classes in self.classes.values() for name in classes.values())


def class_name_of(folder: Path) -> str:
    """The class that a folder is called after: printable, in Unicode's composed form."""
    return nfc(printable(folder.name))


def layout_of(given: Path, known: Iterable[str] = ()) -> Layout:
    """The reading of a folder of pictures.

    Parts are folders called after them (`names.named_parts`) with class folders in them, a `train` among
    them; or, below every class folder, folders called after parts. One superfluous level or several
    (`dataset/dataset/`, `seg_train/seg_train/`) are stepped into, with a note.

    Args:
        given: the folder; DataError where it cannot be listed.
        known: the classes of a run that scores the pictures. A folder called after one of them is a class,
            also `given` itself where it holds nothing but pictures.

    Raises DataError, naming the readings, where a folder may be a part as well as a class.
    """
    subfolders(given)
    tree = _Tree(given, frozenset(map(nfc, known)))
    root = tree.stepped_into(given)
    folders = tree.children[root]
    named = named_parts(folders)
    beside = tuple(folder for folder in folders if folder not in named and folder in tree.filled)
    if not named:
        _refuse_run_together(root, folders)
    if named and (not beside or _are_parts(tree, root, named, beside)):
        return _with_parts(tree, given, root, named, beside)
    return _without_parts(tree, given, root)


def require_parts(named: Mapping[Path, str], root: Path) -> dict[str, Path]:
    """{part: folder} of folders that are parts; DataError where two are one part, or none is train."""
    parts: dict[str, Path] = {}
    for folder, part in named.items():
        if parts.setdefault(part, folder) is not folder:
            two = f"{printable(parts[part].name)}/ and {printable(folder.name)}/"
            cure = f"Keep one of them, or make them class folders in one {part}/."
            raise DataError(f"{printable(root)}: {two} both name the {part} part", cure=cure)
    if "train" not in parts:
        cure = f"Give {printable(next(iter(named)))} itself."
        raise DataError(f"{printable(root)} has {_listed(named)} but no train/", cure=cure)
    return parts


class _Tree:
    """The folders below one, which of them hold pictures, and which classes are known."""

    def __init__(self, given: Path, known: frozenset[str]) -> None:
        self.found, self.known = find_files(given), known
        self.children: dict[Path, list[Path]] = defaultdict(list)
        for folder in self.found.folders:
            self.children[folder.parent].append(folder)
        # With a picture in them, or anywhere below them.
        self.direct = {path.parent for path in self.found.pictures}
        self.filled = {above for path in self.found.pictures for above in path.parents}

    def filled_in(self, folder: Path) -> list[Path]:
        """The folders in `folder` that hold pictures at any depth."""
        return [one for one in self.children[folder] if one in self.filled]

    def is_class(self, folder: Path) -> bool:
        return class_name_of(folder) in self.known

    def stepped_into(self, start: Path) -> Path:
        """`start`, or where the pictures below it begin to be divided, if nothing else holds pictures on the
        way there: at two folders or more, at a part, at a known class.
        """
        folder = start
        while True:
            inner = self.filled_in(folder)
            if folder in self.direct or not inner or all(_DATE.fullmatch(one.name) for one in inner):
                return start
            if len(inner) > 1 or self.is_class(inner[0]):
                return folder
            if part_named(inner[0].name) not in (None, part_named(folder.name)):
                return folder
            folder = inner[0]


def _with_parts(
    tree: _Tree, given: Path, root: Path, named: Mapping[Path, str], beside: tuple[Path, ...]
) -> Layout:
    """The layout of the folders `named` as parts."""
    parts = require_parts(named, root)
    inner = {"train": tree.stepped_into(parts["train"])}
    # A folder called after a class of the train part is a class, however little stands beside it.
    tree.known |= {class_name_of(folder) for folder in tree.children[inner["train"]]}
    inner |= {part: tree.stepped_into(folder) for part, folder in parts.items() if part != "train"}
    classes = {part: _named(tree.children[folder]) for part, folder in inner.items()}
    steps = {given: root, **{parts[part]: folder for part, folder in inner.items()}}
    notes = (*_step_notes(steps), *_part_notes(named, beside, tree.found))
    return Layout(root, inner, classes, beside, tree.found, notes)


def _without_parts(tree: _Tree, given: Path, root: Path) -> Layout:
    """The layout of class folders, with parts below them or without; of a folder called after a known
    class.
    """
    notes = _step_notes({given: root})
    below = _parts_below(tree, root)
    if below:
        said = "parts were read below the classes: " + ", ".join(sorted({*below}))
        return Layout(root, dict.fromkeys(below, root), below, (), tree.found, (*notes, said))
    classes = _named(tree.children[root])
    notes = (*notes, *_album_notes(tree, root))
    itself = Path(given.resolve().name)
    if given in tree.direct and not tree.known.isdisjoint((class_name_of(itself),)):
        classes = {given: class_name_of(itself)}
        notes = (
            *notes,
            f"the folder is called after the class {class_name_of(itself)!r}: all of it was read as that",
        )
    return Layout(root, {"train": root}, {"train": classes}, (), tree.found, notes)


def _parts_below(tree: _Tree, root: Path) -> dict[str, dict[Path, str]]:
    """{part: {folder: class}} where every class folder is divided into official parts, train among them; else
    nothing.
    """
    parts: dict[str, dict[Path, str]] = defaultdict(dict)
    folders = tree.filled_in(root)
    for folder in folders:
        inner = tree.filled_in(folder)
        named = named_parts(inner)
        if folder in tree.direct or "train" not in named.values() or len({*named.values()}) < len(inner):
            return {}
        for one, part in named.items():
            parts[part][one] = class_name_of(folder)
    return dict(parts) if len(parts) > 1 else {}


def _are_parts(tree: _Tree, root: Path, named: Mapping[Path, str], beside: Sequence[Path]) -> bool:
    """Whether the folders called after parts are parts although others with pictures stand beside them."""
    nested = [folder for folder in named if tree.filled_in(folder)]
    said = {*named.values()}
    if "train" not in said:
        _refuse_part_of_classes(tree, root, {folder: named[folder] for folder in nested}, beside)
        return False
    if not nested:
        if len(said) == 1:
            # "train", "bus", "plane": kinds of vehicles.
            return False
        what = f"{_listed(named)} are called after official parts but hold no class folders"
        cure = "Put their pictures into folders named after the classes; rename a folder that is a class."
        raise DataError(f"{printable(root)}: {what}", cure=cure)
    if len(said) == 1 and not all(is_unlabelled(folder.name) for folder in beside):
        raise _part_or_class(root, nested[0], beside)
    return True


def _refuse_part_of_classes(
    tree: _Tree, root: Path, nested: Mapping[Path, str], beside: Sequence[Path]
) -> None:
    """Refuse a test/ with folders called as the class folders that it stands beside."""
    classes = {class_name_of(folder) for folder in beside}
    for folder, part in nested.items():
        if classes & {class_name_of(one) for one in tree.children[folder]}:
            what = f"{printable(folder.name)}/ holds folders called as the class folders beside it"
            cure = f"Put the others ({_listed(beside)}) into train/."
            raise DataError(f"{printable(root)}: {what}: it may be the {part} part", cure=cure)


def _part_or_class(root: Path, train: Path, beside: Sequence[Path]) -> DataError:
    """The refusal of a train/ with folders in it beside others that are no parts by their names."""
    either = next((folder for folder in beside if may_be_val_or_test(folder.name)), None)
    if either is not None:
        what = f"{printable(either.name)}/ may be the validation part or the test part"
        return DataError(f"{printable(root)}: {what}", cure="Call it val/ or test/.")
    one, two = printable(train.name), printable(beside[0].name)
    return DataError(
        f"{printable(root)}: {one}/ may be the train part, or a class as {two}/ is",
        expected="train/ with val/ or test/, or class folders alone",
        got=_listed((train, *beside)),
        cure=f"Give {printable(train)} itself where it is a part; rename it where it is a class.",
    )


def _refuse_run_together(root: Path, folders: Sequence[Path]) -> None:
    """Refuse folders that all begin with the words for parts: trainA, trainB, testA, testB."""
    begins = {one for folder in folders for one in re.findall("^(train|test|val|)", folder.name.casefold())}
    if {"train", "test"} <= begins and "" not in begins:
        cure = "Put the class folders of each part into train/ and test/; rename a folder that is a class."
        raise DataError(f"{printable(root)}: {_listed(folders)} all begin as parts do", cure=cure)


def _named(folders: Iterable[Path]) -> dict[Path, str]:
    return {folder: class_name_of(folder) for folder in folders}


def _listed(folders: Iterable[Path]) -> str:
    names = sorted(printable(folder.name) for folder in folders)
    return ", ".join(f"{name}/" for name in names[:_NAMED]) + " …" * (len(names) > _NAMED)


def _step_notes(steps: Mapping[Path, Path]) -> tuple[str, ...]:
    """A note for each {folder: where it is read from} that differ."""
    said = [
        (printable(start.name or start), printable(end.relative_to(start))) for start, end in steps.items()
    ]
    return tuple(
        f"all pictures of {name}/ lie in {name}/{inner}/: read from there"
        for name, inner in said
        if inner != "."
    )


def _album_notes(tree: _Tree, root: Path) -> tuple[str, ...]:
    """A note where every class is called as albums are, with the folders within that may be the classes."""
    albums = tree.filled_in(root)
    if not albums or any(tree.is_class(one) or not _ALBUM.fullmatch(one.name) for one in albums):
        return ()
    # Of several albums with a `cat/` in them one is named.
    within = {class_name_of(one): one for album in albums for one in tree.filled_in(album)}
    meant = f"; where {_listed(within.values())} are the classes" if within else "; where they are no classes"
    said = f"the classes are called as albums are, by dates or by a camera: {_listed(albums)}{meant}"
    return (f"{said}, give a manifest (path,label) that says which picture is what",)


def _part_notes(named: Mapping[Path, str], beside: Sequence[Path], found: FoundFiles) -> tuple[str, ...]:
    """How the parts were recognised, and what was left out beside them."""
    odd = [
        f"{printable(folder.name)}/ as {part}"
        for folder, part in named.items()
        if not is_plain_part(folder.name)
    ]
    read = [f"official parts: {', '.join(odd)}"] * bool(odd)
    for folder in beside:
        count = sum(folder in path.parents for path in found.pictures)
        read.append(
            f"{printable(folder.name)}/ ({count:,} pictures) stands beside the parts and was left out"
        )
    return tuple(read)
