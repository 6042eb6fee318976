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


def examine_png(data: bytes) -> Examined:
    """The file without those chunks beside the pixels whose checksum is wrong; one of pixels is damage."""
    chunks = list(_chunks(data))
    right, wrong = ([one.name for one in chunks if one.right is kind] for kind in (True, False))
    lost = [name.decode() for name in wrong if name in _DRAWN]
    remarks = {"metadata"} if set(wrong) - _DRAWN - {b"IEND"} else set[str]()
    if lost:
        return Examined(data, f"damaged (wrong checksum of {lost[0]})", frozenset(remarks))
    if b"IEND" not in right:
        remarks.add("no-end")
    if not remarks or (b"IEND" not in right and _is_cut_off(data, chunks)):
        return Examined(data, remarks=frozenset(remarks))
    kept = (one.data for one in chunks if one.right and one.name != b"IEND")
    return Examined(b"".join((_MARK, *kept, _END)), remarks=frozenset(remarks))


def _is_cut_off(data: bytes, chunks: list[_Chunk]) -> bool:
    """Whether the file stops before or inside the chunks of its pixels: the decoder
    says whether it misses any.
    """
    rest = len(_MARK) + sum(len(one.data) for one in chunks)
    return data[rest + 4 : rest + 8] in _DRAWN or all(one.name != b"IDAT" for one in chunks)


def png_without_metadata(data: bytes) -> Iterator[bytes]:
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
