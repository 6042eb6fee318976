"""What lies below a folder, without opening any of it."""

from __future__ import annotations

import errno
import itertools
import os
import re
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal

from lightfast.base.errors import DataError
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.unreadable import picture_format, printable, unreadable_reason
from lightfast.data.sources.names import SYSTEM_NOTE, is_passed_over, is_system

PICTURE_ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .dib .gif .tif .tiff .webp .ppm .pgm .pbm .pnm .jp2 .tga .ico .avif "
    ".heic .heif".split()
)
MANIFEST_ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
_ENDING = re.compile(r"\.(?=\d*[a-z])[a-z0-9]{1,12}")
# Copies that ExifTool and editors keep of a file that they wrote anew.
_BACKUP_MARKS = ("_original", "~")


@dataclass(frozen=True)
class FoundFiles:
    """What lies below some folders.

    Attributes:
        pictures: files with the ending of a picture, or, without one, with the first bytes of one.
        others: files that are neither.
        linked: folders by link that were followed.
        again: folders by link that lead to what was read anyway: back, or beside.
        system: files and folders of systems and programs (`names.SYSTEM_NAMES`), passed over.
        closed: what could not be opened.
        folders: every folder below, links that were followed among them.
    """

    pictures: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    linked: list[Path] = field(default_factory=list)
    again: list[Path] = field(default_factory=list)
    system: list[Path] = field(default_factory=list)
    closed: list[Unreadable] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def extend(self, more: FoundFiles) -> None:
        """Take in what lies below one more folder."""
        for name, found in vars(more).items():
            getattr(self, name).extend(found)

    def notes(self) -> tuple[str, ...]:
        """A note on each kind of what was not simply read: how many there are, and the first of them."""
        unnamed = [path for path in self.pictures if not is_picture(path)]
        said = [
            (unnamed, "file(s) have no ending of a picture and were read by their content"),
            (
                list(filter(is_picture, self.others)),
                "file(s) stand outside the class folders and were left out",
            ),
            (
                list(itertools.filterfalse(is_picture, self.others)),
                "file(s) have no ending of a picture and were left out",
            ),
            (self.linked, "folder(s) are links and were followed"),
            (self.again, "folder(s) are links to what is read already and were not followed"),
            (self.system, SYSTEM_NOTE),
        ]
        return tuple(f"{len(some)} {text} (first: {printable(min(some))})" for some, text in said if some)


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


def may_be_picture(name: str) -> bool:
    """Whether a name without the ending of a picture leaves it open what the file is: it has no ending, or
    none of letters and digits alone (`IMG_0001`, `a.jpg_large`, `a.JPG?size=m`, `scan.0001`).
    """
    return not _ENDING.fullmatch(PurePath(name).suffix.lower())


def holds_picture(path: Path) -> bool:
    """Whether a file is one of pictures: by its name, or where that leaves it open by its first bytes.

    Backups that a program keeps beside a file (`a.jpg_original`, `a.jpg~`) are none.
    """
    if is_picture(path) or not may_be_picture(path.name):
        return is_picture(path)
    kept = [
        path.with_name(path.name.removesuffix(mark)) for mark in _BACKUP_MARKS if path.name.endswith(mark)
    ]
    if any(is_picture(one) and one.is_file() for one in kept):
        return False
    return path.is_file() and picture_format(path) != ""


def find_files(folder: Path) -> FoundFiles:
    """Everything below `folder`, sorted, hidden things and the system's own aside. Folders by link are
    followed once, after all others; what leads back, or to what was read before, is in `again`.

    Only files whose names leave it open what they are are opened, for their first bytes. Pipes, broken links
    and whatever else has the ending of a picture are among the pictures: reading them says what they are. A
    folder that cannot be listed, and one called like a picture with no picture in it, are in `closed`.
    """
    found = FoundFiles()
    seen: set[object] = set()
    links = _walk(folder, found, seen)
    while links:
        link = links.pop(0)
        if _identity(link) in seen:
            found.again.append(link)
            continue
        found.linked.append(link)
        found.folders.append(link)
        links += _walk(link, found, seen)
    for kind in (found.pictures, found.others, found.folders):
        kind.sort()
    not_hollow = {above for path in found.pictures for above in path.parents}
    closed = {one.path for one in found.closed}
    hollow = [printable(path) for path in filter(is_picture, found.folders) if path not in not_hollow]
    found.closed.extend(Unreadable(path, "it is a folder") for path in hollow if path not in closed)
    return found


def _walk(folder: Path, found: FoundFiles, seen: set[object]) -> list[Path]:
    """The folders below `folder` that are links, not followed; all else goes to `found`. What was walked
    through goes to `seen`; what is there already is not walked through again.
    """
    links: list[Path] = []

    def refused(error: OSError) -> None:
        place = Path(os.fsdecode(error.filename or folder))
        found.closed.append(Unreadable(printable(place), unreadable_reason(error, place)))

    for place, inner, names in os.walk(folder, onerror=refused):
        here = Path(place)
        seen.add(_identity(here))
        folders = _users(here, sorted(inner), found)
        links += filter(Path.is_symlink, folders)
        own = [path for path in folders if not path.is_symlink()]
        # Behind a link may lie what was read already.
        again = {path for path in own if _identity(path) in seen}
        found.again.extend(again)
        found.folders.extend(path for path in own if path not in again)
        inner[:] = [path.name for path in own if path not in again]
        for path in _users(here, names, found):
            (found.pictures if holds_picture(path) else found.others).append(path)
    return links


def _users(folder: Path, names: Collection[str], found: FoundFiles) -> list[Path]:
    """What of `names` in `folder` is the user's own; what is the system's goes to `found`."""
    found.system.extend(folder / name for name in names if is_system(name, folder.name))
    return [folder / name for name in names if not is_passed_over(name, folder.name)]


def _identity(folder: Path) -> object:
    try:
        status = folder.stat()
    except OSError:
        return folder
    return (status.st_dev, status.st_ino)


def subfolders(folder: Path) -> Sequence[Path]:
    """The folders in `folder`, sorted, hidden ones and the system's own aside; DataError where it cannot be
    listed.
    """
    try:
        below = sorted(folder.iterdir())
    except PermissionError as error:
        raise _refused(folder) from error
    return [path for path in below if path.is_dir() and not is_passed_over(path.name, folder.name)]


def _refused(path: Path) -> DataError:
    return DataError(
        f"cannot open {printable(path)}: permission denied", cure="Give yourself the right to read it."
    )
