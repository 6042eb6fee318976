"""Damage inside JPEG files: what libjpeg warns of while it reads the compressed data (by simplejpeg).

Pillow drops these warnings, and makes grey or shifted blocks of damaged data. The files are read at an eighth
of their size: the compressed data are read whole, and little else is computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image

from lightfast.data.decode.examined import Examined

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SOI, _EOI, _SOS, _DHT, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xC4, 0xE1, 0xE2, 0xEE
_BARE = (0x00, 0x01, *range(0xD0, 0xD8))
"""Second bytes of a mark that has no content."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1)
_PIXELS = _FRAMES | {_DHT, 0xCC, 0xDB, 0xDD}
"""Frame, Huffman and arithmetic tables, quantisation, restart interval: all that decides the pixels."""
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_NOT_READ_HERE = ("subsampling level", "data precision", "color conversion", "not compiled", "not supported")
"""In what simplejpeg says of whole files of rare kinds."""
_BUFFERED = 9
"""Bytes that libjpeg may have read ahead, and leaves out of the number of extraneous ones."""
_ZERO_RUN = 16
"""Bytes: 128 zero bits hold some forty equal coefficients, one after the other."""


@dataclass(frozen=True)
class _Header:
    """The segments before the compressed data: (mark, start, end) with the bytes FF and mark."""

    segments: list[tuple[int, int, int]] = field(default_factory=list)
    scan: int = 0
    junk: bool = False

    def cut(self, data: bytes, marks: frozenset[int]) -> bytes:
        """The file without the segments of all other marks."""
        kept = [data[start:end] for mark, start, end in self.segments if mark in marks]
        return b"".join((_START, *kept, data[self.scan :]))

    def frame(self, data: bytes) -> bytes:
        """The segment of the size: FF, mark, length (2), precision, height (2), width (2), planes."""
        return next(
            data[start : max(end, start + 10)] for mark, start, end in self.segments if mark in _FRAMES
        )


def examine_jpeg(data: bytes) -> Examined:
    """What libjpeg says of the compressed data; a file whose header makes no sense is left to the decoder."""
    header = _header(data)
    if header is None or _too_large(data, header):
        return Examined(data)
    end = data.find(_END, header.scan)
    complete, content = end >= 0, data[:end] if end >= 0 else data
    warning = _warning(header.cut(data, _PIXELS) + (b"" if complete else _END), header.frame(data))
    unchecked = any(words in warning for words in _NOT_READ_HERE)
    damage = "" if unchecked else _damage(warning, content, header, complete=complete)
    said = {"metadata": header.junk, "unchecked": unchecked, "no-end": not complete}
    remarks = frozenset(name for name, holds in said.items() if holds)
    if damage:
        # Of a file without an end mark the end is missing, whatever the decoder met there.
        return Examined(data, f"{'damaged' if complete else 'truncated'} ({damage})", remarks)
    return Examined(data if complete else data + _END, remarks=remarks)


def jpeg_without_metadata(data: bytes) -> Iterator[bytes]:
    """The file with EXIF, colour profile and Adobe's mark alone, then with that mark, then with none."""
    header = _header(data)
    if header is not None:
        for more in ({_APP1, _APP2, _APP14}, {_APP14}, set[int]()):
            yield header.cut(data, _PIXELS | more)


def _header(data: bytes) -> _Header | None:
    """None where there is none that leads to compressed data."""
    found, at, junk = [], 2, False
    while at + 4 <= len(data):
        start = data.find(b"\xff", at)
        mark_at = start + 1
        while data[mark_at : mark_at + 1] == b"\xff":
            mark_at += 1
        if start < 0 or mark_at + 3 > len(data):
            return None
        mark, junk = data[mark_at], junk or start > at
        if mark in _BARE:
            at = mark_at + 1
            continue
        if mark in (_SOI, _EOI):
            # A thumbnail, or the end: what stood before it was not what it said.
            return None
        at = mark_at + 1 + int.from_bytes(data[mark_at + 1 : mark_at + 3], "big")
        if mark == _SOS:
            framed = any(one in _FRAMES for one, *_ in found)
            return _Header(found, mark_at - 1, junk) if framed else None
        found.append((mark, mark_at - 1, at))
    return None


def _too_large(data: bytes, header: _Header) -> bool:
    """Whether the decoder will refuse it as a decompression bomb."""
    frame = header.frame(data)
    height, width = (int.from_bytes(frame[at : at + 2], "big") for at in (5, 7))
    limit = Image.MAX_IMAGE_PIXELS
    return limit is not None and height * width > 2 * limit


def _warning(core: bytes, frame: bytes) -> str:
    """The last warning or the error of libjpeg, or ""."""
    import simplejpeg

    colours = "CMYK" if frame[9] == 4 else "GRAY"
    try:
        simplejpeg.decode_jpeg(core, colours, min_height=1, min_width=1, min_factor=8)
    except ValueError as error:
        return str(error).removeprefix("Corrupt JPEG data: ")
    return ""


def _damage(warning: str, content: bytes, header: _Header, *, complete: bool) -> str:
    """What is wrong with the compressed data, up to their end mark where there is one; or ""."""
    drawn = content.rstrip(b"\0")
    zeros, extraneous = len(content) - len(drawn), _EXTRANEOUS.search(warning)
    if extraneous:
        count = int(extraneous[1])
        if zeros > count + _BUFFERED:
            # More than what follows the last block: they were read as blocks.
            return "zero bytes in the place of its end"
        if complete and zeros < count:
            return warning
        # All blocks are there; behind them stand zeros, as some cameras write, or anything but the end mark.
        warning = ""
    if not warning and _has_impossible_zeros(drawn, header):
        return "zero bytes among the compressed data"
    return warning


def _has_impossible_zeros(content: bytes, header: _Header) -> bool:
    """Whether a run of zero bytes stands where it would mean the same small coefficient over and over.

    That can be said of sequential files in one scan, and only where the shortest code of coefficients is not
    "the rest of the block is zero": plain areas may then be nothing but zeros.
    """
    scan, frame = header.scan, header.frame(content)
    if frame[1] not in _SEQUENTIAL or content[scan + 4] != frame[9]:
        return False
    first = dict(_first_symbols(content, header))
    used = {content[scan + 6 + 2 * number] & 15 for number in range(content[scan + 4])}
    return any(first.get(table, 0) != 0 for table in used) and content.find(bytes(_ZERO_RUN), scan) >= 0


def _first_symbols(content: bytes, header: _Header) -> Iterator[tuple[int, int]]:
    """(number, what the code of zeros alone stands for) of every Huffman table of coefficients."""
    for mark, start, end in header.segments:
        at = start + 4
        while mark == _DHT and at + 17 < end:
            kind, count = content[at], sum(content[at + 1 : at + 17])
            if kind >> 4 == 1:
                yield kind & 15, content[at + 17]
            at += 17 + count
