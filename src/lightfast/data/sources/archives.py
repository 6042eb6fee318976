"""ZIP and tar archives of pictures, unpacked once: no name leaves the folder, no archive grows without bound,
no broken member is lost.

Members are taken one by one, by rules of our own: `tarfile`'s data filter writes "/a.png" as "a.png" instead
of naming it, and knows no ZIP; fsspec's archives do not notice a tar that ends early, and read a compressed
tar from its start again for members out of order.
"""

from __future__ import annotations

import contextlib
import errno
import json
import lzma
import os
import posixpath
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.sources.folder import MANIFEST_ENDINGS, PICTURE_ENDINGS, may_be_picture
from lightfast.data.sources.names import SYSTEM_NOTE, passed_over_part

ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_TAKEN_ENDINGS = frozenset((*PICTURE_ENDINGS, *MANIFEST_ENDINGS, ".npz", ".zip", ".tar", ".tgz"))
"""What is taken out of archives and folders elsewhere: pictures, tables of pictures, arrays,
and archives in archives; also what has no ending that says what it is.
"""
MAX_BYTES = 64 * 2**30
"""An archive that holds more than this, unpacked, is refused."""
MAX_GROWTH = 200
"""So is one that grows to more than this many times its size; pictures hardly shrink in an archive.

Below `_SMALL` bytes nobody minds.
"""
_SMALL = 2**30
_LONGEST_PATH = 4096
_BROKEN = (
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the libraries raise about broken bytes."""


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
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Unpacked:
        """What `save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(content["reasons"], content["unsafe"], tuple(content["notes"]))


@dataclass(frozen=True)
class _Member:
    """One name in an archive.

    `kind` is "file", "folder", "link", or why it cannot be taken out; `target` is where a link leads, from
    the top; `read` opens a file.
    """

    name: str
    kind: str
    target: str = ""
    read: Callable[[], Any] = lambda: None


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked when it is given as a source."""
    return name.lower().endswith(ARCHIVE_ENDINGS)


def is_taken(name: str) -> bool:
    """Whether a file of this name is taken out of archives and folders elsewhere."""
    return PurePosixPath(name).suffix.lower() in _TAKEN_ENDINGS or may_be_picture(PurePosixPath(name).name)


def first_line(error: BaseException) -> str:
    """What an error of a library says, in one line of 200 characters at most."""
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


def safe_parts(name: str) -> tuple[str, ...] | None:
    """The folders and the file of a name out of an archive or a listing;
    None where it leads elsewhere or can be no file.
    """
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    return None if name.startswith("/") or ".." in parts or "\0" in name or not parts else parts


def unpack(archive: Path, folder: Path, shown: str, *, is_zip: bool, report: Reporter = silent) -> Unpacked:
    """Write the pictures and tables of `archive` below `folder` (made here).

    A member that is encrypted or damaged leaves an empty file in its place and its reason in the result, so
    that its class does not vanish. Links in the archive to members of it become copies. Raises DataError,
    naming the archive as `shown`, when it is no whole archive or would grow beyond MAX_BYTES or MAX_GROWTH.
    """
    folder.mkdir(parents=True)
    into = _Into(folder, shown, max(1, archive.stat().st_size), is_zip=is_zip)
    number = 0
    try:
        with contextlib.closing((_zip_members if is_zip else _tar_members)(archive, into.weigh)) as members:
            for number, (member, total) in enumerate(members, start=1):
                into.take(member)
                if number % 64 == 0 or number == total:
                    report("unpacking", number, max(total, number + 1 - bool(total)), "")
    except _Damaged as error:
        cut = f"is damaged or ends early after {number} members" if number else "is not a tar archive"
        said = "is not a whole ZIP archive" if is_zip else cut
        raise DataError(f"{shown} {said} ({error})", cure="Make or fetch it again.") from error
    into.copy_links()
    return into.result()


class _Into:
    """The folder that an archive is unpacked into, and what was seen on the way."""

    def __init__(self, folder: Path, shown: str, packed: int, *, is_zip: bool) -> None:
        self.folder, self.shown, self.packed, self.is_zip = folder, shown, packed, is_zip
        self.bytes = 0
        self.links: dict[str, tuple[str, ...] | None] = {}
        self.written: set[str] = set()
        self.found = Unpacked()
        self.others, self.twice = list[str](), list[str]()
        self.system: dict[str, None] = {}

    def take(self, member: _Member) -> None:
        """Write one member, or note why not."""
        parts = safe_parts(member.name)
        if parts is None:
            # "." and "./" are the folder that was packed.
            if set(member.name.split("/")) - {"", "."}:
                self.found.unsafe[member.name] = "its name leads out of the archive, or no file can have it"
            return
        passed, system = passed_over_part(parts)
        if passed:
            # All that lies in one folder of the system's counts as one.
            self.system |= dict.fromkeys([system] * bool(system))
            return
        relative = "/".join(parts)
        try:
            self._place(member, relative)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            self.found.unsafe[relative] = "another member stands in its place"
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
                raise
            self.found.unsafe[relative] = (
                "its name cannot be written here (too long, or other letters than the disk takes)"
            )

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
            (list(self.system), SYSTEM_NOTE),
        ]
        notes = tuple(f"{len(some)} {said} (first: {some[0]})" for some, said in told if some)
        return replace(self.found, notes=notes)

    def weigh(self, size: int) -> None:
        """Count `size` bytes more that the archive announces; DataError when they are too many."""
        self.bytes += size
        if self.bytes > MAX_BYTES or (self.bytes > _SMALL and self.bytes > MAX_GROWTH * self.packed):
            raise DataError(
                f"{self.shown} would grow from {_told(self.packed)} to {_told(self.bytes)} (a decompression "
                "bomb?)",
                expected=f"at most {_told(MAX_BYTES)} and {MAX_GROWTH} times its size",
                cure="Unpack it yourself if you trust it, and give the folder.",
            )

    def _place(self, member: _Member, relative: str) -> None:
        path = self.folder / relative
        (path if member.kind == "folder" else path.parent).mkdir(parents=True, exist_ok=True)
        if member.kind == "folder":
            return
        if not is_taken(relative):
            self.others.append(relative)
            return
        if relative in self.written:
            self.twice.append(relative)
        self.written.add(relative)
        self.found.reasons.pop(relative, None)
        self.links.pop(relative, None)
        if member.kind == "link":
            self.links[relative] = safe_parts(member.target)
        elif member.kind != "file":
            self._leave(relative, member.kind)
        else:
            self._write(member, path, relative)

    def _write(self, member: _Member, path: Path, relative: str) -> None:
        try:
            with path.open("wb") as target, _damage(), member.read() as source:
                shutil.copyfileobj(source, target, 2**20)
        except _Damaged as error:
            # What follows in a stream cannot be known.
            if not self.is_zip:
                raise
            self._leave(relative, f"damaged in the archive ({error})")

    def _leave(self, relative: str, why: str) -> None:
        (self.folder / relative).write_bytes(b"")
        self.found.reasons[relative] = why


class _Damaged(Exception):
    """Bytes of an archive that cannot be read; the message is one line."""


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        # bz2 says so without a number; errors with one are the disk's.
        if getattr(error, "errno", None) is not None:
            raise
        raise _Damaged(first_line(error)) from error


def _told(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def _zip_members(path: Path, weigh: Callable[[int], None]) -> Generator[tuple[_Member, int], None, None]:
    with _damage():
        archive = zipfile.ZipFile(path)
    with archive:
        members = archive.infolist()
        weigh(sum(info.file_size for info in members if is_taken(_zip_name(info))))
        for info in members:
            yield _zip_member(archive, info), len(members)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    name = _zip_name(info)
    if name.endswith("/"):
        return _Member(name, "folder")
    if info.flag_bits & 1:
        return _Member(name, "encrypted in the archive")
    if stat.S_ISLNK(info.external_attr >> 16) and is_taken(name) and info.file_size < _LONGEST_PATH:
        try:
            with _damage():
                return _Member(name, "link", _from_the_top(name, os.fsdecode(archive.read(info))))
        except _Damaged as error:
            return _Member(name, f"damaged in the archive ({error})")
    return _Member(name, "file", read=lambda: archive.open(info))


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name, of archives too that hold UTF-8 without saying so, or the backslashes of Windows."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _tar_members(path: Path, weigh: Callable[[int], None]) -> Generator[tuple[_Member, int], None, None]:
    # As a stream: a compressed archive is read once from end to end, whatever the order of its members.
    with _damage(), tarfile.open(path, mode="r|*", errors="surrogateescape") as archive:
        for info in archive:
            # Of all members: a stream has to be unpacked to its end, whatever is taken out of it.
            weigh(info.size)
            yield _tar_member(archive, info), 0


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    if info.isdir():
        return _Member(info.name, "folder")
    if info.islnk():
        return _Member(info.name, "link", info.linkname)
    if info.issym():
        return _Member(info.name, "link", _from_the_top(info.name, info.linkname))
    if not info.isfile():
        return _Member(info.name, f"not a file but a {'named pipe' if info.isfifo() else 'device'}")
    return _Member(info.name, "file", read=lambda: archive.extractfile(info))


def _from_the_top(name: str, target: str) -> str:
    """Where a symbolic link of the member `name` leads, from the top; `safe_parts` refuses what leads out."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
