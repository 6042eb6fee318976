"""What the user named, as a library: one that is there, or one that is made for a folder of pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.folders import libraries_folder
from lightfast.library.library import LIBRARY_FILE, Library, create_library, open_library


@dataclass(frozen=True, eq=False)
class Opened:
    """A library to serve.

    Attributes:
        library: open.
        made: whether it was made now.
        pictures: folders whose pictures are still to be added.
    """

    library: Library
    made: bool = False
    pictures: tuple[str, ...] = ()


def open_or_create(named: Path | None, database: str | None = None) -> Opened:
    """The library that `named` is, or the one that stands for the pictures in that folder.

    A folder of pictures is left as it is: its library stands in `libraries_folder()`, called as the folder
    is, below a digest of where it lies, so that the same folder leads to the same library. Without a name it
    is the library "pictures" there.

    Raises DataError for a folder that is not there, and for a `database` that is not the library's own.
    """
    if named is not None and (named / LIBRARY_FILE).is_file():
        if database is None:
            return Opened(open_library(named))
        return Opened(create_library(named, database))
    if named is not None and not named.is_dir():
        raise DataError(
            f"{named} is no folder",
            cure="Name a library, or a folder of pictures; `library init` makes a library.",
        )
    place = libraries_folder() / ("pictures" if named is None else _name_of(named.absolute()))
    there = (place / LIBRARY_FILE).is_file()
    library = create_library(place, database)
    return Opened(library, not there, () if named is None else (str(named.absolute()),))


def _name_of(folder: Path) -> str:
    digest = hashlib.sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{digest}/{folder.name or 'pictures'}"
