"""Where the next page of a search begins: a text that only the search it was given by takes back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from lightfast.base.errors import DataError
from lightfast.library.library import Library
from lightfast.library.people.secret import library_secret

_CHECK_BYTES = 12


@dataclass(frozen=True)
class NamedSearch:
    """A search as its cursors know it.

    Attributes:
        secret: of the library; nobody who lacks it can write a cursor, or tell from one what is not said.
        parts: what the search is about; a cursor of another one is refused.
    """

    secret: bytes
    parts: tuple[object, ...]


def named_search(library: Library, *parts: object) -> NamedSearch:
    """The search in `library` that `parts` describe."""
    return NamedSearch(library_secret(library.folder), (library.store.name, *parts))


def write_cursor(search: NamedSearch, place: Sequence[int]) -> str:
    """A text for `place`, some whole numbers, in the search."""
    content = json.dumps(list(place), separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(search, content) + content).decode().rstrip("=")


def read_cursor(search: NamedSearch, cursor: str) -> tuple[int, ...]:
    """The place in a cursor that `write_cursor` made for the same search.

    Raises DataError for any other text.
    """
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        content = b""
    check, content = content[:_CHECK_BYTES], content[_CHECK_BYTES:]
    if not content or not hmac.compare_digest(check, _check(search, content)):
        raise DataError(
            "the cursor is none of this search", cure="Begin again without one; give it with the same search."
        )
    return tuple(json.loads(content))


def state_mark(search: NamedSearch, pictures: int) -> int:
    """What a cursor says of how many pictures there were, so that nobody reads their number out of it: to
    try numbers one would need the library's secret.
    """
    return int.from_bytes(_check(search, b"%d pictures" % pictures)[:6], "big")


def _check(search: NamedSearch, content: bytes) -> bytes:
    about = json.dumps(list(search.parts), default=str).encode()
    key = hashlib.blake2b(about, key=search.secret, digest_size=32).digest()
    return hashlib.blake2b(content, key=key, digest_size=_CHECK_BYTES).digest()
