"""From a matplotlib figure to SVG text that takes its colours and letters from the page around it.

matplotlib writes fixed colours, which a page in dark mode cannot change. So figures are drawn in the
placeholder colours below, and each placeholder becomes a CSS variable of the page. A shape may lead to
another place of the page: see `link`.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Sequence, Sized
from html import escape
from typing import Any, Literal

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, FigureBase
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, Formatter, FuncFormatter, Locator, MaxNLocator
from numpy.typing import ArrayLike

from lightfast.base.errors import DataError

INK, MUTED, LINE, PAPER = "#010101", "#010102", "#010103", "#010104"
BEFORE, AFTER, RIGHT, WRONG = "#010105", "#010106", "#010107", "#010108"
ON_COLOUR = "#010109"
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    PAPER: "--panel",
    BEFORE: "--before",
    AFTER: "--after",
    RIGHT: "--right",
    WRONG: "--wrong",
    ON_COLOUR: "--on-colour",
}
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.4g}")
"""Shares as numbers of percent at the ticks of an axis."""
# With 72 dots an inch one SVG unit is one CSS pixel and a font size of 11 is 11 px.
_DPI = 72
FONT_SIZE, SMALL = 13, 12
# Addresses that lead to the page around the figure, not to a part of the figure.
_PAGE = "page:"


def canvas(width: float, height: float, gaps: tuple[float, float] = (0.02, 0.02)) -> Figure:
    """An empty figure of `width` × `height` CSS pixels, transparent, that lays itself out;
    `gaps` between panels as shares of one.
    """
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
    figure.patch.set_alpha(0.0)
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(wspace=gaps[0], hspace=gaps[1])
    return figure


def require_some(given: Sized, what: str, one: str) -> None:
    """Refuse to draw `what` of nothing; `one` is what it needs at least one of."""
    if not given:
        raise DataError(what, expected=f"at least one {one}", got="none")


def styled(axes: Axes, *, grid: str = "y", title: str = "") -> Axes:
    """Quiet axes: no box, thin grid along `grid` ("x", "y", "both", ""), small muted tick labels."""
    axes.patch.set_alpha(0.0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom" and grid != "")
        spine.set_color(LINE)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=MUTED, pad=4)
    axes.set_axisbelow(True)
    if grid:
        # matplotlib's own type stubs know only literals here.
        options: dict[str, Any] = {"axis": grid}
        axes.grid(True, color=LINE, linewidth=1, **options)
    axes.xaxis.label.set(color=MUTED, fontsize=SMALL)
    axes.yaxis.label.set(color=MUTED, fontsize=SMALL)
    if title:
        axes.set_title(title, fontsize=FONT_SIZE, color=INK, loc="left", pad=8)
    return axes


def ticks(axis: Axis, most: int | Locator, form: Formatter | None = None, **options: Any) -> None:
    """At most `most` round ticks on an axis (or those of a locator), their labels by `form`."""
    axis.set_major_locator(MaxNLocator(nbins=most, **options) if isinstance(most, int) else most)
    if form is not None:
        axis.set_major_formatter(form)


def quarter_ticks(axes: Axes) -> None:
    """Both axes from 0 to 100 % in quarters."""
    for axis in (axes.xaxis, axes.yaxis):
        ticks(axis, FixedLocator([0, 0.25, 0.5, 0.75, 1]), PERCENT)


def beside(axes: Axes, text: str, place: tuple[float, float], gap: float) -> None:
    """A small text in ink, `gap` pixels to the right of a point."""
    options: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": SMALL, "color": INK}
    axes.annotate(text, place, xytext=(gap, 0), **options)


def interval_line(
    axes: Axes, x: ArrayLike, y: ArrayLike, colour: str, cap: Literal["round", "butt"] = "round"
) -> None:
    """A broad pale line between both ends of an interval."""
    axes.plot(x, y, color=colour, linewidth=5, alpha=0.35, solid_capstyle=cap, zorder=2)


def named_rows(axes: Axes, names: Sequence[str], length: int = 34) -> None:
    """Rows from top to bottom with their names, cut to `length` letters, beside them."""
    axes.set_yticks(range(len(names)), [shortened(name, length) for name in names])
    axes.tick_params(axis="y", labelcolor=INK, labelsize=FONT_SIZE, pad=8)
    axes.set_ylim(len(names) - 0.5, -0.5)


def share_label(share: float) -> str:
    """A share in the words of a figure: "12.3 %", "not measured" for NaN."""
    return "not measured" if math.isnan(share) else f"{100 * share:.1f} %"


def shortened(text: str, length: int) -> str:
    """The text, cut to `length` letters with a sign that it goes on."""
    return text if len(text) <= length else text[: length - 1] + "…"


def legend(axes: Axes, **options: Any) -> None:
    """A frameless legend in the page's ink."""
    axes.legend(frameon=False, fontsize=SMALL, labelcolor=INK, handlelength=1.4, borderaxespad=0, **options)


def legend_above(
    figure: FigureBase, handles: Sequence[Artist], labels: Sequence[str], **options: Any
) -> None:
    """A legend above the panels: one of the figure, unlike one of the axes, is given its own room."""
    place: dict[str, Any] = {"loc": "outside upper left", "frameon": False, "fontsize": SMALL}
    figure.legend(handles, labels, labelcolor=INK, **place, **options)


def link(shape: Artist, anchor: str, words: str) -> None:
    """Make a click on `shape` jump to the id `anchor` of the page; `words` say where that leads (read out,
    and shown on hovering).
    """
    shape.set_url(f"{_PAGE}{anchor}|{words}")


def svg(figure: Figure, alt: str) -> str:
    """The figure as an `<svg>` element for the inside of a page; `alt` is read out in its place,
    or before its links.
    """
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lightfast"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    # The page brings the letters; widths were laid out with a wider face, so nothing overflows.
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r"font: (\d+(?:\.\d+)?px)[^;\"]*", r"font-size: \1", text)
    for placeholder, variable in _VARIABLES.items():
        text = text.replace(placeholder, f"var({variable})")
    return _opened(_linked(_unique_ids(text)), figure, alt).strip()


def _unique_ids(text: str) -> str:
    """Ids inside one figure must not meet those of another on the same page."""
    mark = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    text = re.sub(r'\bid="([^"]+)"', rf'id="\1-{mark}"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#\1-{mark})", text)
    return re.sub(r'xlink:href="#([^"]+)"', rf'href="#\1-{mark}"', text)


def _linked(text: str) -> str:
    """The links of `link` as links of the page, with their words."""
    return re.sub(
        rf'<a xlink:href="{_PAGE}([^"|]*)\|([^"]*)"[^>]*>',
        r'<a href="#\1" aria-label="\2"><title>\2</title>',
        text,
    )


def _opened(text: str, figure: Figure, alt: str) -> str:
    width, height = (round(side * _DPI) for side in figure.get_size_inches())
    # A picture has no parts for a screen reader; a figure with links must keep them.
    role = "group" if "<a href=" in text else "img"
    names = [name for name, holds in (("wide", width > 500), ("linked", role == "group")) if holds]
    classes = f' class="{" ".join(names)}"' if names else ""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    opening = f'<svg{classes} {size} role="{role}" aria-label="{escape(alt, quote=True)}">'
    return opening + text[text.index(">") + 1 :]
