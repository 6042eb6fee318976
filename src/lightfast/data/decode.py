"""One picture file to one uint8 array, with a plain reason when it cannot be read (Pillow)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from lightfast.base.errors import DataError

_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_DEEP = ("I", "F")


class UnreadablePicture(DataError):
    """One file that is not a whole picture. `path` names it, `reason` says why in a few words."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"cannot read {path}: {reason}", cure="Replace the file or leave it out.")
        self.path = str(path)
        self.reason = reason


def decode_file(path: str | Path, image_size: tuple[int, int] | None = None, channels: int | None = None) -> NDArray[np.uint8]:
    """The picture in `path` as uint8 (H, W, C), 0..255, C = 1 or 3, as a person sees it.

    EXIF orientation is applied; transparency is laid over white; palettes, CMYK and other colour spaces become RGB;
    16-bit grey is scaled to 8; of an animation the first frame is taken. With `image_size` (H, W) the shorter side is scaled and the
    centre cropped (bilinear, antialiased). Without `channels`, grey files give C = 1 and all others C = 3.

    Raises UnreadablePicture: no such file, permission denied, empty, truncated, not a picture, or a decompression bomb.
    """
    with _opened(Path(path)) as image:
        try:
            if image_size is not None:
                # JPEG can decode straight to a fraction of its size; twice the wanted side is left for the antialiasing.
                side = 2 * max(image_size)
                image.draft(None, (side, side))
            upright = ImageOps.exif_transpose(image)
            return _array(_plain(upright), image_size, channels)
        # Damaged files raise almost anything inside the decoders; each of them is handed on by name, none is swallowed.
        except Exception as error:
            raise UnreadablePicture(path, _reason(error)) from error


def probe(path: str | Path) -> tuple[int, int, int]:
    """(H, W, C) that `decode_file` would give without a wanted size, from the file's header alone."""
    with _opened(Path(path)) as image:
        try:
            width, height = image.size
            if image.getexif().get(_ORIENTATION) in _SIDEWAYS:
                width, height = height, width
            return height, width, 1 if _is_grey(image) else 3
        except Exception as error:
            raise UnreadablePicture(path, _reason(error)) from error


def fit(images: NDArray[np.uint8], image_size: tuple[int, int] | None, channels: int | None) -> NDArray[np.uint8]:
    """A batch uint8 (N, H, W, C) at another size and channel count, as `decode_file` does it; the same array if nothing changes."""
    size = image_size or (images.shape[1], images.shape[2])
    wanted = (*size, channels or images.shape[3])
    if images.shape[1:] == wanted:
        return images
    fitted = np.empty((len(images), *wanted), dtype=np.uint8)
    for row, image in enumerate(images):
        fitted[row] = _array(Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image), image_size, channels)
    return fitted


def _opened(path: Path) -> Image.Image:
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise UnreadablePicture(path, "empty file")
        return Image.open(path)
    except UnreadablePicture:
        raise
    # See decode_file: header readers raise as many kinds of errors as the decoders do.
    except Exception as error:
        raise UnreadablePicture(path, _reason(error)) from error


def _reason(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "no such file"
        case PermissionError():
            return "permission denied"
        case IsADirectoryError():
            return "it is a folder"
        case UnidentifiedImageError():
            return "not a picture (no known picture format)"
        case Image.DecompressionBombError():
            return "too many pixels (a decompression bomb?)"
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"truncated ({text})"
    return f"damaged ({text})"


def _is_grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L", "LA", "La", *_DEEP) or image.mode.startswith("I;")


def _plain(image: Image.Image) -> Image.Image:
    """The picture in mode L or RGB."""
    if image.mode in _DEEP or image.mode.startswith("I;"):
        return Image.fromarray(_eight_bits(np.asarray(image)))
    see_through = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if not see_through:
        return image.convert("L" if _is_grey(image) else "RGB")
    layers = image.convert("RGBA")
    paper = Image.new("RGBA", layers.size, "white")
    return Image.alpha_composite(paper, layers).convert("L" if _is_grey(image) else "RGB")


def _eight_bits(deep: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey of more than 8 bits to uint8: 0..1 floats, 0..255, or 0..65535, told apart by kind and largest value."""
    values = deep.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("NaN or infinity among the pixels")
    top = float(values.max(initial=0.0))
    if deep.dtype.kind == "u" and deep.dtype.itemsize == 2:
        scale = 1 / 257
    elif deep.dtype.kind == "f" and top <= 1.0:
        scale = 255.0
    else:
        scale = 1.0 if top <= 255 else 255 / max(top, 65535.0)
    return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)


def _array(image: Image.Image, image_size: tuple[int, int] | None, channels: int | None) -> NDArray[np.uint8]:
    if channels is not None:
        image = image.convert("L" if channels == 1 else "RGB")
    if image_size is not None and image.size != image_size[::-1]:
        image = _fitted(image, *image_size)
    array = np.array(image, dtype=np.uint8)
    return array[..., None] if array.ndim == 2 else array


def _fitted(image: Image.Image, height: int, width: int) -> Image.Image:
    scale = max(height / image.height, width / image.width)
    crop_width, crop_height = width / scale, height / scale
    left, top = (image.width - crop_width) / 2, (image.height - crop_height) / 2
    # Rounding may put the far edge a hair outside, which Pillow refuses.
    box = (max(left, 0.0), max(top, 0.0), min(left + crop_width, image.width), min(top + crop_height, image.height))
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box)
