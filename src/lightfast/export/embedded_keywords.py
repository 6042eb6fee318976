"""Keywords inside a picture file: IPTC and XMP. A program that reads a sidecar often no longer looks at them:
a new sidecar has to repeat them.
"""

from __future__ import annotations

import struct
from pathlib import Path

from PIL import Image, ImageFile, IptcImagePlugin

from lightfast.export.xmp_keywords import Keyword, keywords_in
from lightfast.export.xmp_packet import MalformedXmp, parsed

_KEYWORDS, _CODING, _UTF8 = (2, 25), (1, 90), b"\x1b%G"
"""IPTC-IIM 4.2: keywords, the coded character set, and how that says UTF-8."""
_XMP_TAG = 700
_PILLOWS = (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error, Image.DecompressionBombError)


def embedded_keywords(picture: Path | str) -> tuple[Keyword, ...]:
    """The keywords that people or programs wrote into the file, each once: hierarchical ones, flat ones of
    its XMP, then those of IPTC. None where there are none, or the file cannot be read.
    """
    try:
        with Image.open(picture) as image:
            packet, flat = _packet(image), _iptc(image)
    # Odd metadata is no reason to write no sidecar.
    except _PILLOWS:
        return ()
    found = [one for one in _of_packet(packet) if one.by_person]
    known = {name for one in found for name in one.path}
    found += [Keyword((text,), "confirmed") for text in dict.fromkeys(flat) if text not in known]
    return tuple(found)


def _packet(image: Image.Image) -> bytes:
    said = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    if not said and hasattr(image, "tag_v2"):
        said = image.tag_v2.get(_XMP_TAG, b"")  # pyright: ignore[reportAttributeAccessIssue]
    return said.encode() if isinstance(said, str) else bytes(said)


def _of_packet(packet: bytes) -> tuple[Keyword, ...]:
    try:
        return keywords_in(parsed(packet.rstrip(b"\0"))) if packet.strip(b"\0 \n") else ()
    except MalformedXmp:
        return ()


def _iptc(image: ImageFile.ImageFile) -> list[str]:
    said = IptcImagePlugin.getiptcinfo(image) or {}
    values = said.get(_KEYWORDS, [])
    coding = said.get(_CODING, b"")
    texts = [_text(one, utf8=coding == _UTF8) for one in (values if isinstance(values, list) else [values])]
    # Control characters cannot stand in a sidecar.
    return [text for text in texts if text and text.isprintable()]


def _text(value: bytes, *, utf8: bool) -> str:
    try:
        return value.decode().strip()
    except UnicodeDecodeError:
        return value.decode("utf-8" if utf8 else "latin-1", errors="replace").strip()
