"""Damage inside PNG files: every chunk carries a checksum. What is wrong beside the pixels is left aside."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from lightfast.data.decode.examined import Examined

_MARK = b"\x89PNG\r\n\x1a\n"
_ANIMATION = frozenset((b"acTL", b"fcTL", b"fdAT"))
_PIXELS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT"))
_DRAWN = _PIXELS | _ANIMATION
_SEEN = frozenset((b"iCCP", b"eXIf"))
"""What changes how a picture is seen."""
_END = b"\0\0\0\0IEND\xaeB`\x82"


class _Chunk(NamedTuple):
    name: bytes
    data: bytes
    """With length, name and checksum."""
    right: bool
    """Whether its checksum is."""


def examine(data: bytes) -> Examined:
    """The file without those chunks beside the pixels whose checksum is wrong; one of pixels is damage."""
    chunks = list(_chunks(data))
    wrong = {one.name for one in chunks if not one.right}
    remarks = {"metadata"} if wrong - _DRAWN - {b"IEND"} else set[str]()
    if wrong & _DRAWN:
        name = next(one.name for one in chunks if one.name in wrong & _DRAWN)
        return Examined(data, f"damaged (wrong checksum of {name.decode()})", frozenset(remarks))
    names, rest = {one.name for one in chunks}, len(_MARK) + sum(len(one.data) for one in chunks)
    if b"IEND" not in names - wrong:
        remarks.add("no-end")
        if b"IDAT" not in names or data[rest + 4 : rest + 8] in _DRAWN:
            # Cut off inside the pixels: the decoder says whether it misses any.
            return Examined(data, remarks=frozenset(remarks))
    if not remarks:
        return Examined(data)
    kept = (one.data for one in chunks if one.right and one.name != b"IEND")
    return Examined(b"".join((_MARK, *kept, _END)), remarks=frozenset(remarks))


def without_metadata(data: bytes) -> Iterator[bytes]:
    """The file with pixels, frames, profile and EXIF alone, then with the pixels of the first frame."""
    chunks = [one for one in _chunks(data) if one.name != b"IEND"]
    if _PIXELS & {one.name for one in chunks}:
        for names in (_DRAWN | _SEEN, _PIXELS):
            yield b"".join((_MARK, *(one.data for one in chunks if one.name in names), _END))


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Every whole chunk up to IEND, the end, or bytes that are no chunk."""
    at = len(_MARK)
    while at + 12 <= len(data):
        end, name = at + 12 + int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if end > len(data) or not (name.isalpha() and name.isascii()):
            return
        right = zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
        yield _Chunk(name, data[at:end], right)
        if name == b"IEND":
            return
        at = end
