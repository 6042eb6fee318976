"""What lies below a folder, without opening any of it."""

from __future__ import annotations

import errno
import itertools
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lightfast.base.errors import DataError
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.unreadable import picture_format, printable, unreadable_reason
from lightfast.data.sources.names import is_passed_over, is_system

PICTURE_ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .dib .gif .tif .tiff .webp .ppm .pgm .pbm .pnm .jp2 .tga .ico .avif "
    ".heic .heif".split()
)
MANIFEST_ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
_IN_NAME = re.compile(rf"({'|'.join(map(re.escape, sorted(PICTURE_ENDINGS)))})(?![a-z0-9])|^[^.]+$|\\.\\d*$")
"""Names that may be those of pictures although they do not end so: `IMG_0001`, `a.jpg_large`, `a.png.1`."""


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
    """

    pictures: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    linked: list[Path] = field(default_factory=list)
    again: list[Path] = field(default_factory=list)
    system: list[Path] = field(default_factory=list)
    closed: list[Unreadable] = field(default_factory=list)

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
            (self.system, "file(s) and folder(s) of the system were passed over"),
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


def find_files(folder: Path) -> FoundFiles:
    """Everything below `folder`, sorted, hidden things and the system's own aside. Folders by link are
    followed once, after all others; what leads back, or to what was read before, is in `again`.

    Only files whose names leave it open what they are are opened, for their first bytes. Pipes, broken links
    and whatever else has the ending of a picture are among the pictures: reading them says what they are. A
    folder that cannot be listed, and one called like a picture with no picture in it, are in `closed`.
    """
    found = FoundFiles()
    seen: set[tuple[int, int]] = set()
    folders, links = _walk(folder, found, seen)
    while links:
        link = links.pop(0)
        if _identity(link) in seen:
            found.again.append(link)
            continue
        found.linked.append(link)
        more, inner = _walk(link, found, seen)
        folders += more
        links += inner
    for kind in (found.pictures, found.others):
        kind.sort()
    not_hollow = {*found.again, *(above for path in found.pictures for above in path.parents)}
    closed = {one.path for one in found.closed}
    hollow = [printable(path) for path in filter(is_picture, folders) if path not in not_hollow]
    found.closed.extend(Unreadable(path, "it is a folder") for path in hollow if path not in closed)
    return found


def _walk(folder: Path, found: FoundFiles, seen: set[tuple[int, int]]) -> tuple[list[Path], list[Path]]:
    """(folders, those of them that are links) below a folder, links not followed; files go to `found`, and so
    does what cannot be listed; what was walked through goes to `seen`.
    """
    folders: list[Path] = []
    links: list[Path] = []

    def refused(error: OSError) -> None:
        place = Path(os.fsdecode(error.filename or folder))
        found.closed.append(Unreadable(printable(place), unreadable_reason(error, place)))

    for place, inner, names in os.walk(folder, onerror=refused):
        here = Path(place)
        seen.add(_identity(here))
        found.system.extend(here / name for name in (*inner, *names) if is_system(name))
        inner[:] = sorted(name for name in inner if not is_passed_over(name))
        folders += [here / name for name in inner]
        links += [here / name for name in inner if (here / name).is_symlink()]
        for path in (here / name for name in names if not is_passed_over(name)):
            (found.pictures if is_picture(path) or _is_unnamed_picture(path) else found.others).append(path)
    return folders, links


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)


def _is_unnamed_picture(path: Path) -> bool:
    """Whether a file without the ending of a picture is one by its first bytes."""
    return _IN_NAME.search(path.name.lower()) is not None and path.is_file() and picture_format(path) != ""


def subfolders(folder: Path) -> Sequence[Path]:
    """The folders in `folder`, sorted, hidden ones and the system's own aside; DataError where it cannot be
    listed.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not is_passed_over(path.name))
    except PermissionError as error:
        raise _refused(folder) from error


def beside_folders(folder: Path) -> FoundFiles:
    """Whatever stands in `folder` and is no folder (pipes and broken links too), as `others`; and what of the
    system's own stands there.
    """
    below = sorted(folder.iterdir())
    others = [path for path in below if not path.is_dir() and not is_passed_over(path.name)]
    return FoundFiles(others=others, system=[path for path in below if is_system(path.name)])


def _refused(path: Path) -> DataError:
    return DataError(
        f"cannot open {printable(path)}: permission denied", cure="Give yourself the right to read it."
    )
