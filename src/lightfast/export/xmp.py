"""XMP sidecars: keywords beside pictures that photo programs read, beside what people wrote before.

How a keyword is written, suggested or confirmed, `xmp_keywords` says. A sidecar that exists is edited in
place: every byte that we did not write ourselves stays as it is.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from lightfast.base.errors import DataError, InputError, StorageError, UnknownName
from lightfast.base.files import write_bytes
from lightfast.data.decode.unreadable import printable
from lightfast.export.embedded_keywords import embedded_keywords
from lightfast.export.xmp_keywords import EMPTY, Keyword, Rewritten, keywords_in, rewritten
from lightfast.export.xmp_packet import MalformedXmp, parsed

Style = Literal["darktable", "lightroom"]
"""darktable (and digiKam): picture.jpg.xmp; lightroom: picture.xmp."""
_ROOM = "Make room there, then write again."
_PLACE = "Make the folder writable, or copy the pictures to one that is, then write again."
_RIGHTS = "Have its permissions changed, then write again."
_AWAY = "Move away what stands there, then write again."


@dataclass(frozen=True)
class Refused:
    """A picture that got no sidecar: why, and what to do about it."""

    path: str
    reason: str
    cure: str


@dataclass(frozen=True)
class Sidecars:
    """What `write_sidecars` did: the files written or found up to date, how many of them hold suggestions and
    how many keywords that a model confirmed, and the pictures that got none.
    """

    paths: tuple[Path, ...]
    refused: tuple[Refused, ...]
    suggested: int = 0
    confirmed: int = 0


class SidecarError(DataError):
    """A sidecar that cannot be read, and is therefore left as it is. `reason` says why in a few words."""

    def __init__(self, path: Path, reason: str, cure: str) -> None:
        super().__init__(f"sidecar {printable(path)} is left as it is: {reason}", cure=cure)
        self.reason = reason


def sidecar_path(picture: Path | str, style: Style = "darktable") -> Path:
    """Where the sidecar of a picture lies: photo.jpg → photo.jpg.xmp,
    or photo.xmp in the style of Lightroom.
    """
    picture = Path(picture)
    if style not in get_args(Style):
        raise UnknownName("style of sidecars", style, get_args(Style))
    return picture.with_name(f"{picture.name}.xmp") if style == "darktable" else picture.with_suffix(".xmp")


def write_sidecar(picture: Path | str, keywords: Sequence[Keyword], style: Style = "darktable") -> Path:
    """Write the keywords of a picture into its sidecar, atomically, and return the sidecar's path.

    What we wrote earlier for a model, suggested or confirmed, is replaced by what is in `keywords`; keywords
    of people are added; nothing else changes. What the sidecar already holds as a keyword of a person, and a
    confirmed keyword of a model that a person has taken out, is left out. So is a suggestion that was
    rejected: here, or by deleting it from the sidecar. A new sidecar repeats the keywords inside the picture
    file (IPTC, XMP). A file that would not change is not written.

    Raises SidecarError when a sidecar is there and cannot be read (not XML, no RDF, a document type, not
    UTF-8); it stays untouched. StorageError when it cannot be written.
    """
    path = sidecar_path(picture, style)
    _write(path, keywords, picture)
    return path


def _write(path: Path, keywords: Sequence[Keyword], picture: Path | str) -> Rewritten:
    there = _content(path)
    if there is None:
        keywords = [*embedded_keywords(picture), *keywords]
    try:
        after = rewritten(EMPTY if there is None else there, keywords)
    except MalformedXmp as error:
        raise SidecarError(path, str(error), error.cure) from error
    if after.content != there:
        # A link stays a link: what it leads to is replaced.
        write_bytes(path.resolve() if path.is_symlink() else path, after.content)
    return after


def write_sidecars(
    rows: Iterable[tuple[Path | str, Sequence[Keyword]]], style: Style = "darktable"
) -> Sidecars:
    """`write_sidecar` for many pictures: what is refused is named with its reason, the rest is done.

    Two pictures of one name (a.jpg and a.png in the style of Lightroom) cannot share a sidecar: the second is
    refused.
    """
    owners: dict[Path, str] = {}
    refused: list[Refused] = []
    suggested = confirmed = 0
    for picture, keywords in rows:
        path = sidecar_path(picture, style)
        if path in owners:
            reason = f"its sidecar {printable(path.name)} is that of {owners[path]}"
            cure = "The style darktable gives each picture its own."
            refused.append(Refused(printable(picture), reason, cure))
            continue
        try:
            done = _write(path, keywords, picture)
        except InputError as error:
            refused.append(refusal(picture, error))
            continue
        owners[path] = printable(Path(picture).name)
        suggested += bool(done.suggested)
        confirmed += bool(done.confirmed)
    return Sidecars(tuple(owners), tuple(refused), suggested, confirmed)


def refusal(picture: Path | str, error: InputError) -> Refused:
    """Why a picture gets no sidecar, said of the picture."""
    if isinstance(error, SidecarError):
        return Refused(printable(picture), f"its sidecar is left as it is: {error.reason}", error.cure)
    if not isinstance(error, StorageError):
        return Refused(printable(picture), error.without_cure, error.cure)
    full = isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
    reason = f"no sidecar can be written beside it: {error.reason or error.without_cure}"
    return Refused(printable(picture), reason, _ROOM if full else _PLACE)


def load_sidecar(path: Path | str) -> tuple[Keyword, ...]:
    """The keywords of a sidecar in the order of the file: hierarchical ones first, then flat ones that no
    path contains.

    Raises SidecarError when it is missing or cannot be read.
    """
    path = Path(path)
    content = _content(path)
    if content is None:
        raise SidecarError(path, "no such file", "Write it first: `lightfast export` does.")
    try:
        return keywords_in(parsed(content))
    except MalformedXmp as error:
        raise SidecarError(path, str(error), error.cure) from error


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        cure = _RIGHTS if isinstance(error, PermissionError) else _AWAY
        raise SidecarError(path, (error.strerror or type(error).__name__).lower(), cure) from error
