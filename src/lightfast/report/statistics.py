"""The figures of statistics: learning curve, residuals, intervals side by side, series of a sweep,
ROC and precision-recall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from lightfast.base.errors import DataError
from lightfast.report.drawing import (
    AFTER,
    BEFORE,
    INK,
    MUTED,
    PAPER,
    PERCENT,
    RIGHT,
    WRONG,
    beside,
    canvas,
    interval_line,
    legend,
    legend_above,
    named_rows,
    quarter_ticks,
    require_some,
    share_label,
    shortened,
    styled,
    svg,
    ticks,
)
from lightfast.report.figures import WIDTH

Ends = tuple[float, float]
"""Both ends of an interval."""

SERIES_STYLES = (
    (AFTER, "-", "o"),
    (BEFORE, "-", "s"),
    (RIGHT, (0, (5, 2)), "^"),
    (WRONG, (0, (2, 1.5)), "D"),
    (INK, (0, (6, 2, 1.5, 2)), "v"),
    (MUTED, (0, (1, 1.5)), "P"),
)
"""Colour, dash and marker: series differ in all three at once, so that none is told by its colour alone."""
MOST_SERIES = len(SERIES_STYLES)
_PLAIN = FuncFormatter(lambda value, _: f"{value:,.6g}".replace("-", "−"))
_BAND = 0.18
_MARKED = 20
"""Points of a line that carry markers; more would run into each other."""


def learning_curve_figure(
    points: Sequence[tuple[float, float, Ends | None]],
    curve: Sequence[tuple[float, float, float, float]],
    target: float | None = None,
    held: tuple[float, float, Ends | None] | None = None,
) -> str:
    """Measured accuracies and the fitted law with its prediction band, over the number of training pictures
    on a log scale.

    Args:
        points: (size, accuracy 0..1, its interval or None).
        curve: (size, accuracy, low, high) along the fitted law, sizes rising; may be empty.
        target: accuracy to mark with a line.
        held: a measured point that the law was not fitted to.
    """
    require_some(points, "learning curve", "measured point")
    figure = canvas(WIDTH, 380)
    axes = styled(figure.subplots(), grid="both")
    if curve:
        sizes, centre, low, high = np.asarray(curve, dtype=np.float64).T
        axes.fill_between(
            sizes, low, high, color=AFTER, alpha=_BAND, linewidth=0, label="95 % of new measurements"
        )
        axes.plot(sizes, centre, color=AFTER, linewidth=2, label="power law")
    if target is not None:
        axes.axhline(
            target, color=WRONG, linewidth=1.5, linestyle=(0, (5, 3)), label=f"target {100 * target:.4g} %"
        )
    _points(axes, points, INK, "o", "measured")
    if held is not None:
        _points(axes, [held], BEFORE, "D", "measured, not fitted")
    _log_axis(axes)
    measured = [*points, held] if held else points
    seen = [end for _, value, interval in measured for end in (value, *(interval or ()))]
    _accuracy_limits(axes, [*seen, *([] if target is None else [target]), *(row[1] for row in curve)])
    axes.set(xlabel="training pictures", ylabel="accuracy, %")
    _legend_above(axes)
    size, accuracy, _ = max(points, key=lambda row: row[0])
    told = f"Learning curve over {len(points)} sizes up to {size:,.0f} pictures, "
    told += f"where accuracy is {share_label(accuracy)}"
    return svg(figure, told + ("" if target is None else f"; target {share_label(target)}"))


def residual_figure(fitted: ArrayLike, residuals: ArrayLike, *, label: str = "accuracy, %") -> str:
    """What a regression leaves over: residuals against fitted values, and against the quantiles of a normal
    distribution.

    Args:
        fitted: (N,) values of the model.
        residuals: (N,) measured − fitted.
        label: what is explained, with its unit; with "%" the numbers are shares and shown times 100.
    """
    centre, rest = np.asarray(fitted, dtype=np.float64), np.asarray(residuals, dtype=np.float64)
    if centre.ndim != 1 or centre.shape != rest.shape or centre.size < 2:
        raise DataError(
            "residual figure",
            expected="two arrays (N,), N at least 2",
            got=f"{centre.shape} and {rest.shape}",
        )
    figure = canvas(WIDTH, 340, gaps=(0.08, 0.0))
    left, right = figure.subplots(1, 2, sharey=True)
    form = PERCENT if "%" in label else _PLAIN
    for axes, title in ((left, "Residuals over fitted values"), (right, "Residuals over normal quantiles")):
        styled(axes, grid="both", title=title)
        axes.axhline(0, color=MUTED, linewidth=1.5)
        ticks(axes.yaxis, 6, FuncFormatter(lambda value, _: form(value).replace("-", "−")))
    marks = {"s": 26, "color": AFTER, "alpha": 0.65, "linewidths": 0, "zorder": 3}
    left.scatter(centre, rest, **marks)
    ticks(left.xaxis, 6, form)
    points = "points" if "%" in label else "units"
    left.set(xlabel=f"fitted {label}", ylabel=f"residual, {points}")
    quantiles = ndtri((np.arange(centre.size) + 0.5) / centre.size)
    spread = float(rest.std(ddof=1))
    ends = quantiles[[0, -1]]
    right.plot(ends, spread * ends, color=MUTED, linewidth=1.5, linestyle=(0, (5, 3)), label="normal")
    right.scatter(quantiles, np.sort(rest), **marks)
    right.xaxis.set_major_formatter(_PLAIN)
    right.set_xlabel("standard normal quantile")
    legend(right, loc="upper left")
    told = f"Residuals of {centre.size:,} points over fitted values and over normal quantiles"
    return svg(figure, f"{told}; standard deviation {form(spread)}")


def interval_figure(
    rows: Sequence[tuple[str, float, Ends]],
    *,
    unit: str = "accuracy, %",
    groups: Sequence[Sequence[int]] = (),
) -> str:
    """One dot with its interval a row; bars on the right join the rows that no test tells apart (after Demšar
    2006).

    Args:
        rows: (name, value, (low, high)), drawn from top to bottom as given.
        unit: of the values; with "%" they are shares and shown times 100.
        groups: places of rows that belong together, one bar each.
    """
    require_some(rows, "interval figure", "row")
    _require_places(groups, len(rows))
    figure = canvas(WIDTH, 64 + 30 * len(rows))
    shares = [1, min(0.3, 0.08 + 0.035 * len(groups))] if groups else [1]
    panels = np.atleast_1d(figure.subplots(1, len(shares), sharey=True, width_ratios=shares))
    axes = styled(panels[0], grid="x")
    form = PERCENT if "%" in unit else _PLAIN
    for place, (_, value, (low, high)) in enumerate(rows):
        interval_line(axes, [low, high], [place, place], AFTER, "butt")
        beside(axes, f"{100 * value:.1f}" if "%" in unit else form(value), (high, place), 8)
    axes.scatter([row[1] for row in rows], range(len(rows)), s=52, color=AFTER, zorder=3, linewidths=0)
    lowest, highest = min(row[2][0] for row in rows), max(row[2][1] for row in rows)
    span = max(highest - lowest, 1e-6)
    axes.set_xlim(lowest - 0.04 * span, highest + 0.12 * span)
    ticks(axes.xaxis, 6, form, steps=[1, 2, 5, 10])
    axes.set_xlabel(unit)
    named_rows(axes, [row[0] for row in rows])
    if groups:
        _group_bars(panels[1], groups)
    words = "; ".join(
        f"{name}: {form(value)} [{form(low)} to {form(high)}]" for name, value, (low, high) in rows
    )
    return svg(figure, f"Intervals, {unit}. {words}")


def lines_figure(
    series: Mapping[str, Sequence[tuple[float, float, Ends | None]]],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    level: tuple[str, float] | None = None,
) -> str:
    """Up to six series over one number, each with its own colour, dash and (where points are few) marker.

    Args:
        series: name → points (x, y, interval of y or None).
        x_label, y_label: under and beside the axes, with units; with "%" in `y_label` the y are shares in
            0..1 and shown times 100.
        log_x: a log scale; x above 0.
        level: name and y of a line across, for a figure to compare with.
    """
    if not 1 <= len(series) <= MOST_SERIES or not all(series.values()):
        raise DataError(
            "lines",
            expected=f"1 to {MOST_SERIES} series, none of them empty",
            got=f"{len(series)} series",
            cure="Draw the others in a second figure.",
        )
    figure = canvas(WIDTH, 360)
    axes = styled(figure.subplots())
    shares = "%" in y_label
    _draw_series(axes, series)
    if level is not None:
        axes.axhline(level[1], color=MUTED, linewidth=1.5, linestyle=(0, (5, 3)), label=level[0])
    if log_x:
        _log_axis(axes)
    else:
        whole = all(float(row[0]).is_integer() for points in series.values() for row in points)
        ticks(axes.xaxis, 8, _PLAIN, integer=whole)
    ticks(axes.yaxis, 6, PERCENT if shares else _PLAIN, steps=[1, 2, 2.5, 5, 10])
    axes.set(xlabel=x_label, ylabel=y_label)
    _legend_above(axes)
    ends = {name: max(rows, key=lambda row: row[0])[1] for name, rows in series.items()}
    words = ", ".join(f"{name} {share_label(y) if shares else f'{y:.4g}'}" for name, y in ends.items())
    return svg(figure, f"{y_label} over {x_label}; at the end: {words}")


def _draw_series(axes: Axes, series: Mapping[str, Sequence[tuple[float, float, Ends | None]]]) -> None:
    for (name, points), (colour, dash, marker) in zip(series.items(), SERIES_STYLES, strict=False):
        rows = sorted(points, key=lambda row: row[0])
        _uprights(axes, rows, colour, 2)
        x, y, _ = zip(*rows, strict=True)
        line = axes.plot(x, y, color=colour, linestyle=dash, linewidth=2, label=name, zorder=3)[0]
        line.set(marker=marker if len(rows) <= _MARKED else "", markersize=6)


def roc_pr_figure(
    roc: Mapping[str, tuple[ArrayLike, ArrayLike, float]],
    pr: Mapping[str, tuple[ArrayLike, ArrayLike, float]],
) -> str:
    """ROC and precision-recall curves, one a class against the rest; the six hardest are named, the others
    drawn thin.

    Args:
        roc: class → (false positive rate (T,), true positive rate (T,), area), all in 0..1.
        pr: class → (recall (T,), precision (T,), average precision).
    """
    if not roc or set(roc) != set(pr):
        raise DataError(
            "ROC and precision-recall",
            expected="the same classes in both, at least one",
            got=f"{len(roc)} and {len(pr)}",
        )
    named = sorted(pr, key=lambda name: pr[name][2])[:MOST_SERIES]
    figure = canvas(WIDTH, 430, gaps=(0.06, 0.0))
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for axes, curves, title, x_label, y_label, corner in (
        (left, roc, "ROC", "false positives, % of the others", "true positives, %", "lower right"),
        (right, pr, "Precision and recall", "recall, %", "precision, %", "lower left"),
    ):
        styled(axes, grid="both", title=title)
        _class_curves(axes, curves, named)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03), xlabel=x_label, ylabel=y_label)
        quarter_ticks(axes)
        legend(axes, loc=corner, bbox_to_anchor=(0.97, 0.05) if corner == "lower right" else (0.05, 0.05))
    means = [float(np.mean([row[2] for row in curves.values()])) for curves in (roc, pr)]
    told = f"ROC and precision-recall curves of {len(roc)} classes"
    return svg(figure, f"{told}; mean area {means[0]:.3f}, mean average precision {means[1]:.3f}")


def _class_curves(
    axes: Axes, curves: Mapping[str, tuple[ArrayLike, ArrayLike, float]], named: Sequence[str]
) -> None:
    """The named curves in their styles, the others thin."""
    thin: dict[str, Any] = {"color": MUTED, "linewidth": 0.8, "alpha": 0.6}
    for name in curves:
        if name not in named:
            axes.plot(*curves[name][:2], zorder=2, **thin)
    for name, (colour, dash, _) in zip(named, SERIES_STYLES, strict=False):
        x, y, area = curves[name]
        label = f"{shortened(name, 16)} {area:.3f}"
        axes.plot(x, y, color=colour, linestyle=dash, linewidth=1.8, zorder=3, label=label)
    rest = len(curves) - len(named)
    if rest:
        axes.plot([], [], label=f"{rest} other class{'es' if rest > 1 else ''}", **thin)


def _uprights(
    axes: Axes, points: Sequence[tuple[float, float, Ends | None]], colour: str, zorder: int
) -> None:
    """The interval of each point as an upright line."""
    for x, _, interval in points:
        if interval is not None:
            ends: dict[str, Any] = {"linewidth": 4, "alpha": 0.3, "solid_capstyle": "butt"}
            axes.plot([x, x], interval, color=colour, zorder=zorder, **ends)


def _points(
    axes: Axes, points: Sequence[tuple[float, float, Ends | None]], colour: str, marker: str, label: str
) -> None:
    _uprights(axes, points, colour, 3)
    x, y, _ = zip(*points, strict=True)
    edge: dict[str, Any] = {"linestyle": "", "markersize": 7, "markeredgecolor": PAPER, "markeredgewidth": 1}
    axes.plot(x, y, color=colour, marker=marker, label=label, zorder=4, **edge)


def _require_places(groups: Sequence[Sequence[int]], rows: int) -> None:
    for group in groups:
        if not group or not all(0 <= place < rows for place in group):
            raise DataError(
                "interval figure: group", expected=f"places of rows, 0 to {rows - 1}", got=str(list(group))
            )


def _group_bars(axes: Axes, groups: Sequence[Sequence[int]]) -> None:
    """One upright bar a group beside the rows, a dot at each of its members."""
    styled(axes, grid="")
    axes.tick_params(labelleft=False, labelbottom=False)
    for place, group in enumerate(groups):
        axes.plot([place, place], [min(group), max(group)], color=INK, linewidth=3, solid_capstyle="round")
        axes.plot([place] * len(group), group, color=INK, linestyle="", marker="o", markersize=6)
    axes.set_xlim(-0.8, len(groups) - 0.2)
    axes.set_xticks([])
    axes.set_xlabel("not told\napart")


def _log_axis(axes: Axes) -> None:
    """Counts on a log scale, with round numbers as they are written."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(
        LogLocator(base=10, subs=(1.0, 2.0, 5.0) if high / low < 3000 else (1.0,), numticks=20)
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(_PLAIN)


def _accuracy_limits(axes: Axes, values: Sequence[float]) -> None:
    """From a little below the lowest value to a little above the highest, at most 100 %:
    a wide band must not flatten the points.
    """
    seen: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    margin = max(0.01, 0.08 * float(np.ptp(seen)))
    axes.set_ylim(max(-0.01, float(seen.min()) - margin), min(1.01, float(seen.max()) + margin))
    ticks(axes.yaxis, 6, PERCENT, steps=[1, 2, 5, 10])


def _legend_above(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    # About what a label and its line take; what does not fit into one row stands in columns of three.
    columns = len(labels) if sum(7 * len(label) + 54 for label in labels) < WIDTH else 3
    room = {"handlelength": 2.6, "columnspacing": 1.6, "borderaxespad": 0.2}
    legend_above(axes.figure, handles, [shortened(label, 34) for label in labels], ncols=columns, **room)


class CostPoint(NamedTuple):
    """A model: accuracy 0..1 with its interval, and pictures read a second."""

    name: str
    accuracy: float
    interval: tuple[float, float]
    speed: float


def cost_figure(rows: Sequence[CostPoint]) -> str:
    """Accuracy (with interval) over pictures a second (logarithmic): up is better, right is faster."""
    if not rows or min(row.speed for row in rows) <= 0:
        raise DataError(
            "accuracy against speed",
            expected="at least one model with a speed above 0",
            got=f"{len(rows)} models",
        )
    figure = canvas(820, 300)
    axes = styled(figure.subplots(), grid="both")
    axes.set_xscale("log")
    for row in rows:
        interval_line(axes, [row.speed] * 2, row.interval, AFTER)
        axes.plot([row.speed], [row.accuracy], color=AFTER, marker="o", markersize=8, linestyle="", zorder=3)
        beside(axes, shortened(row.name, 28), (row.speed, row.accuracy), 9)
    speeds = [row.speed for row in rows]
    # Room for the name of the fastest model, right of its point.
    axes.set_xlim(min(speeds) / 1.6, max(speeds) * max(2.5, (max(speeds) / min(speeds)) ** 0.3))
    axes.set(xlabel="pictures a second", ylabel="accuracy, %")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 500 else (1.0,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    ticks(axes.yaxis, 5, PERCENT)
    words = ", ".join(f"{row.name} {100 * row.accuracy:.1f} % at {row.speed:,.0f}" for row in rows)
    return svg(figure, f"Accuracy against pictures a second: {words}")
