"""Numbers as people read them, and tables as plain text and Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lightfast.report.page import Card, Cell, Table, Tone

MINUS = "\N{MINUS SIGN}"
MISSING = "–"


def percent(share: float | None, digits: int = 2) -> str:
    """0.9793 → "97.93 %"; None or NaN → "–"."""
    return MISSING if share is None or math.isnan(share) else f"{100 * share:.{digits}f} %"


def percent_range(interval: Sequence[float] | None, digits: int = 1) -> str:
    """(0.971, 0.985) → "97.1–98.5"; without an interval an empty text."""
    if interval is None:
        return ""
    return "–".join(f"{100 * end:.{digits}f}" for end in interval)


def share_text(share: float | None, interval: Sequence[float] | None = None, digits: int = 2) -> str:
    """0.9793, (0.971, 0.985) → "97.93 % [97.1–98.5]"."""
    return _flat(share_cell(share, interval, digits=digits))


def share_cell(
    share: float | None, interval: Sequence[float] | None = None, tone: Tone = "", digits: int = 2
) -> Cell:
    """A share as a cell, its interval in small print beside it."""
    return Cell(percent(share, digits), percent_range(interval), tone)


def share_card(
    share: float | None,
    label: str,
    interval: Sequence[float] | None,
    tone: Tone = "",
    *,
    digits: int = 2,
    more: str = "",
) -> Card:
    """A share as a card, its 95 % interval and `more` in small print under it."""
    return Card(percent(share, digits), label, f"95 % interval {percent_range(interval)}{more}", tone)


def points(difference: float, digits: int = 2) -> str:
    """A difference of shares in percentage points with its sign: 0.1524 → "+15.24", -0.001 → "−0.10"."""
    text = f"{100 * difference:+.{digits}f}"
    return text.replace("-", MINUS) if float(text) else f"{0:.{digits}f}"


def points_text(difference: float, interval: Sequence[float], digits: int = 2, unit: str = "") -> str:
    """0.1524, (0.12, 0.18) → "+15.24 [+12.00 to +18.00]", the interval with `digits`, `unit` before it."""
    low, high = interval
    return f"{points(difference)}{unit} [{points(low, digits)} to {points(high, digits)}]"


def points_cell(difference: float, interval: Sequence[float] | None = None, digits: int = 2) -> Cell:
    """A difference in points as a cell; green or red only where its interval leaves out 0."""
    if interval is None:
        return Cell(points(difference, digits))
    low, high = interval
    tone: Tone = "good" if low > 0 else "bad" if high < 0 else ""
    return Cell(points(difference, digits), f"{points(low, 1)} to {points(high, 1)}", tone)


def duration(seconds: float) -> str:
    """3.21 → "3.2 s", 75 → "1 min 15 s", 7260 → "2 h 1 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def text_table(table: Table) -> str:
    """The table in plain text: caption, aligned columns, notes."""
    rows = [[_flat(entry) for entry in row] for row in table.cells]
    widths = [
        max(len(heading), *(len(row[place]) for row in rows), 0)
        for place, heading in enumerate(table.columns)
    ]
    lines = [table.caption] if table.caption else []
    lines += [_aligned(table.columns, widths, table.numeric), "  ".join("─" * width for width in widths)]
    lines += [_aligned(row, widths, table.numeric) for row in rows]
    return "\n".join(line.rstrip() for line in (*lines, *table.notes)) + "\n"


def markdown_table(table: Table) -> str:
    """The table in GitHub's Markdown; the notes follow as paragraphs."""
    rule = ["---:" if numeric else "---" for numeric in table.numeric]
    rows = [[_flat(entry) for entry in row] for row in table.cells]
    lines = [
        "| " + " | ".join(text.replace("|", "\\|") for text in row) + " |"
        for row in (table.columns, rule, *rows)
    ]
    caption = [f"**{table.caption}**", ""] if table.caption else []
    notes = [line for note in table.notes for line in ("", note)]
    return "\n".join([*caption, *lines, *notes]) + "\n"


def _flat(entry: Cell) -> str:
    return f"{entry.text} [{entry.detail}]" if entry.detail else entry.text


def _aligned(texts: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    return "  ".join(
        text.rjust(width) if right else text.ljust(width)
        for text, width, right in zip(texts, widths, numeric, strict=True)
    )


def confidence_text(share: float) -> str:
    """A probability as people read it, on one line: "97.2 %", and no 0 or 100 that is only rounded."""
    text = "< 0.1 %" if share < 5e-4 else "> 99.9 %" if share > 1 - 5e-4 else percent(share, 1)
    return text.replace(" ", "\N{NO-BREAK SPACE}")
