"""What lies below a folder, without opening any of it."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lightfast.base.errors import DataError
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.unreadable import printable, unreadable_reason

PICTURE_ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .dib .gif .tif .tiff .webp .ppm .pgm .pbm .pnm .jp2 .tga .ico .avif "
    ".heic .heif".split()
)
MANIFEST_ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class FoundFiles:
    """What lies below some folders: files with the ending of a picture, other files, folders by link,
    and what could not be opened.
    """

    pictures: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    linked: list[Path] = field(default_factory=list)
    closed: list[Unreadable] = field(default_factory=list)

    def extend(self, more: FoundFiles) -> None:
        """Take in what lies below one more folder."""
        for name, found in vars(more).items():
            getattr(self, name).extend(found)

    def notes(self) -> tuple[str, ...]:
        """Notes about `others` and `linked`: how many there are, and the first of them."""
        loose = sorted(path for path in self.others if is_picture(path))
        others = sorted(path for path in self.others if not is_picture(path))
        notes = [
            (loose, "file(s) stand outside the class folders and were left out"),
            (others, "file(s) have no ending of a picture and were left out"),
            (sorted(self.linked), "folder(s) are links and were not followed"),
        ]
        return tuple(f"{len(some)} {said} (first: {printable(some[0])})" for some, said in notes if some)


def file_kind(path: Path) -> Literal["file", "folder", "other", ""]:
    """What stands at `path`, links followed: "other" is a pipe, a device or a broken link, "" is nothing.

    Raises DataError where that cannot be asked.
    """
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise _refused(path) from error
    except (OSError, ValueError) as error:
        # A name that is too long or holds a zero byte is the name of nothing.
        is_link = getattr(error, "errno", None) in (errno.ENOENT, errno.ELOOP) and path.is_symlink()
        return "other" if is_link else ""
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def is_picture(path: Path) -> bool:
    """Whether the name ends as that of a picture."""
    return path.suffix.lower() in PICTURE_ENDINGS


def find_files(folder: Path) -> FoundFiles:
    """Everything below `folder`, sorted, hidden things aside. Nothing is opened; folders by link are not
    followed (they may lead back).

    Pipes, broken links and whatever else has the ending of a picture are among the pictures: reading them
    says what they are. A folder that cannot be listed, and one called like a picture with no picture in it,
    are in `closed`.
    """
    found = FoundFiles()
    files, folders = _walk(folder, found.closed)
    linked = list(filter(Path.is_symlink, folders))
    found.linked.extend(linked)
    found.pictures.extend(filter(is_picture, files))
    found.others.extend(itertools.filterfalse(is_picture, files))
    not_hollow = {*linked, *(above for path in found.pictures for above in path.parents)}
    closed = {one.path for one in found.closed}
    hollow = [printable(path) for path in filter(is_picture, folders) if path not in not_hollow]
    found.closed.extend(Unreadable(path, "it is a folder") for path in hollow if path not in closed)
    return found


def _walk(folder: Path, closed: list[Unreadable]) -> tuple[list[Path], list[Path]]:
    """(files, sorted; folders) below a folder, hidden ones aside; what cannot be listed goes to `closed`."""
    files: list[Path] = []
    folders: list[Path] = []

    def refused(error: OSError) -> None:
        place = Path(os.fsdecode(error.filename or folder))
        closed.append(Unreadable(printable(place), unreadable_reason(error, place)))

    for place, inner, names in os.walk(folder, onerror=refused):
        here = Path(place)
        inner[:] = [name for name in inner if not name.startswith(".")]
        folders += [here / name for name in inner]
        files += [here / name for name in names if not name.startswith(".")]
    return sorted(files), folders


def subfolders(folder: Path) -> Sequence[Path]:
    """The folders in `folder`, sorted, hidden ones aside; DataError where it cannot be listed."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except PermissionError as error:
        raise _refused(folder) from error


def is_part(folder: Path) -> bool:
    """Whether a folder is called after an official part."""
    return folder.name.lower() in PART_NAMES


def part_folders(folders: Iterable[Path], root: Path) -> dict[str, Path]:
    """{part: folder} of folders in `root` that are called after parts; DataError where two name one."""
    parts: dict[str, Path] = {}
    for folder in folders:
        part = PART_NAMES[folder.name.lower()]
        if parts.setdefault(part, folder) is not folder:
            two = f"{parts[part].name}/ and {folder.name}/"
            raise DataError(f"{printable(root)}: {two} both name the {part} part", cure="Keep one of them.")
    return parts


def loose_files(folder: Path) -> list[Path]:
    """Whatever stands in `folder` and is no folder: pipes and broken links too."""
    return [path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith(".")]


def _refused(path: Path) -> DataError:
    return DataError(
        f"cannot open {printable(path)}: permission denied", cure="Give yourself the right to read it."
    )
