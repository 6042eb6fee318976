"""How the folders of a source are to be read: which are official parts, which classes, which neither."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.data.decode.unreadable import printable
from lightfast.data.sources.folder import beside_folders, find_files, is_picture, subfolders
from lightfast.data.sources.names import is_unlabelled, named_parts, part_of

_DATE = re.compile(r"\d{4}([-_. ]?\d{1,2}){0,2}")
"""A year, month or day: albums are filed by them, classes are not called so."""


@dataclass(frozen=True)
class Layout:
    """How a folder is read.

    Attributes:
        root: the folder with the parts or the classes in it.
        parts: {part: the folder with its class folders}; {"train": root} without official parts.
        beside: folders beside the official parts that are none.
        notes: what was decided, one sentence each.
    """

    root: Path
    parts: Mapping[str, Path]
    beside: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_parted(self) -> bool:
        """Whether there are official parts."""
        return self.root not in self.parts.values()


def layout_of(given: Path) -> Layout:
    """The reading of a folder of pictures.

    Parts are folders called after them (`names.named_parts`) with class folders in them, a `train` among
    them. One superfluous level (`dataset/dataset/`, `seg_train/seg_train/`) is stepped into, with a note.

    Raises DataError, naming the readings, where a folder may be a part as well as a class.
    """
    root = _stepped_into(given)
    notes = [_stepped(given, root)]
    folders = subfolders(root)
    named = named_parts(folders)
    beside = tuple(folder for folder in folders if folder not in named)
    if not named or (beside and not _are_parts(root, named, beside)):
        return Layout(root, {"train": root}, (), tuple(filter(None, notes)))
    parts = require_parts(named, root)
    inner = {part: _stepped_into(folder) for part, folder in parts.items()}
    notes += [_stepped(parts[part], folder) for part, folder in inner.items()]
    for folder in beside:
        count = len(find_files(folder).pictures)
        notes.append(
            f"{folder.name}/ ({count:,} pictures) stands beside the official parts and was left out"
            * bool(count)
        )
    return Layout(root, inner, beside, tuple(filter(None, notes)))


def require_parts(named: Mapping[Path, str], root: Path) -> dict[str, Path]:
    """{part: folder} of folders that are parts; DataError where two are one part, or none is train."""
    parts: dict[str, Path] = {}
    for folder, part in named.items():
        if parts.setdefault(part, folder) is not folder:
            two = f"{parts[part].name}/ and {folder.name}/"
            raise DataError(f"{printable(root)}: {two} both name the {part} part", cure="Keep one of them.")
    if "train" not in parts:
        only = ", ".join(f"{folder.name}/" for folder in named)
        raise DataError(
            f"{printable(root)} has {only} but no train/", cure=f"Give {next(iter(named))} itself."
        )
    return parts


def _are_parts(root: Path, named: Mapping[Path, str], beside: Sequence[Path]) -> bool:
    """Whether the folders called after parts are parts although others stand beside them."""
    filled = [folder for folder in named if subfolders(folder)]
    if "train" in named.values() and len(set(named.values())) > 1:
        return True
    if not filled:
        # "train", "bus", "plane": kinds of vehicles.
        return False
    if "train" in named.values() and all(is_unlabelled(folder.name) for folder in beside):
        return True
    part, other = filled[0], beside[0]
    raise DataError(
        f"{printable(root)}: {part.name}/ may be the {named[part]} part, or a class as {other.name}/ is",
        expected="train/ with val/ or test/, or class folders alone",
        got=", ".join(f"{folder.name}/" for folder in sorted((*named, *beside))[:6]),
        cure=f"Give {part} itself where it is a part; rename it where it is a class.",
    )


def _stepped_into(folder: Path) -> Path:
    """`folder`, or what lies in its only folder where that is one level too many: it holds two folders or
    more and no picture stands beside it.
    """
    while True:
        inner = subfolders(folder)
        if len(inner) != 1 or (part_of(inner[0].name) and not part_of(folder.name)):
            return folder
        below = subfolders(inner[0])
        loose = [*beside_folders(folder).others, *beside_folders(inner[0]).others]
        if not below or any(map(is_picture, loose)) or all(_DATE.fullmatch(one.name) for one in below):
            return folder
        folder = inner[0]


def _stepped(given: Path, folder: Path) -> str:
    if given == folder:
        return ""
    return f"all of {given.name}/ lies in {folder.relative_to(given).as_posix()}/: read from there"
