"""ZIP and tar archives of pictures, unpacked once: no name leaves the folder, no archive grows without bound,
no broken member is lost.
"""

from __future__ import annotations

import contextlib
import errno
import json
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.endings import MANIFEST_ENDINGS
from lightfast.data.sources.folder import PICTURE_ENDINGS

ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
TAKEN_ENDINGS = frozenset((*PICTURE_ENDINGS, *MANIFEST_ENDINGS, ".npz", ".zip", ".tar", ".tgz"))
"""What is taken out of archives and folders elsewhere: pictures, tables of pictures, arrays,
and archives in archives.
"""
MOST_BYTES = 64 * 2**30
"""An archive that holds more than this, unpacked, is refused."""
MOST_GROWTH = 200
"""So is one that grows to more than this many times its size; pictures hardly shrink in an archive.

Below `_SMALL` bytes nobody minds.
"""
_SMALL = 2**30
_LONGEST_PATH = 4096
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)


@dataclass(frozen=True)
class Unpacked:
    """What became of the members of an archive that are not simply there.

    Attributes:
        reasons: members that could not be taken out, by their path in the folder (an empty file stands
            there), and why.
        unsafe: names that lead out of the folder or that no file can have, and why; nothing was written.
        notes: what was left out, one sentence each.
    """

    reasons: dict[str, str] = field(default_factory=dict)
    unsafe: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write it as JSON (ASCII: names may hold bytes that are not UTF-8)."""
        path.write_text(
            json.dumps({"reasons": self.reasons, "unsafe": self.unsafe, "notes": self.notes}),
            encoding="utf-8",
        )

    @classmethod
    def load(cls, path: Path) -> Unpacked:
        """What `save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(content["reasons"], content["unsafe"], tuple(content["notes"]))


@dataclass(frozen=True)
class _Member:
    """One name in an archive.

    `kind` is "file", "folder", "link" or what else it is; `target` is where a link leads, from the top.
    """

    name: str
    kind: str
    target: str = ""
    trouble: str = ""
    read: Callable[[], IO[bytes] | None] = lambda: None


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked when it is given as a source."""
    return name.lower().endswith(ARCHIVE_ENDINGS)


def safe_steps(name: str) -> tuple[str, ...] | None:
    """The folders and the file of a name out of an archive or a listing;
    None where it leads elsewhere or can be no file.
    """
    steps = tuple(step for step in name.split("/") if step not in ("", "."))
    return None if name.startswith("/") or ".." in steps or "\0" in name or not steps else steps


def unpack(archive: Path, folder: Path, shown: str, *, is_zip: bool, report: Reporter = silent) -> Unpacked:
    """Write the pictures and tables of `archive` below `folder` (made here).

    A member that is encrypted or damaged leaves an empty file in its place and its reason in the result, so
    that its class does not vanish. Links in the archive to members of it become copies. Raises DataError,
    naming the archive as `shown`, when it is no whole archive or would grow beyond MOST_BYTES or MOST_GROWTH.
    """
    folder.mkdir(parents=True)
    into = _Into(folder, shown, max(1, archive.stat().st_size))
    number = 0
    opened = _zip_members(archive, shown, into.weigh) if is_zip else _tar_members(archive, into.weigh)
    try:
        with contextlib.closing(opened) as members:
            for number, (member, total) in enumerate(members, start=1):
                into.take(member)
                if number % 64 == 0 or number == total:
                    report("unpacking", number, max(total, number + 1 - bool(total)), "")
    except _Cut as error:
        said = f"is damaged or ends early after {number} members" if number else "is not a tar archive"
        raise DataError(f"{shown} {said} ({error})", cure="Make or fetch it again.") from error
    into.copy_links()
    return into.result()


class _Into:
    """The folder that an archive is unpacked into, and what was seen on the way."""

    def __init__(self, folder: Path, shown: str, packed: int) -> None:
        self.folder, self.shown, self.packed = folder, shown, packed
        self.bytes = 0
        self.links: dict[str, tuple[str, ...] | None] = {}
        self.written: set[str] = set()
        self.reasons: dict[str, str] = {}
        self.unsafe: dict[str, str] = {}
        self.others: list[str] = []
        self.twice: list[str] = []

    def take(self, member: _Member) -> None:
        """Write one member, or note why not."""
        steps = safe_steps(member.name)
        if steps is None and set(member.name.split("/")) <= {"", "."}:
            # The folder that was packed, by its own name for itself.
            return
        if steps is None:
            self.unsafe[member.name] = "its name leads out of the archive, or no file can have it"
            return
        if any(step.startswith(".") for step in steps) or "__MACOSX" in steps:
            return
        relative = "/".join(steps)
        with self._placed(relative):
            place = self.folder.joinpath(*steps)
            if member.kind == "folder":
                place.mkdir(parents=True, exist_ok=True)
                return
            place.parent.mkdir(parents=True, exist_ok=True)
            if not _is_taken(relative):
                self.others.append(relative)
                return
            if relative in self.written:
                self.twice.append(relative)
            self.written.add(relative)
            self._write(member, place, relative)

    def copy_links(self) -> None:
        """Make links to members copies of them, in the end, when all are there."""
        for relative, target in self.links.items():
            source = self.folder.joinpath(*target) if target else None
            place = self.folder / relative
            if source is not None and source.is_file() and source != place:
                shutil.copyfile(source, place)
            else:
                self._leave(relative, "a link to a file that is not in the archive")

    def result(self) -> Unpacked:
        """What to say about it."""
        told = [
            (self.others, "file(s) in it are neither pictures nor tables and were left out"),
            (self.twice, "name(s) stand in it more than once: the last was taken"),
        ]
        notes = tuple(f"{len(some)} {said} (first: {some[0]})" for some, said in told if some)
        return Unpacked(self.reasons, self.unsafe, notes)

    def weigh(self, size: int) -> None:
        """Count `size` bytes more that the archive announces; DataError when they are too many."""
        self.bytes += size
        if self.bytes > MOST_BYTES or (self.bytes > _SMALL and self.bytes > MOST_GROWTH * self.packed):
            raise DataError(
                f"{self.shown} would grow from {_told(self.packed)} to {_told(self.bytes)} (a decompression "
                "bomb?)",
                expected=f"at most {_told(MOST_BYTES)} and {MOST_GROWTH} times its size",
                cure="Unpack it yourself if you trust it, and give the folder.",
            )

    @contextlib.contextmanager
    def _placed(self, relative: str) -> Iterator[None]:
        try:
            yield
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            self.unsafe[relative] = "another member stands in its place"
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
                raise
            self.unsafe[relative] = (
                "its name cannot be written here (too long, or other letters than the disk takes)"
            )

    def _write(self, member: _Member, place: Path, relative: str) -> None:
        self.reasons.pop(relative, None)
        self.links.pop(relative, None)
        if member.kind == "link":
            self.links[relative] = safe_steps(member.target)
            return
        if member.kind != "file" or member.trouble:
            self._leave(relative, member.trouble or member.kind)
            return
        try:
            with place.open("wb") as target:
                source = member.read()
                if source is not None:
                    with source:
                        shutil.copyfileobj(source, target, 2**20)
        except _Cut:
            raise
        except _BROKEN as error:
            self._leave(
                relative,
                "damaged in the archive "
                f"({str(error).splitlines()[0] if str(error) else type(error).__name__})",
            )
        except OSError as error:
            if error.errno is not None:
                raise
            self._leave(relative, f"damaged in the archive ({error})")

    def _leave(self, relative: str, why: str) -> None:
        (self.folder / relative).write_bytes(b"")
        self.reasons[relative] = why


class _Cut(EOFError):
    """A tar archive that ends early or is damaged: what follows cannot be known."""


def _told(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def _zip_members(
    path: Path, shown: str, weigh: Callable[[int], None]
) -> Generator[tuple[_Member, int], None, None]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, struct.error, ValueError, NotImplementedError) as error:
        raise DataError(
            f"{shown} is not a whole ZIP archive ({error})", cure="Make or fetch it again."
        ) from error
    with archive:
        members = archive.infolist()
        weigh(sum(info.file_size for info in members if _is_taken(_zip_name(info))))
        for info in members:
            yield _zip_member(archive, info), len(members)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    name = _zip_name(info)
    if name.endswith("/"):
        return _Member(name, "folder")
    if info.flag_bits & 1:
        return _Member(name, "file", trouble="encrypted in the archive")
    if stat.S_ISLNK(info.external_attr >> 16) and _is_taken(name) and info.file_size < _LONGEST_PATH:
        try:
            return _Member(name, "link", target=_from_the_top(name, os.fsdecode(archive.read(info))))
        except _BROKEN as error:
            return _Member(name, "file", trouble=f"damaged in the archive ({error})")
    return _Member(name, "file", read=lambda: archive.open(info))


def _is_taken(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in TAKEN_ENDINGS


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name, of archives too that hold UTF-8 without saying so, or the backslashes of Windows."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _tar_members(path: Path, weigh: Callable[[int], None]) -> Generator[tuple[_Member, int], None, None]:
    # As a stream: a compressed archive is read once from end to end, whatever the order of its members.
    with _cut_is_said(), tarfile.open(path, mode="r|*", errors="surrogateescape") as archive:
        for info in archive:
            # Of all members: a stream has to be unpacked to its end, whatever is taken out of it.
            weigh(info.size)
            yield _tar_member(archive, info), 0


@contextlib.contextmanager
def _cut_is_said() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # bz2 says so without a number; errors with one are the disk's.
        if error.errno is not None:
            raise
        raise _Cut(str(error)) from error
    except _BROKEN as error:
        raise _Cut(str(error) or type(error).__name__) from error


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    if info.isdir():
        return _Member(info.name, "folder")
    if info.islnk():
        return _Member(info.name, "link", target=info.linkname)
    if info.issym():
        return _Member(info.name, "link", target=_from_the_top(info.name, info.linkname))
    if not info.isfile():
        return _Member(
            info.name, "not a file but a named pipe" if info.isfifo() else "not a file but a device"
        )

    def read() -> IO[bytes] | None:
        source = archive.extractfile(info)
        return None if source is None else _Watched(source)  # type: ignore[return-value]

    return _Member(info.name, "file", read=read)


class _Watched:
    """A member of a stream whose damage is the damage of the whole."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        with _cut_is_said():
            return self._source.read(size)

    def __enter__(self) -> _Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()


def _from_the_top(name: str, target: str) -> str:
    """Where a symbolic link of the member `name` leads, as a name from the top of the archive
    ("/…" when it leads out of it).
    """
    if target.startswith("/"):
        return target
    joined = os.path.normpath(str(PurePosixPath(name).parent / target))
    return "/" if joined.startswith("..") else joined
