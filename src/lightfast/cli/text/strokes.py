"""What a training on strokes found, for a terminal."""

from __future__ import annotations

from lightfast.cli.text.columns import columns
from lightfast.cli.text.runs import report_line
from lightfast.pages.strokes import StrokeTrainResult
from lightfast.report.tables import share_text


def strokes_lines(result: StrokeTrainResult) -> list[str]:
    """Accuracy by the share of a drawing that was seen; where the report lies."""
    rows = [
        (f"{100 * one.share:.0f} %", share_text(one.accuracy, one.interval), f"{one.n:,}")
        for one in result.while_drawn
    ]
    return [
        *columns(("of the points seen", "read rightly", "n"), rows),
        "brackets: 95 % intervals",
        *report_line(result.run),
    ]
