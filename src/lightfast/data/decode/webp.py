"""Damage inside WebP files, which carry no checksum: a whole picture needs its data to the last bytes.

Damaged data decode to other symbols: the decoder is done before their end, or meets the end too early. The
second it says itself (libwebp, by Pillow); for the first the last bytes are taken away: a decoder that does
not miss them has not read what was written.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from lightfast.data.decode.examined import Examined

_FRAME, _ALPHA, _PIXELS = b"ANMF", b"ALPH", (b"VP8 ", b"VP8L")
_METADATA = (b"EXIF", b"XMP ", b"ICCP")
_FLAGS = {b"EXIF": 8, b"XMP ": 4, b"ICCP": 32}
_HAS_ALPHA = 16
_CUTS = {b"VP8 ": (4, 5, 6), b"VP8L": (9, 10), _ALPHA: (9, 10)}
"""Bytes taken away from the end, in turn: a whole picture misses one of them. Lossy: encoders fill up one or
two bytes, and a last block without its own bytes may by chance be read as a shorter one. Lossless: the last
symbol, of at most 60 bits, may be cut off unseen.
"""
Chunk = tuple[bytes, bytes]


def examine_webp(data: bytes) -> Examined:
    """Every frame of the file; what is cut off or cannot be decoded at all is left to the decoder."""
    chunks = list(_chunks(data))
    moving = [content for name, content in chunks if name == _FRAME]
    if not moving:
        found = _left_over(_still(chunks))
        return Examined(data, f"damaged ({found})" if found else "")
    if _size(chunks) + 1 < int.from_bytes(data[4:8], "little"):
        return Examined(data, "damaged (the animation ends early)")
    for number, content in enumerate(moving, start=1):
        frame = _still(list(_chunks(content, 16)), content[6:12])
        # The first frame is decoded anyway.
        lost = number > 1 and not _decodes(frame)
        found = "it cannot be decoded" if lost else _left_over(frame)
        if found:
            return Examined(data, f"damaged (frame {number} of {len(moving)}: {found})")
    return Examined(data)


def webp_without_metadata(data: bytes) -> Iterator[bytes]:
    """The file without EXIF and XMP, then without its colour profile too."""
    chunks = list(_chunks(data))
    for left_out in (_METADATA[:2], _METADATA):
        kept = [one for one in chunks if one[0] not in left_out]
        if any(name in (*_PIXELS, _FRAME) for name, _ in kept):
            yield _riff([_without_flags(one, left_out) for one in kept])


def _chunks(data: bytes, at: int = 12) -> Iterator[Chunk]:
    """(name, content) of every whole chunk."""
    while at + 8 <= len(data):
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if end > len(data):
            return
        yield data[at : at + 4], data[at + 8 : end]
        at = end + end % 2


def _size(chunks: list[Chunk]) -> int:
    """The size of a file of these chunks as RIFF counts it."""
    return 4 + sum(8 + len(content) + len(content) % 2 for _, content in chunks)


def _still(chunks: list[Chunk], sides: bytes = b"") -> list[Chunk]:
    """The chunks of one picture, those of a frame as a file of its own with its coded `sides`."""
    picture = [one for one in chunks if one[0] in (_ALPHA, *_PIXELS)]
    if not any(name == _ALPHA for name, _ in picture):
        return picture
    given = sides or next((content[4:10] for name, content in chunks if name == b"VP8X"), b"")
    return [(b"VP8X", bytes([_HAS_ALPHA, 0, 0, 0]) + given), *picture]


def _left_over(frame: list[Chunk]) -> str:
    """Whether the last bytes of the pixels, or of the transparency, are not needed: that, or ""."""
    for number, (name, content) in enumerate(frame):
        # Transparency that is not compressed has no end of its own.
        if name in _PIXELS or (name == _ALPHA and content[:1] and content[0] & 3):
            before, behind = ([], []) if name in _PIXELS else (frame[:number], frame[number + 1 :])
            needed, cuts = content.rstrip(b"\0"), _CUTS[name]
            if all(_decodes([*before, (name, needed[:-cut]), *behind]) for cut in cuts):
                return "compressed data are left over behind the last pixel"
    return ""


def _decodes(frame: list[Chunk]) -> bool:
    try:
        with Image.open(BytesIO(_riff(frame)), formats=["WEBP"]) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, RuntimeError, Image.DecompressionBombError):
        return False
    return True


def _riff(chunks: list[Chunk]) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _without_flags(chunk: Chunk, left_out: tuple[bytes, ...]) -> Chunk:
    name, content = chunk
    if name != b"VP8X" or not content:
        return chunk
    return name, bytes([content[0] & ~sum(_FLAGS[one] for one in left_out)]) + content[1:]
