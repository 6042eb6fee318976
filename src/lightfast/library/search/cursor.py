"""Where the next page of a search begins: a text that only the search it was given by takes back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence

from lightfast.base.errors import DataError

_CHECK_BYTES = 12


def write_cursor(search: Sequence[object], place: Sequence[int]) -> str:
    """A text for `place`, some whole numbers, in the search that `search` describes."""
    content = json.dumps(list(place), separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(search, content) + content).decode().rstrip("=")


def read_cursor(search: Sequence[object], cursor: str) -> tuple[int, ...]:
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


def state_mark(search: Sequence[object], pictures: int) -> int:
    """What a cursor says of how many pictures there were, so that nobody reads their number out of it."""
    return int.from_bytes(_check(search, b"%d pictures" % pictures)[:6], "big")


def _check(search: Sequence[object], content: bytes) -> bytes:
    key = hashlib.blake2b(json.dumps(list(search), default=str).encode(), digest_size=32).digest()
    return hashlib.blake2b(content, key=key, digest_size=_CHECK_BYTES).digest()
