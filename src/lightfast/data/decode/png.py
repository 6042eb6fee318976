"""Damage inside PNG files: every chunk carries a checksum. What is wrong beside the pixels is left aside."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Set
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
    right, wrong = ({one.name for one in chunks if one.right is kind} for kind in (True, False))
    lost = sorted(filter(_is_drawn, wrong))
    if lost:
        return Examined(data, f"damaged (wrong checksum of {lost[0].decode()})")
    said = {"metadata": wrong - {b"IEND"}, "no-end": {b"IEND"} - right}
    remarks = frozenset(name for name, chunks_of_it in said.items() if chunks_of_it)
    if not remarks or ("no-end" in remarks and _is_cut_off(data, chunks)):
        return Examined(data, remarks=remarks)
    return Examined(_file(chunks, right - {b"IEND"}), remarks=remarks)


def _is_drawn(name: bytes) -> bool:
    """Whether pixels come of a chunk; an unknown one that says so by a capital has a damaged name."""
    return name in _DRAWN or (name[:1].isupper() and name != b"IEND")


def _file(chunks: list[_Chunk], names: Set[bytes]) -> bytes:
    """A file of the chunks of these names that are right, and the end."""
    return b"".join((_MARK, *(one.data for one in chunks if one.right and one.name in names), _END))


def _is_cut_off(data: bytes, chunks: list[_Chunk]) -> bool:
    """Whether the file stops before or inside its pixels: the decoder says whether it misses any."""
    rest = len(_MARK) + sum(len(one.data) for one in chunks)
    return data[rest + 4 : rest + 8] in _DRAWN or all(one.name != b"IDAT" for one in chunks)


def png_without_metadata(data: bytes) -> Iterator[bytes]:
    """The file with pixels, frames, profile and EXIF alone, then with the pixels of the first frame."""
    chunks = list(_chunks(data))
    yield _file(chunks, _DRAWN | _SEEN)
    yield _file(chunks, _PIXELS)


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
