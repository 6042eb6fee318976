"""One self-contained HTML page from plain blocks: no request leaves the file, light and dark, screen and
paper.

A page is a list of sections; a section is a title and parts; a part is one of the frozen classes below.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lightfast.base.errors import DataError
from lightfast.base.files import write_text
from lightfast.report.picture_map import PictureMap

# What a number or picture says: good news, bad news, the figure of the row, or nothing special.
Tone = Literal["", "good", "bad", "strong"]


@dataclass(frozen=True)
class Text:
    """Paragraphs, split at blank lines; `note` sets them in a box."""

    text: str
    note: bool = False

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The text cut at blank lines."""
        return tuple(part.strip() for part in re.split(r"\n\s*\n", self.text) if part.strip())


@dataclass(frozen=True)
class Card:
    """One headline number: `value` large, `label` under it, `detail` (interval, n) small."""

    value: str
    label: str
    detail: str = ""
    tone: Tone = ""


@dataclass(frozen=True)
class Cards:
    """Three to five headline numbers side by side, with a sentence above them."""

    cards: tuple[Card, ...]
    lead: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell: `text`, and beside it in small print `detail` (an interval);
    with `anchor` the text leads to that id of the page.
    """

    text: str
    detail: str = ""
    tone: Tone = ""
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first column names the row. Columns of numbers are set to the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell | str, ...], ...]
    caption: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                name = cell(row[0]).text if row else "(empty)"
                raise DataError(
                    f"table {self.caption!r}, row {name!r}",
                    expected=f"{len(self.columns)} cells",
                    got=str(len(row)),
                )

    @property
    def cells(self) -> tuple[tuple[Cell, ...], ...]:
        """All rows as cells."""
        return tuple(tuple(cell(entry) for entry in row) for row in self.rows)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers, or a word for a missing one, only (the first column never does)."""
        rows = self.cells
        return tuple(
            place > 0 and bool(rows) and all(_NUMBER.match(row[place].text) for row in rows)
            for place in range(len(self.columns))
        )

    @property
    def spoken(self) -> bool:
        """Whether the last column holds sentences: on a page they stand under their rows, over its whole
        width.
        """
        return len(self.columns) > 2 and any(len(row[-1].text) > _SENTENCE for row in self.cells)


@dataclass(frozen=True)
class Figure:
    """A drawing: SVG text of `report.figures`, or the data URI of a picture.

    `alt` says in words what it shows.
    """

    drawing: str
    caption: str
    alt: str = ""
    title: str = ""

    @property
    def is_svg(self) -> bool:
        """Whether the drawing is SVG text (set into the page) or a data URI (an image)."""
        return self.drawing.lstrip().startswith("<svg")


@dataclass(frozen=True)
class FigureRow:
    """Figures side by side where there is room, one caption for all."""

    figures: tuple[Figure, ...]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """One small picture as a PNG data URI, with its caption; `right` colours and marks it (None: neither)."""

    uri: str
    width: int
    height: int
    caption: str = ""
    right: bool | None = None
    alt: str = ""


@dataclass(frozen=True)
class PictureRow:
    """The same picture at several stages, in the order of the grid's columns."""

    pictures: tuple[Picture, ...]
    title: str = ""


@dataclass(frozen=True)
class PictureGrid:
    """A grid of picture rows; `columns` names the stages (degraded, restored, clean)."""

    columns: tuple[str, ...]
    rows: tuple[PictureRow, ...]
    caption: str = ""


@dataclass(frozen=True)
class Gallery:
    """Many small pictures, as many a line as there is room for."""

    pictures: tuple[Picture, ...]
    caption: str = ""


@dataclass(frozen=True)
class QueuedPicture:
    """One picture that a person should look at: what was read, how surely (0..1), and why it is doubtful."""

    picture: Picture
    id: str
    predicted_label: str
    confidence: float
    reason: str


@dataclass(frozen=True)
class Queue:
    """The doubtful pictures, most doubtful first; `total` counts those that are not shown too."""

    rows: tuple[QueuedPicture, ...]
    total: int
    caption: str = ""


@dataclass(frozen=True)
class LabelIssueCard:
    """One label that is probably wrong, and what to judge it by at a glance.

    Attributes:
        picture: the picture itself.
        id: its id.
        given, suggested: what it is called, and what it probably is.
        reason: in words.
        like_given, like_suggested: the nearest pictures that carry the one and the other.
        mark: what has to be known of it ("test part"), or "".
    """

    picture: Picture
    id: str
    given: str
    suggested: str
    reason: str
    like_given: tuple[Picture, ...] = ()
    like_suggested: tuple[Picture, ...] = ()
    mark: str = ""


@dataclass(frozen=True)
class LabelIssueGrid:
    """Probably wrong labels side by side, the worst first, to be filtered by either label; `total` counts
    those that are not shown too.
    """

    rows: tuple[LabelIssueCard, ...]
    total: int
    caption: str = ""

    @property
    def given(self) -> tuple[tuple[str, int], ...]:
        """(given label, how many are shown), the most frequent first."""
        return _counted([row.given for row in self.rows])

    @property
    def suggested(self) -> tuple[tuple[str, int], ...]:
        """(suggested label, how many are shown), the most frequent first."""
        return _counted([row.suggested for row in self.rows])


@dataclass(frozen=True)
class Folded:
    """Parts that open on a click: the long tables behind a figure. A link to `anchor` opens them too."""

    title: str
    parts: tuple[Text | Table | Figure | FigureRow | PictureGrid | Gallery | Queue, ...]
    anchor: str = ""


SectionPart = (
    Text
    | Cards
    | Table
    | Figure
    | FigureRow
    | PictureGrid
    | Gallery
    | Queue
    | LabelIssueGrid
    | Folded
    | PictureMap
)


@dataclass(frozen=True)
class Section:
    """A titled part of the page; `lead` is its first sentence, set larger."""

    title: str
    parts: tuple[SectionPart, ...] = field(default=())
    lead: str = ""


# A cell with more letters than this is a sentence.
_SENTENCE = 60


def cell(entry: Cell | str) -> Cell:
    """A plain text as a cell."""
    return entry if isinstance(entry, Cell) else Cell(str(entry))


def write_page(
    path: Path | str, title: str, subtitle: str, sections: Sequence[Section], provenance: Mapping[str, Any]
) -> Path:
    """Write the page to `path` (UTF-8 HTML, atomically) and return the path.

    Args:
        path: the file to write.
        title: heading and browser title.
        subtitle: one sentence under it.
        sections: the body, in order.
        provenance: name → value (text, number, or a mapping of such), the last section;
            see `report.provenance`.
    """
    return write_text(Path(path), render_page(title, subtitle, sections, provenance))


def render_page(title: str, subtitle: str, sections: Sequence[Section], provenance: Mapping[str, Any]) -> str:
    """The page as text; every text in it is escaped, only drawings made by `report.figures` are set in as
    they are.

    Only a page that needs them carries scripts: they open the folded part that a link leads to, filter
    probably wrong labels, draw the map of pictures. The page's own security policy names each by its hash and
    forbids any other.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lightfast", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    anchors = _anchors([section.title for section in sections] + ["Provenance"])
    names = _scripts(sections)
    scripts = [environment.get_template(name).render() for name in names]
    return environment.get_template("page.html.jinja").render(
        title=title,
        subtitle=subtitle,
        sections=tuple(zip(anchors[:-1], sections, strict=True)),
        provenance=provenance,
        provenance_anchor=anchors[-1],
        mapped="map.js.jinja" in names,
        scripts=[
            (script, b64encode(hashlib.sha256(script.encode()).digest()).decode()) for script in scripts
        ],
    )


def _scripts(sections: Sequence[Section]) -> list[str]:
    """The scripts that the parts of a page need."""
    parts = [part for section in sections for part in section.parts]
    mapped = any(isinstance(part, PictureMap) for part in parts)
    needed = {
        "unfold.js.jinja": any(isinstance(part, Folded) and part.anchor for part in parts),
        "filter.js.jinja": any(isinstance(part, LabelIssueGrid) for part in parts),
        "map_paint.js.jinja": mapped,
        "map.js.jinja": mapped,
    }
    return [name for name, holds in needed.items() if holds]


def _counted(names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(names).most_common())


def _anchors(titles: Sequence[str]) -> list[str]:
    """A different id for each title, readable in the address bar."""
    anchors: list[str] = []
    for place, title in enumerate(titles, start=1):
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        anchors.append(slug if slug not in anchors else f"{slug}-{place}")
    return anchors


_NUMBER = re.compile(
    r"^$|^[–—]$|^not run$|^[<>≥≤~≈]?\s?[+\-−±]?\d[\d.,\s ×–−+\-/]*(%|s|ms|min|h|dB|px|points|×)?$"
)
