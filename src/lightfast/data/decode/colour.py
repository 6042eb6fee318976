"""Every kind of pixel to 8-bit grey or sRGB: colour profiles, CMYK, Lab, palettes, transparency over white,
more than 8 bits.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms

_DEEP = ("I", "F")
_SIXTEEN_BITS = 65535
_OVERSHOOT, _UNDERSHOOT = 2.0, 0.05
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_FORMAT, _SIGNED = 258, 262, 339, 2


def is_grey(image: Image.Image) -> bool:
    """Whether the picture has no colours of its own; palettes count as coloured."""
    return image.mode in ("1", "L", "LA", "La") or _is_deep(image)


def to_srgb(image: Image.Image) -> Image.Image:
    """The picture in mode L or RGB, in the colours of sRGB, its transparent parts over white.

    A colour profile that is broken, or made for another kind of pixels, is left aside.
    """
    profile = image.info.get("icc_profile")
    if _is_deep(image):
        return _managed(_shallow(image), profile)
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _from_lab()) or image
    if image.mode == "CMYK":
        return _managed(_inks(image), profile)
    mode = "L" if is_grey(image) else "RGB"
    if not image.has_transparency_data:
        return _managed(to_mode(image, mode), profile)
    # Pillow knows no way from premultiplied grey to anything but grey with alpha.
    layers = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    colours = _managed(layers.convert(mode), profile).convert("RGBA")
    colours.putalpha(layers.getchannel("A"))
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), colours).convert(mode)


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """The picture in `mode`: itself where it is so already (Pillow would copy it)."""
    return image if image.mode == mode else image.convert(mode)


def grey_to_uint8(deep: NDArray[np.generic], white: int | None = None) -> NDArray[np.uint8]:
    """Numbers of more than 8 bits, signed or floating, any shape, to uint8.

    `white` is the value that becomes 255; None tells 0..1 floats, 0..255 and 0..65535 apart by kind and
    largest value. Floats may overshoot a little, as resizing leaves them: up to twice white, and below zero
    by a twentieth of it. Raises ValueError for NaN, infinity and other numbers below zero, for which no value
    is known to be black.
    """
    values = deep.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("NaN or infinity among the pixels")
    top, floating = float(values.max(initial=0.0)), deep.dtype.kind == "f"
    if white is not None:
        scale = 255 / white
    elif floating and top < _OVERSHOOT:
        scale = 255.0
    else:
        scale = 1.0 if top <= 255 else 255 / max(top, _SIXTEEN_BITS)
    if float(values.min(initial=0.0)) * scale < (-_UNDERSHOOT * 255 if floating else 0):
        raise ValueError("numbers below zero among the pixels: which of them is black is not known")
    return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)


def _is_deep(image: Image.Image) -> bool:
    return image.mode in _DEEP or image.mode.startswith("I;")


def _shallow(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    pixels = grey_to_uint8(values, _white(image, tags))
    if tags.get(_TIFF_PHOTOMETRIC) == 0:
        pixels = 255 - pixels
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        pixels[values == transparent] = 255
    return Image.fromarray(pixels)


def _white(image: Image.Image, tags: dict[int, tuple[int, ...]]) -> int | None:
    """The value of white where the format says it."""
    if image.mode.startswith("I;"):
        # Twelve bits come in the room of sixteen.
        return 2 ** min(16, tags.get(_TIFF_BITS, (16,))[0]) - 1
    if tags.get(_TIFF_BITS) == (16,) and tags.get(_TIFF_FORMAT) == (_SIGNED,):
        return 2**15 - 1
    return _SIXTEEN_BITS if image.mode == "I" and image.format in ("PNG", "PPM") else None


def _inks(image: Image.Image) -> Image.Image:
    """CMYK with 255 for full ink.

    Pillow turns every CMYK JPEG around, which only Adobe's (known by their mark) need.
    """
    plainly_written = image.format == "JPEG" and "adobe" not in image.info
    return ImageChops.invert(image) if plainly_written else image


def _managed(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A picture in mode L, RGB or CMYK as L or RGB in the colours of sRGB."""
    mode = "L" if image.mode == "L" else "RGB"
    if profile:
        try:
            transform = _to_srgb(profile, image.mode)
            image = image if transform is None else ImageCms.applyTransform(image, transform) or image
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            # Without a usable profile the numbers are taken as every viewer takes them: as sRGB.
            return to_mode(image, mode)
    return to_mode(image, mode)


@lru_cache(maxsize=32)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where the profile is sRGB itself: the pixels stay as they are, to the byte."""
    given = ImageCms.ImageCmsProfile(BytesIO(profile))
    if mode == "RGB" and (getattr(given.profile, "profile_description", None) or "").startswith("sRGB"):
        return None
    return ImageCms.buildTransform(given, ImageCms.createProfile("sRGB"), mode, "RGB")


@lru_cache(maxsize=1)
def _from_lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
