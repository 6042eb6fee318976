"""Intervals in groups that share one axis: what was measured here beside what others published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D

from lightfast.report.drawing import (
    AFTER,
    BEFORE,
    PERCENT,
    beside,
    canvas,
    interval_line,
    legend_above,
    named_rows,
    require_some,
    share_label,
    styled,
    svg,
    ticks,
)
from lightfast.report.figures import WIDTH


class GroupedShare(NamedTuple):
    """One row: its name, a share in 0..1 with both ends of its interval, and whether it was measured here."""

    name: str
    share: float
    interval: tuple[float, float]
    measured: bool


def grouped_intervals_figure(
    groups: Mapping[str, Sequence[GroupedShare]], *, unit: str = "accuracy, %"
) -> str:
    """One panel a group, its rows from top to bottom as given, all on one scale; what was published has
    another colour and a hollow dot.

    Raises DataError without groups, and for a group without rows.
    """
    require_some(groups, "grouped intervals", "group")
    for name, rows in groups.items():
        require_some(rows, f"grouped intervals: {name}", "row")
    sizes = [len(rows) + 1 for rows in groups.values()]
    figure = canvas(WIDTH, 70 + 32 * sum(sizes))
    panels = np.atleast_1d(figure.subplots(len(groups), 1, sharex=True, height_ratios=sizes))
    for axes, (title, rows) in zip(panels, groups.items(), strict=True):
        _panel(styled(axes, grid="x", title=title), rows)
    ends = [end for rows in groups.values() for row in rows for end in row.interval]
    span = max(max(ends) - min(ends), 0.01)
    panels[0].set_xlim(min(ends) - 0.04 * span, max(ends) + 0.1 * span)
    ticks(panels[-1].xaxis, 7, PERCENT, steps=[1, 2, 5, 10])
    panels[-1].set_xlabel(unit)
    _legend(figure, {row.measured for rows in groups.values() for row in rows})
    return svg(figure, f"Intervals, {unit}. {_words(groups)}")


def _panel(axes: Axes, rows: Sequence[GroupedShare]) -> None:
    for place, row in enumerate(rows):
        colour = AFTER if row.measured else BEFORE
        interval_line(axes, row.interval, [place, place], colour, "butt")
        look = {"markersize": 7, "markerfacecolor": colour if row.measured else "none"}
        axes.plot([row.share], [place], color=colour, marker="o", linestyle="", zorder=3, **look)
        beside(axes, f"{100 * row.share:.1f}", (row.interval[1], place), 8)
    named_rows(axes, [row.name for row in rows], 44)


def _words(groups: Mapping[str, Sequence[GroupedShare]]) -> str:
    return "; ".join(
        f"{title}, {row.name}: {share_label(row.share)}" for title, rows in groups.items() for row in rows
    )


def _legend(figure: FigureBase, kinds: set[bool]) -> None:
    looks = {True: ("measured here", AFTER, AFTER), False: ("published", BEFORE, "none")}
    shown = [looks[kind] for kind in (True, False) if kind in kinds]
    marks = [
        Line2D([], [], color=colour, marker="o", linestyle="", markerfacecolor=filling)
        for _, colour, filling in shown
    ]
    legend_above(figure, marks, [name for name, *_ in shown], ncols=2)
