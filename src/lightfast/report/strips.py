"""A row of pictures with a heading over each and lines of text under it, as one drawing for a page: wider
than a grid's small pictures.

The text takes its colours from the page, so that it is read on light and dark pages; the pictures are inside
as data URIs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.report.overlay import colour_table, enlarged
from lightfast.report.page import Picture
from lightfast.report.thumbnails import thumbnail

_GAP, HEADING, _LINE_HEIGHT, LETTER = 14, 20, 17, 0.53
"""Pixels between pictures, of a heading, of a line of text; and the mean width of a letter,
as a share of its size.
"""
_WIDE = 500
_STOPS = 16


@dataclass(frozen=True)
class StripPanel:
    """One picture of a strip: its heading, the lines under it (the first in ink),
    and whether it is framed as right or wrong.
    """

    picture: Picture
    heading: str
    lines: tuple[str, ...] = ()
    right: bool | None = None


def strip_panel(
    image: NDArray[np.uint8],
    heading: str,
    lines: Sequence[str] = (),
    right: bool | None = None,
    side: int = 224,
) -> StripPanel:
    """A uint8 picture (H, W, 1 or 3) as a panel; small ones are enlarged by whole factors,
    large ones shrunk to `side`.
    """
    return StripPanel(thumbnail(enlarged(image), "", heading, side), heading, tuple(lines), right)


def strip(stages: Sequence[StripPanel], alt: str, *, width: int = 400, columns: int | None = None) -> str:
    """The panels beside each other as an `<svg>` of `width` CSS pixels; `columns` reserves more places than
    there are panels.

    Raises DataError without panels. `alt` says in words what is seen.
    """
    if not stages:
        raise DataError("a strip of pictures", expected="at least one picture", got="none")
    places = columns or len(stages)
    each = (width - _GAP * (places - 1)) / places
    tall = max(each * one.picture.height / one.picture.width for one in stages)
    lines = max(len(one.lines) for one in stages)
    height = round(HEADING + tall + lines * _LINE_HEIGHT + 8)
    body = "".join(_stage(one, place * (each + _GAP), each) for place, one in enumerate(stages))
    wide = ' class="wide"' if width > _WIDE else ""
    return (
        f'<svg{wide} viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(alt, quote=True)}">{body}</svg>'
    )


def _stage(one: StripPanel, left: float, width: float) -> str:
    height = width * one.picture.height / one.picture.width
    parts = [
        _text(left, 12, one.heading, width, "--muted", 11.5),
        f'<image href="{one.picture.uri}" x="{left:.1f}" y="{HEADING}" width="{width:.1f}" '
        f'height="{height:.1f}"/>',
    ]
    if one.right is not None:
        colour = "--right" if one.right else "--wrong"
        parts.append(
            f'<rect x="{left + 1:.1f}" y="{HEADING + 1}" width="{width - 2:.1f}" height="{height - 2:.1f}" '
            f'fill="none" style="stroke: var({colour}); stroke-width: 2.5"/>'
        )
    for row, line in enumerate(one.lines):
        top = HEADING + height + 17 + row * _LINE_HEIGHT
        parts.append(_text(left, top, line, width, "--muted" if row else "--ink", 12.5))
    return "".join(parts)


def _text(left: float, top: float, text: str, width: float, colour: str, size: float) -> str:
    fits = int(width / (LETTER * size))
    shown = text if len(text) <= fits else text[: max(1, fits - 1)] + "…"
    title = f"<title>{escape(text)}</title>" if shown != text else ""
    return (
        f'<text x="{left:.1f}" y="{top:.1f}" style="fill: var({colour}); font-size: '
        f'{size}px">{title}{escape(shown)}</text>'
    )


def colour_key(words: Sequence[str], *, signed: bool = False) -> str:
    """A bar of the colours with words under its ends (and its middle, where there are three)."""
    table, width = colour_table(signed), 300
    places = np.linspace(0, 255, _STOPS).round().astype(int)
    stops = "".join(
        f'<stop offset="{place / 255:.3f}" stop-color="#{bytes(table[place].tolist()).hex()}"/>'
        for place in places
    )
    name = f"colour-key-{'signed' if signed else 'plain'}"
    anchors = dict(zip(("start", "middle", "end"), (0, width / 2, width), strict=True))
    pairs = zip(anchors if len(words) > 2 else ("start", "end"), words, strict=True)
    look = 'style="fill: var(--muted); font-size: 12px"'
    texts = "".join(
        f'<text x="{anchors[side]}" y="30" text-anchor="{side}" {look}>{escape(word)}</text>'
        for side, word in pairs
    )
    return (
        f'<svg viewBox="0 0 {width} 36" width="{width}" height="36" role="img" '
        f'aria-label="{escape(" – ".join(words), quote=True)}"><defs><linearGradient '
        f'id="{name}">{stops}</linearGradient></defs><rect width="{width}" height="12" rx="3" '
        f'fill="url(#{name})"/>{texts}</svg>'
    )
