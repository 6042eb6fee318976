"""Kinds of TIFF that Pillow reads wrongly or not at all: deep planes one behind the other, signed and
floating numbers, more than 16 bits (tifffile).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from lightfast.data.decode.colour import grey_to_uint8
from lightfast.data.decode.unreadable import InMemoryFile, UnreadablePicture

TIFF_CURE = "pip install 'lightfast[tiff]'"
_BITS, _COMPRESSION, _SAMPLES, _PLANAR, _FORMAT = 258, 259, 277, 284, 339
_ORIENTATION, _PROFILE = 274, 34675
_GREY, _RGB = (0, 1), 2
_PREMULTIPLIED, _ALPHA = 1, 2
_MODES = {(1, None): "L", (1, _ALPHA): "LA", (1, _PREMULTIPLIED): "La"}
_MODES |= {(3, None): "RGB", (3, _ALPHA): "RGBA", (3, _PREMULTIPLIED): "RGBa"}


_RIGHT = ((16, 2), (32, 2), (32, 3))
"""(bits, kind of number: 2 signed, 3 floating) of grey that Pillow reads rightly."""


def is_rare(image: Image.Image) -> bool:
    """Whether Pillow reads this opened TIFF wrongly (found by comparing kind by kind with tifffile)."""
    tags: Any = getattr(image, "tag_v2", {})
    bits, kinds = max(tags.get(_BITS, (1,))), set(tags.get(_FORMAT, (1,)))
    samples, plain = tags.get(_SAMPLES, 1), tags.get(_COMPRESSION, 1) == 1
    if tags.get(_PLANAR, 1) == 2 and samples > 1 and (samples == 2 or (bits > 8 and plain)):
        return True
    if bits > 16 or kinds != {1}:
        # Grey of signed or floating numbers: what is compressed comes with its bytes in the file's own order.
        right = samples == 1 and (bits, *kinds) in _RIGHT
        return not right or (not plain and tags.prefix == b"MM")
    return False


def load_rare(source: Path | InMemoryFile) -> Image.Image:
    """The first page at 8 bits in mode L, LA, La, RGB, RGBA or RGBa, with its profile and its orientation.

    Raises UnreadablePicture for a kind that is not read, and whatever tifffile raises on a damaged file.
    """
    with _page(source) as page:
        planes, alpha = _kind(page, source)
        values = np.asarray(page.asarray())
        # Grey has no axis of samples; separate planes come first.
        values = values[..., None] if values.ndim == 2 else values
        values = np.moveaxis(values, 0, -1) if page.axes == "SYX" else values
        pixels = grey_to_uint8(values[..., :planes], _white(page, values.dtype))
        if page.photometric == 0:
            pixels = 255 - pixels
        if alpha:
            full = _white(page, values.dtype) or (
                1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
            )
            pixels = np.concatenate((pixels, grey_to_uint8(values[..., planes:], full)), axis=-1)
        image = Image.frombytes(_MODES[planes, alpha], pixels.shape[1::-1], pixels.tobytes())
        profile = page.tags.get(_PROFILE)
        if profile is not None:
            image.info["icc_profile"] = bytes(profile.value)
        turned = page.tags.get(_ORIENTATION)
        image.getexif()[_ORIENTATION] = 1 if turned is None else int(turned.value)
        return image


def rare_shape(source: Path | InMemoryFile) -> tuple[tuple[int, int, int], int, bool]:
    """((H, W, C) as stored, orientation, whether more pages follow); raises as `load_rare` does."""
    with _page(source) as page:
        planes, _ = _kind(page, source)
        turned = page.tags.get(_ORIENTATION)
        shape = (page.imagelength, page.imagewidth, planes)
        return shape, 1 if turned is None else int(turned.value), len(page.parent.pages) > 1


@contextmanager
def _page(source: Path | InMemoryFile) -> Iterator[Any]:
    import tifffile

    # What it logs is of tags that it does not know; without a handler Python would write it on the terminal.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    try:
        with source.open("rb") as stream:
            try:
                page = tifffile.TiffFile(stream).pages.first
            except Exception as error:
                raise UnidentifiedImageError from error
            yield page
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise UnreadablePicture(source, f"this kind of TIFF needs imagecodecs ({TIFF_CURE})") from error


def _kind(page: Any, source: Path | InMemoryFile) -> tuple[int, int | None]:
    """(1 or 3 planes of colour, the kind of transparency or None)."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and page.imagelength * page.imagewidth > 2 * limit:
        raise Image.DecompressionBombError
    planes = 1 if page.photometric in _GREY else 3 if page.photometric == _RGB else 0
    extra = tuple(map(int, page.extrasamples))
    alpha = extra[0] if extra else None
    known = planes and page.samplesperpixel == planes + len(extra) and (planes, alpha) in _MODES
    if not known or len(extra) > 1 or page.axes not in ("YX", "YXS", "SYX") or _number(page) not in "uif":
        meaning = getattr(page.photometric, "name", page.photometric)
        what = f"{page.samplesperpixel} planes of {page.bitspersample} bits, {meaning}"
        raise UnreadablePicture(source, f"a kind of TIFF that is not read ({what})")
    _require_whole(page)
    return planes, alpha


def _require_whole(page: Any) -> None:
    """Raise EOFError where the file lacks pixels that it announces (tifffile makes them black)."""
    ends = [at + size for at, size in zip(page.dataoffsets, page.databytecounts, strict=True)]
    plain = page.compression == 1 and page.bitspersample % 8 == 0
    if max(ends, default=0) > page.parent.filehandle.size or (
        plain and sum(page.databytecounts) < page.nbytes
    ):
        raise EOFError("its pixels end early")


def _number(page: Any) -> str:
    """Letter of NumPy for the kind of number; "?" for one that it has not."""
    return "?" if page.dtype is None else np.dtype(page.dtype).kind


def _white(page: Any, kind: np.dtype[Any]) -> int | None:
    """The value of white for up to 16 bits; None = 32 bits and floats, told by the largest value."""
    if kind.kind == "f" or page.bitspersample > 16:
        return None
    return 2 ** (page.bitspersample - (kind.kind == "i")) - 1
