"""One picture file to one uint8 array, with a plain reason when it cannot be read
(Pillow; rare kinds of TIFF by tifffile).
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from lightfast.data.decode import jpeg, png, tiff, webp
from lightfast.data.decode.colour import is_grey, to_mode, to_srgb
from lightfast.data.decode.examined import DamageChoice, Examined
from lightfast.data.decode.unreadable import (
    InMemoryFile,
    UnreadablePicture,
    file_format,
    is_heic,
    require_file,
    unreadable_reason,
)

DECODER = 2
"""Counts the changes of this module and of `colour` after which the same file gives other pixels:
kept pictures are then decoded again.
"""

_ORIENTATION, _TIFF_WIDTH, _TIFF_HEIGHT = 0x0112, 256, 257
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_FORMATS = (
    "JPEG MPO PNG WEBP GIF TIFF BMP DIB AVIF HEIF JPEG2000 PPM ICO PSD PCX SGI QOI DDS ICNS XBM".split()
)
"""What is read, whatever the file is called. Not EPS, which would start Ghostscript."""
_HELD_BYTES = 2**26
"""Files up to this size are read in one go, larger ones piece by piece."""
_GAP = 3.0
"""What shrinks by twice this or more is averaged by whole steps first:
as good as antialiasing from every pixel, and faster.
"""
_ANIMATED, _PAGED = ("GIF", "PNG", "WEBP", "AVIF"), ("TIFF", "HEIF")
_ODD_METADATA = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
)
"""What Pillow's readers of metadata raise on bytes that are none."""
_EXAMINE: dict[str, Callable[[bytes], Examined]] = {
    "JPEG": jpeg.examine_jpeg,
    "PNG": png.examine_png,
    "WebP": webp.examine_webp,
}
_WITHOUT_METADATA: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "JPEG": jpeg.jpeg_without_metadata,
    "PNG": png.png_without_metadata,
    "WebP": webp.webp_without_metadata,
}
_T = TypeVar("_T")


@dataclass(frozen=True)
class Header:
    """What a file says of itself: the (H, W, C) that `decode_file` gives without a wanted size,
    and whether more frames or pages follow.
    """

    shape: tuple[int, int, int]
    more: Literal["", "animation", "pages"] = ""


@dataclass(frozen=True, eq=False)
class ReadPicture:
    """A decoded file: pixels uint8 (H, W, C), C = 1 or 3, and keys of `REMARKS` that hold for it."""

    pixels: NDArray[np.uint8]
    remarks: frozenset[str] = frozenset()


def decode_file(
    path: str | Path,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    damaged: DamageChoice = "refuse",
) -> NDArray[np.uint8]:
    """The picture in `path` as uint8 (H, W, C), 0..255, C = 1 or 3, as a person sees it.

    EXIF orientation is applied, once; colour profiles lead to sRGB; transparency is laid over white;
    palettes, CMYK and other colour spaces become RGB; 16-bit pictures are scaled to 8; of an animation the
    first frame is taken. With `image_size` (H, W) the shorter side is scaled and the centre cropped
    (bilinear, antialiased). Without `channels`, grey files give C = 1 and all others C = 3. Damaged metadata
    are left aside; with `damaged` "read" damaged pixels are read as far as they go.

    Raises UnreadablePicture: no such file, permission denied, empty, truncated, damaged, not a picture, a
    decompression bomb, or no file at all.
    """
    return read_picture(path, image_size, channels, damaged).pixels


def read_picture(
    path: str | Path,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    damaged: DamageChoice = "refuse",
) -> ReadPicture:
    """What `decode_file` gives, with what is to be said of the file."""
    path = Path(path)
    return _decoded(_content(path), image_size, channels, damaged)


def decode_bytes(
    data: bytes,
    name: str = "picture",
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    damaged: DamageChoice = "refuse",
) -> NDArray[np.uint8]:
    """What `decode_file` gives for a file of these bytes, to the byte;
    `name` is what an UnreadablePicture calls it.
    """
    return _decoded(InMemoryFile(name, data), image_size, channels, damaged).pixels


def _content(path: Path) -> Path | InMemoryFile:
    require_file(path)
    try:
        return path if path.stat().st_size > _HELD_BYTES else InMemoryFile(str(path), path.read_bytes())
    except OSError as error:
        raise UnreadablePicture(path, unreadable_reason(error, path)) from error


def _decoded(
    source: Path | InMemoryFile,
    image_size: tuple[int, int] | None,
    channels: int | None,
    damaged: DamageChoice,
) -> ReadPicture:
    examine = _EXAMINE.get(file_format(source))
    if examine is None:
        return ReadPicture(_pixels(source, image_size, channels))
    found = examine(source.read_bytes())
    if found.damage and (damaged == "refuse" or found.damage.startswith("truncated")):
        raise UnreadablePicture(source, found.damage)
    held = InMemoryFile(str(source), found.data)
    pixels, metadata = _with_less(held, lambda one: _pixels(one, image_size, channels))
    remarks = found.remarks | ({"damaged"} if found.damage else set()) | ({"metadata"} if metadata else set())
    return ReadPicture(pixels, remarks)


def _with_less(source: Path | InMemoryFile, work: Callable[[Path | InMemoryFile], _T]) -> tuple[_T, bool]:
    """(`work` on a file, whether it needed the file without its metadata).

    Raises UnreadablePicture as the whole file did when no such file helps.
    """
    try:
        return work(source), False
    except UnreadablePicture as error:
        strip = _WITHOUT_METADATA.get(file_format(source))
        if strip is None:
            raise
        for data in strip(source.read_bytes()):
            try:
                return work(InMemoryFile(str(source), data)), True
            except UnreadablePicture:
                continue
        raise error


def _pixels(
    source: Path | InMemoryFile, image_size: tuple[int, int] | None, channels: int | None
) -> NDArray[np.uint8]:
    if _is_rare_tiff(source):
        return _of_rare_tiff(source, lambda: _array(_upright(tiff.load_rare(source)), image_size, channels))
    with _opened(source) as image:
        try:
            if image.format == "TIFF":
                # Pillow maps uncompressed files into memory where it knows their name, at the wrong width
                # when they lie on their side.
                image.filename = ""
            if image_size is not None:
                # JPEG can decode straight to a fraction of its size; twice the wanted side is left for the
                # antialiasing.
                side = 2 * max(image_size)
                image.draft(None, (side, side))
            image.load()
            return _array(_upright(image), image_size, channels)
        # Damaged files raise almost anything inside the decoders; each of them is handed on by name, none is
        # swallowed.
        except Exception as error:
            raise UnreadablePicture(source, unreadable_reason(error, source)) from error


def _upright(image: Image.Image) -> Image.Image:
    """A loaded picture in sRGB as a person sees it.

    Its orientation is asked after loading: Pillow's loader turns TIFFs and then takes the tag away.
    """
    turn = _TURNS.get(_orientation(image))
    return to_srgb(image) if turn is None else to_srgb(image).transpose(turn)


def _is_rare_tiff(source: Path | InMemoryFile) -> bool:
    """Whether it is for tifffile: Pillow would read it wrongly, or cannot open it at all."""
    if file_format(source) != "TIFF":
        return False
    try:
        with _opened(source) as image:
            return image.format == "TIFF" and tiff.is_rare(image)
    except UnreadablePicture:
        return True


def _of_rare_tiff(source: Path | InMemoryFile, work: Callable[[], _T]) -> _T:
    try:
        return work()
    except UnreadablePicture:
        raise
    # See _pixels.
    except Exception as error:
        raise UnreadablePicture(source, unreadable_reason(error, source)) from error


def load_header(path: str | Path) -> Header:
    """What the first bytes of `path` say of its picture; raises UnreadablePicture as `decode_file` does,
    as far as they tell.
    """
    path = Path(path)
    require_file(path)
    return _with_less(path, _header)[0]


def _header(source: Path | InMemoryFile) -> Header:
    if _is_rare_tiff(source):
        (height, width, planes), turn, more = _of_rare_tiff(source, lambda: tiff.rare_shape(source))
        sides = (width, height) if turn in _SIDEWAYS else (height, width)
        return Header((*sides, planes), "pages" if more else "")
    with _opened(source) as image:
        try:
            width, height = _written_size(image)
            if _orientation(image) in _SIDEWAYS:
                width, height = height, width
            return Header((height, width, 1 if is_grey(image) else 3), _more(image))
        except Exception as error:
            raise UnreadablePicture(source, unreadable_reason(error, source)) from error


def resize_batch(
    images: NDArray[np.uint8], image_size: tuple[int, int] | None, channels: int | None
) -> NDArray[np.uint8]:
    """A batch uint8 (N, H, W, C) at another size and channel count, as `decode_file` does it;
    the same array if nothing changes.
    """
    size = image_size or (images.shape[1], images.shape[2])
    wanted = (*size, channels or images.shape[3])
    if images.shape[1:] == wanted:
        return images
    fitted = np.empty((len(images), *wanted), dtype=np.uint8)
    for row, image in enumerate(images):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        fitted[row] = _array(picture, image_size, channels)
    return fitted


def _opened(source: Path | InMemoryFile) -> ImageFile.ImageFile:
    if isinstance(source, Path):
        require_file(source)
    elif not source.data:
        raise UnreadablePicture(source, "empty file")
    try:
        image = _identified(source)
        if min(image.size) < 1:
            image.close()
            raise ValueError(f"its header says {image.width} x {image.height} pixels")
        return image
    # See decode_file: header readers raise as many kinds of errors as the decoders do.
    except Exception as error:
        raise UnreadablePicture(source, unreadable_reason(error, source)) from error


def _identified(source: Path | InMemoryFile) -> ImageFile.ImageFile:
    Image.init()
    known = [name for name in _FORMATS if name in Image.OPEN]
    if source.suffix.lower() == ".tga":
        # Targa files have no mark at their start: only the name tells them from any other bytes.
        known.append("TGA")
    try:
        return Image.open(_readable(source), formats=known)
    except UnidentifiedImageError:
        if not is_heic(source) or not _read_heic():
            raise
        return Image.open(_readable(source), formats=["HEIF"])


def _readable(source: Path | InMemoryFile) -> Path | BytesIO:
    return source.open() if isinstance(source, InMemoryFile) else source


def _read_heic() -> bool:
    """Teach Pillow HEIC where pillow-heif is installed; whether it is."""
    try:
        plugin = importlib.import_module("pillow_heif")
    except ImportError:
        return False
    plugin.register_heif_opener()
    return True


def _orientation(image: Image.Image) -> int:
    """1..8 as EXIF counts them; 1 where the metadata are damaged or say nothing of use."""
    try:
        value = image.getexif().get(_ORIENTATION)
    except _ODD_METADATA:
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def _written_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) as stored.

    Newer versions of Pillow give the turned size of a TIFF, older ones the stored one: its tags are sure.
    """
    tags = getattr(image, "tag_v2", None) if image.format == "TIFF" else None
    return (tags[_TIFF_WIDTH], tags[_TIFF_HEIGHT]) if tags else image.size


def _more(image: Image.Image) -> Literal["", "animation", "pages"]:
    try:
        several = bool(getattr(image, "is_animated", False))
    except _ODD_METADATA:
        # What follows the first frame is damaged; that one is all that is read.
        several = True
    if not several:
        return ""
    return "animation" if image.format in _ANIMATED else "pages" if image.format in _PAGED else ""


def _array(image: Image.Image, image_size: tuple[int, int] | None, channels: int | None) -> NDArray[np.uint8]:
    if channels is not None:
        image = to_mode(image, "L" if channels == 1 else "RGB")
    if image_size is not None and image.size != image_size[::-1]:
        image = _fitted(image, *image_size)
    array = np.array(image, dtype=np.uint8)
    return array[..., None] if array.ndim == 2 else array


def _fitted(image: Image.Image, height: int, width: int) -> Image.Image:
    scale = max(height / image.height, width / image.width)
    crop_width, crop_height = width / scale, height / scale
    left, top = (image.width - crop_width) / 2, (image.height - crop_height) / 2
    # Rounding may put the far edge a hair outside, which Pillow refuses.
    right, bottom = min(left + crop_width, image.width), min(top + crop_height, image.height)
    box = max(left, 0.0), max(top, 0.0), right, bottom
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=_GAP)
