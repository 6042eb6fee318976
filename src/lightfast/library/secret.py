"""A secret of a library, by which what it gives to clients is known again as its own."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path

from lightfast.base.errors import StorageError
from lightfast.base.files import atomic
from lightfast.library.library import Library

SECRET_FILE = "secret"
"""In the library's folder, for its owner's eyes alone. All processes on it share the one; a library that was
restored elsewhere makes another, and what was given before is refused.
"""
_BYTES = 32


def library_secret(library: Library) -> bytes:
    """32 random bytes, made when they are first asked for. A library that cannot be written has some for as
    long as the process lives.
    """
    path = library.folder / SECRET_FILE
    found = _read(path)
    if found is None:
        with suppress(StorageError):
            _make(path)
        found = _read(path)
    return _of_process(path) if found is None else found


def _read(path: Path) -> bytes | None:
    with suppress(OSError):
        found = path.read_bytes()
        # A file that was cut short would be no secret.
        return found if len(found) == _BYTES else None
    return None


def _make(path: Path) -> None:
    """Of two processes that come at once one is the last, and both read what it wrote."""
    with atomic(path, mode=0o600) as temporary:
        temporary.write_bytes(secrets.token_bytes(_BYTES))


@cache
def _of_process(path: Path) -> bytes:
    return os.urandom(_BYTES)
