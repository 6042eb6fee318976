"""What `select` chose, for a terminal."""

from __future__ import annotations

from lightfast.data.decisions import ReviewItem
from lightfast.pages.select import SelectResult
from lightfast.runs.folder import REPORT_FILE

SHOWN_LINES = 20


def select_lines(result: SelectResult) -> list[str]:
    """The pictures to label next with their reasons, the first 20 of them."""
    count, free = len(result.chosen), result.n - result.labelled
    lines = [
        f"{count:,} to label next of {free:,} without a label ({result.labelled:,} have one); "
        f"{result.strategy}: {result.summary}"
    ]
    lines += [f"{number:>4}  {item.id}  {item.reason}" for number, item in _shown(result)]
    if count > SHOWN_LINES:
        where = f"in {result.queue}" if result.queue else "not shown: name a folder to write with --out"
        lines.append(f"      and {count - SHOWN_LINES:,} more, {where}")
    if result.near_copies:
        lines.append(
            f"left out   {result.near_copies:,} near duplicate{'s' * (result.near_copies > 1)} of others"
        )
    if result.accuracy is not None and result.accuracy_interval is not None:
        low, high = result.accuracy_interval
        lines.append(
            f"so far     {result.accuracy:.0%} right on labelled pictures that the head did not see "
            f"[{low:.0%} to {high:.0%}], n = {result.accuracy_n:,}"
        )
    if result.queue is not None:
        lines += [f"queue      {result.queue}", f"report     {result.queue.parent / REPORT_FILE}"]
    return lines


def _shown(result: SelectResult) -> list[tuple[int, ReviewItem]]:
    return list(enumerate(result.chosen[:SHOWN_LINES], start=1))
