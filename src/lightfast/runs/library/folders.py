"""Numbered folders of what a library was ordered to make, known again by their order after a kill."""

from __future__ import annotations

import shutil
from pathlib import Path

from lightfast.base.files import make_folder, storage_errors, write_text
from lightfast.library.library import Library

_ORDER = ".order"
"""In a folder: what it was ordered by, so that a killed try is known again."""


def next_folder(library: Library, kind: str, order: str) -> Path:
    """A new folder KIND-0001 … below `library.runs`; what a killed try at the same order left in its own
    goes.
    """
    taken = _numbered(library, kind)
    left = [path for path in taken if _order_of(path) == order]
    for path in left:
        with storage_errors(path):
            shutil.rmtree(path)
    numbers = [_number(path) for path in taken if path not in left]
    folder = make_folder(library.runs / f"{kind}-{max(numbers, default=0) + 1:04}")
    write_text(folder / _ORDER, order)
    return folder


def folder_of_order(library: Library, kind: str, order: str) -> Path | None:
    """The folder that a try at the same order has begun, or None."""
    return next((path for path in _numbered(library, kind) if _order_of(path) == order), None)


def _numbered(library: Library, kind: str) -> list[Path]:
    return [path for path in library.runs.glob(f"{kind}-*") if path.name.rpartition("-")[2].isdigit()]


def _number(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _order_of(folder: Path) -> str:
    return (folder / _ORDER).read_text(encoding="utf-8") if (folder / _ORDER).is_file() else ""
