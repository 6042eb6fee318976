"""What a library notes of one picture file: hashes, sizes, the date in its EXIF, and a small view of it."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightfast.data.dataset import Unreadable
from lightfast.data.decode.decode import read_picture
from lightfast.data.decode.stream import or_unreadable
from lightfast.data.images import content_hash
from lightfast.library.schema import EPOCH, MICROSECOND

_DATE_TAGS = (36867, 36868, 306)
"""DateTimeOriginal, DateTimeDigitized, DateTime (EXIF 2.32)."""
_EXIF_BLOCK = 0x8769
_HASH_SIDE = 32
_READ_BYTES = 2**20
_PILLOWS = (OSError, ValueError, SyntaxError, TypeError, KeyError, Image.DecompressionBombError)


@dataclass(frozen=True, eq=False)
class FileFacts:
    """One file as it was read.

    Attributes:
        sha256: of its bytes, hex.
        size: bytes.
        modified_at: of the file, UTC.
        content: of its decoded pixels, hex; None where it is unreadable.
        perceptual_hash: see `perceptual_hash`; None where it is unreadable.
        width, height: pixels, as a person sees the picture; None where it is unreadable.
        format: "JPEG", "PNG" …; None where nobody knows.
        taken_at: the date in its EXIF, taken as UTC where it names no zone.
        unreadable: why it is no picture, or None.
        pixels: uint8 (H, W, C), or None.
    """

    sha256: str
    size: int
    modified_at: datetime
    content: str | None = None
    perceptual_hash: int | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    taken_at: datetime | None = None
    unreadable: str | None = None
    pixels: NDArray[np.uint8] | None = None


def file_facts(path: Path) -> FileFacts:
    """What is to be noted of the file; one that is no picture says why. Raises OSError where it cannot even
    be opened.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(_READ_BYTES):
            digest.update(block)
            size += len(block)
        modified = modified_at(path)
    picture = or_unreadable(read_picture, path)
    if isinstance(picture, Unreadable):
        return FileFacts(digest.hexdigest(), size, modified, unreadable=picture.reason)
    pixels = picture.pixels
    kind, taken = _said_by_header(path)
    return FileFacts(
        digest.hexdigest(),
        size,
        modified,
        content=content_hash(pixels),
        perceptual_hash=perceptual_hash(pixels),
        width=pixels.shape[1],
        height=pixels.shape[0],
        format=kind,
        taken_at=taken,
        pixels=pixels,
    )


def modified_at(path: Path) -> datetime:
    """When the file was last written, UTC, to the microsecond."""
    return EPOCH + path.stat().st_mtime_ns // 1_000 * MICROSECOND


def perceptual_hash(pixels: NDArray[np.uint8]) -> int:
    """uint8 (H, W, C) → 64 bits as a signed number: signs of the 8 × 8 lowest frequencies against their
    median, of the picture in grey at 32 × 32 (pHash: Zauner 2010, section 3.2.1).
    """
    grey = pixels[..., 0] if pixels.shape[2] == 1 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    bits = np.packbits(low > np.median(low[1:]))
    return int(bits.view(">i8")[0])


def _said_by_header(path: Path) -> tuple[str | None, datetime | None]:
    try:
        with Image.open(path) as image:
            exif = image.getexif()
            said = {**exif, **exif.get_ifd(_EXIF_BLOCK)}
            return image.format, next(filter(None, (_date(said.get(tag)) for tag in _DATE_TAGS)), None)
    # Pillow knows fewer kinds than are read here, and stumbles over odd metadata: both are no matter here.
    except (*_PILLOWS, struct.error):
        return None, None


def _date(text: object) -> datetime | None:
    try:
        return datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
