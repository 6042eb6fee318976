"""A secret of a library, by which what it gives to clients is known again as its own."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from lightfast.base.errors import StorageError
from lightfast.base.files import atomic

SECRET_FILE = "secret"
"""In the library's folder, for its owner's eyes alone. All processes on it share the one; a library that was
restored elsewhere makes another, and what was given before is refused.
"""
_BYTES = 32


_HELD: dict[Path, bytes] = {}
"""Folder → the secret of this process, where the folder keeps none."""


def library_secret(folder: Path) -> bytes:
    """32 random bytes of the library in `folder`, made when they are first asked for. Where they can be
    neither read nor made there are some for as long as the process lives, see `hold_secret`.
    """
    path = folder / SECRET_FILE
    # A file that cannot be read is another user's: it is not written over.
    with suppress(OSError, StorageError):
        found = _read(path)
        if found is None:
            _make(path)
            found = _read(path)
        if found is not None:
            return found
    return _HELD.setdefault(folder, secrets.token_bytes(_BYTES))


def hold_secret(folder: Path, secret: bytes) -> None:
    """Take the secret of another process for a library in whose folder none can be kept."""
    _HELD[folder] = secret


def _read(path: Path) -> bytes | None:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return None
    # A file that was cut short would be no secret.
    return found if len(found) == _BYTES else None


def _make(path: Path) -> None:
    """Of two processes that come at once the last one's stays; what the other has signed by then is lost."""
    with atomic(path, mode=0o600) as temporary:
        temporary.write_bytes(secrets.token_bytes(_BYTES))
