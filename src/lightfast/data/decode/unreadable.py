"""Files that are no pictures: what they are instead, in a few plain words,
and names that can be written anywhere.
"""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError, features

from lightfast.base.errors import DataError

HEIC_CURE = "pip install 'lightfast[heic]'"
_HEAD = 4096
_TAIL = 512
_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "not a file but a named pipe",
    stat.S_IFSOCK: "not a file but a socket",
    stat.S_IFCHR: "not a file but a device",
    stat.S_IFBLK: "not a file but a device",
}
_REFUSALS = {
    errno.ENOENT: "no such file",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "a link that leads back to itself",
}
_HEIC_BRANDS = frozenset(b"heic heix hevc hevx heim heis hevm hevs mif1 msf1".split())
_AVIF_BRANDS = (b"avif", b"avis")
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript drawing"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\x01\xba", "a video"),
)


@dataclass(frozen=True)
class InMemoryFile:
    """The content of a picture file in memory, under the name that messages call it by."""

    name: str
    data: bytes

    def __str__(self) -> str:
        return self.name

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    def open(self, mode: str = "rb") -> BytesIO:
        """The content as a stream; `mode` is there for the likeness to a Path."""
        return BytesIO(self.data)

    def read_bytes(self) -> bytes:
        """The content."""
        return self.data


class UnreadablePicture(DataError):
    """One file that is not a whole picture.

    `path` names it (printable), `unreadable_reason` says why in a few words.
    """

    def __init__(self, path: str | Path | InMemoryFile, reason: str) -> None:
        self.path = printable(path)
        super().__init__(f"cannot read {self.path}: {reason}", cure="Replace the file or leave it out.")
        self.reason = reason


def printable(name: str | Path | InMemoryFile) -> str:
    """A name that JSON, Parquet and a terminal take:
    bytes that are not UTF-8 and control characters become `\\x..` escapes.
    """
    text = str(name)
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def require_file(path: Path) -> None:
    """Raise UnreadablePicture unless `path` is a file with something in it.

    Nothing is opened: opening a pipe would wait for ever.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise UnreadablePicture(
            path, "a link to a file that is not there" if path.is_symlink() else "no such file"
        ) from error
    except ValueError as error:
        # A zero byte in a table's path.
        raise UnreadablePicture(path, "no file can have such a name") from error
    except OSError as error:
        raise UnreadablePicture(path, unreadable_reason(error, path)) from error
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise UnreadablePicture(path, _KINDS.get(kind, "not a file"))
    if status.st_size == 0:
        raise UnreadablePicture(path, "empty file")


def unreadable_reason(error: BaseException, path: Path | InMemoryFile) -> str:
    """Why `path` could not be read, in a few words,
    from what its reading raised and from its first and last bytes.
    """
    match error:
        case UnidentifiedImageError():
            return _unidentified(path)
        case OSError() if error.errno is not None:
            return _REFUSALS.get(error.errno) or f"cannot be opened ({error.strerror or error.errno})"
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return "too many pixels (a decompression bomb?)"
        case MemoryError():
            return "too large for the memory that is there"
    text = printable(str(error).splitlines()[0]) if str(error) else type(error).__name__
    if "truncated" in text.lower() or isinstance(error, EOFError) or ends_early(path):
        return f"truncated ({text})"
    return f"damaged ({text})"


def is_heic(path: Path | InMemoryFile) -> bool:
    """Whether the first bytes announce a HEIC picture."""
    head = _first(path)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS


def picture_format(path: Path | InMemoryFile) -> str:
    """The picture format that the first bytes announce ("JPEG", "PNG" ...), or ""."""
    head = _first(path)
    # A text may begin with BM: what follows the length in a BMP are four zero bytes.
    return "" if head.startswith(b"BM") and head[6:10] != bytes(4) else _format(head)


def ends_early(path: Path | InMemoryFile) -> bool:
    """Whether the file stops before its own end mark or announced length.

    False where the format has neither.
    """
    try:
        head, size = _first(path), _size(path)
        with path.open("rb") as stream:
            stream.seek(max(0, size - _TAIL))
            tail = stream.read()
    except OSError:
        return False
    match kind := _format(head):
        case "GIF":
            return not tail.rstrip(b"\0").endswith(b";")
        case "PNG":
            return b"IEND" not in tail
        case "JPEG":
            return b"\xff\xd9" not in tail and _unfinished_jpeg(path)
        case "HEIC" | "AVIF":
            return _unfinished_boxes(path, size)
    return size < _announced(kind, head)


def file_format(path: Path | InMemoryFile) -> str:
    """The format that the first bytes announce (JPEG, PNG, GIF, WebP, TIFF, BMP, HEIC, AVIF), or ""."""
    return _format(_first(path))


def _unfinished_jpeg(path: Path | InMemoryFile) -> bool:
    # Neither mark can occur inside the scan itself: the format stuffs a zero behind every FF there.
    content = path.read_bytes()
    return content.rfind(b"\xff\xd9") <= content.rfind(b"\xff\xda")


def _unfinished_boxes(path: Path | InMemoryFile, size: int) -> bool:
    start = 0
    with path.open("rb") as stream:
        while start < size:
            stream.seek(start)
            length = int.from_bytes(stream.read(4), "big")
            if length < 8:
                # 0 = up to the end of the file, 1 = a longer count follows: nothing can be said of either.
                return False
            start += length
    return start > size


def _announced(kind: str, head: bytes) -> int:
    """How many bytes the file has at least, by its own header; 0 = it does not say."""
    match kind:
        case "BMP":
            return int.from_bytes(head[2:6], "little")
        case "WebP":
            return 8 + int.from_bytes(head[4:8], "little")
        case "TIFF":
            # Where the table of the first page begins.
            return 1 + int.from_bytes(head[4:8], "little" if head[:1] == b"I" else "big")
    return 0


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:
        # How Python keeps a byte of a file name that is not UTF-8.
        return "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter))
    if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp"):
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return letter


def _size(path: Path | InMemoryFile) -> int:
    return len(path.data) if isinstance(path, InMemoryFile) else path.stat().st_size


def _first(path: Path | InMemoryFile) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except OSError:
        return b""


def _format(head: bytes) -> str:
    """The picture format that the first bytes announce, or ""."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return "HEIC" if head[8:12] in _HEIC_BRANDS else "AVIF" if head[8:12] in _AVIF_BRANDS else ""
    return next((name for mark, name in _PICTURES if head.startswith(mark)), "")


def _unidentified(path: Path | InMemoryFile) -> str:
    head = _first(path)
    other = _other(head)
    if other:
        return f"not a picture ({other})"
    match _format(head):
        case "":
            return "not a picture (no known picture format)"
        case "HEIC" if "HEIF" not in Image.OPEN:
            return f"HEIC needs pillow-heif ({HEIC_CURE})"
        case "AVIF" if not features.check("avif"):
            return f"AVIF needs a newer Pillow ({HEIC_CURE})"
        case name if ends_early(path):
            return f"truncated (the end of the {name} file is missing)"
        case "TIFF":
            return "damaged (the TIFF header cannot be read), or of a rare kind of TIFF"
        case name:
            return f"damaged (the {name} header cannot be read)"


def _written(head: bytes) -> str:
    """What kind of text the first bytes are, or ""."""
    try:
        # The cut may go through a letter of up to four bytes.
        text = head.decode() if len(head) < _HEAD else head[:-3].decode(errors="ignore")
    except UnicodeDecodeError:
        return ""
    if "\ufffd" in text or any(
        unicodedata.category(letter) == "Cc" and letter not in "\t\n\r\f" for letter in text
    ):
        return ""
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith("version https://git-lfs"):
        return "a Git LFS pointer: run git lfs pull"
    if start.startswith(("<!doctype html", "<html")):
        return "an HTML page"
    return "an SVG drawing" if start.startswith("<") and "<svg" in start else "text"


def _other(head: bytes) -> str:
    """What the first bytes are when they are of no picture, or ""."""
    if not head.strip(b"\0"):
        return "zero bytes"
    if (head[4:8] == b"ftyp" and not _format(head)) or (head[:4] == b"RIFF" and head[8:11] == b"AVI"):
        return "a video"
    return next((name for mark, name in _OTHERS if head.startswith(mark)), "") or _written(head)
