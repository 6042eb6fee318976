"""Pictures that arrive as bytes: kept inside the library by the hash of their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from lightfast.base.files import atomic
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.decode import load_header
from lightfast.data.decode.stream import map_in_order, or_unreadable
from lightfast.data.decode.unreadable import InMemoryFile, UnreadablePicture, file_format, printable
from lightfast.library.add import KEPT, Found, add_rows
from lightfast.library.facts import FileFacts, file_facts
from lightfast.library.library import Library
from lightfast.library.schema import assets
from lightfast.library.views import THUMBNAIL, write_view

_SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WebP": ".webp",
    "GIF": ".gif",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "HEIC": ".heic",
}


@dataclass(frozen=True)
class Upload:
    """Bytes that somebody sent, under the name that they gave; the name is shown, never used as a path."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Uploaded:
    """What became of an upload.

    Attributes:
        name: as it was given.
        asset_id: the picture; None where it is none.
        known: whether the library had it.
        unreadable: why it is no picture, and was not kept; None: it is.
    """

    name: str
    asset_id: int | None = None
    known: bool = False
    unreadable: str | None = None


def keep_uploads(
    library: Library, uploads: Sequence[Upload], most_pixels: int | None = None
) -> tuple[Uploaded, ...]:
    """Add pictures that came as bytes, all in one transaction; what is no picture is not kept, and says why.

    A file is whole on the disk before the database knows it: a crash between the two leaves at most a file
    that nobody names, which the same upload takes up again.

    Args:
        library: is written.
        uploads: in the order of the answer.
        most_pixels: larger pictures are refused before they are decoded; None: as `decode_file` refuses them.
    """
    read = list(map_in_order(lambda one: _kept(library, one, most_pixels), uploads))
    found = [one for one in read if isinstance(one, Found)]
    digests = [one.facts.sha256 for one in found]
    before = {row.sha256 for row in _rows(library, digests) if row.deleted_at is None}
    library.store.act(lambda connection: add_rows(connection, found))
    ids = {row.sha256: row.id for row in _rows(library, digests)}
    return tuple(
        Uploaded(one.source, ids[one.facts.sha256], one.facts.sha256 in before)
        if isinstance(one, Found)
        else one
        for one in read
    )


def _rows(library: Library, digests: Sequence[str]) -> Sequence[Row[Any, Any, Any]]:
    with library.store.read() as connection:
        named = select(assets.c.sha256, assets.c.id, assets.c.deleted_at).where(assets.c.sha256.in_(digests))
        return connection.execute(named).all()


def _kept(library: Library, upload: Upload, most_pixels: int | None) -> Found | Uploaded:
    name, digest = printable(upload.name), hashlib.sha256(upload.data).hexdigest()
    suffix = _SUFFIXES.get(file_format(InMemoryFile(name, upload.data)), "")
    path = library.kept / digest[:2] / f"{digest}{suffix}"
    fresh = not path.is_file()
    if fresh:
        _write(path, upload.data)
    facts = or_unreadable(lambda path: _facts(path, most_pixels), path)
    why = facts.reason if isinstance(facts, Unreadable) else facts.unreadable
    if why is not None or isinstance(facts, Unreadable):
        if fresh:
            path.unlink(missing_ok=True)
        return Uploaded(name, unreadable=why)
    if facts.content is not None and facts.pixels is not None:
        write_view(library.thumbnails, facts.content, facts.pixels, THUMBNAIL)
    return Found(f"{KEPT}{path.relative_to(library.kept)}", name, replace(facts, pixels=None))


def _facts(path: Path, most_pixels: int | None) -> FileFacts:
    height, width, _ = load_header(path).shape
    if most_pixels is not None and height * width > most_pixels:
        raise UnreadablePicture(path, f"{width} x {height} pixels, at most {most_pixels} are taken")
    return file_facts(path)


def _write(path: Path, data: bytes) -> None:
    with atomic(path) as temporary, temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        # What is acknowledged is on the disk, as in the database.
        os.fsync(stream.fileno())
