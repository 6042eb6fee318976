"""Pictures as PNG files and as data URIs."""

from __future__ import annotations

import io
from base64 import b64encode
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image


def png(picture: NDArray[np.uint8] | Image, *, optimize: bool = False) -> bytes:
    """The bytes of a PNG file.

    Args:
        picture: uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or a Pillow image.
        optimize: the smallest file, which takes longer.
    """
    from PIL import Image

    if isinstance(picture, np.ndarray):
        one_channel = picture.ndim == 3 and picture.shape[-1] == 1
        picture = Image.fromarray(picture[..., 0] if one_channel else picture)
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=optimize)
    return stream.getvalue()


def data_uri(content: bytes, kind: str = "png") -> str:
    """The bytes of a picture file ("png", "jpeg") as a text that stands in a page in place of a file."""
    return f"data:image/{kind};base64,{b64encode(content).decode('ascii')}"
