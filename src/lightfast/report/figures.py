"""The figures of a report, each from plain numbers to SVG text (see `report.drawing` for their colours)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import ArrayLike

from lightfast.base.errors import DataError
from lightfast.report.drawing import (
    AFTER,
    BEFORE,
    FONT_SIZE,
    INK,
    LINE,
    MUTED,
    ON_COLOUR,
    PAPER,
    PERCENT,
    SMALL,
    WRONG,
    beside,
    canvas,
    interval_line,
    legend,
    legend_above,
    link,
    named_rows,
    quarter_ticks,
    require_some,
    share_label,
    shortened,
    styled,
    svg,
    ticks,
)

WIDTH = 820
# Where dark and light letters stand out equally from a tile: 0.8 on the light page, 0.65 on the dark one.
_ON_COLOUR_ABOVE = 0.72
_COLOURS = {"before": BEFORE, "after": AFTER}


def training_curves(history: Sequence[Mapping[str, Any]]) -> str:
    """Loss, accuracy and learning rate over the epochs.

    Args:
        history: one mapping an epoch: `epoch`, and any of `train_loss`, `val_loss`, `train_accuracy`,
            `val_accuracy`, `lr`.
    """
    require_some(history, "training curves", "epoch")
    panels = [
        panel
        for panel in (
            ("Loss", "train_loss", "val_loss"),
            ("Accuracy, %", "train_accuracy", "val_accuracy"),
            ("Learning rate", "lr", ""),
        )
        if any(_series(history, key)[1] for key in panel[1:])
    ]
    figure = canvas(WIDTH, 230, gaps=(0.08, 0.0))
    all_axes = np.atleast_1d(figure.subplots(1, max(1, len(panels))))
    for axes, (title, train, val) in zip(all_axes, panels, strict=True):
        _history_panel(styled(axes, title=title), history, train, val)
    numbers = (f"{key} {value:.4g}" for key, value in history[-1].items() if isinstance(value, int | float))
    return svg(figure, f"Training curves over {len(history)} epochs; last epoch: {', '.join(numbers)}")


def _history_panel(axes: Axes, history: Sequence[Mapping[str, Any]], train: str, val: str) -> None:
    for key, label, colour in ((train, "train", BEFORE), (val, "validation", AFTER)):
        epochs, values = _series(history, key)
        if values:
            axes.plot(
                epochs,
                values,
                color=colour if val else MUTED,
                linewidth=2,
                label=label if val else "",
                # Many epochs are a line; few are seen only as points.
                marker="o" if len(values) < 12 else "",
                markersize=4,
                solid_capstyle="round",
            )
    if len(axes.lines) == 2:
        legend(axes, loc="best")
    axes.set_xlabel("epoch")
    ticks(axes.xaxis, 5, integer=True, min_n_ticks=1)
    ticks(axes.yaxis, 4)
    axes.yaxis.set_major_formatter(
        PERCENT if train == "train_accuracy" else FuncFormatter(lambda value, _: f"{value:g}")
    )


def confusion_figure(
    confusion: ArrayLike,
    class_names: Sequence[str],
    width: int = 400,
    anchors: Mapping[tuple[int, int], str] | None = None,
) -> str:
    """Rows = given label, columns = predicted label; shade = share of the row, errors in the colour of
    errors.

    Args:
        confusion: counts (K, K).
        class_names: K names.
        width: of the drawing in CSS pixels (its height is about the same).
        anchors: (row, column) → id on the page that a click on this cell leads to; cells without pictures
            have none.
    """
    counts = np.asarray(confusion)
    classes = len(class_names)
    if counts.shape != (classes, classes) or classes == 0:
        raise DataError(
            "confusion matrix",
            expected=f"shape ({classes}, {classes}), one row a class name",
            got=str(counts.shape),
        )
    figure = canvas(width, width)
    axes = styled(figure.subplots(), grid="")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Errors are few: their shade starts higher and rises faster, or a share of 2 % could not be seen.
    font = min(FONT_SIZE, 0.36 * width / classes)
    for row, column in zip(*np.nonzero(counts), strict=True):
        share = shares[row, column]
        hit = row == column
        strength = 0.08 + 0.92 * share if hit else min(1.0, 0.12 + 0.88 * math.sqrt(share))
        text = f"{counts[row, column]:,}" if classes <= 15 else ""
        tile = _tile(axes, (row, column), AFTER if hit else WRONG, strength, text, font)
        if anchors and (row, column) in anchors:
            link(
                tile,
                anchors[row, column],
                f"{class_names[row]} read as {class_names[column]}: {counts[row, column]:,}",
            )
    names = [shortened(name, 12) for name in class_names]
    _tile_axes(axes, names, names, font=min(SMALL, 0.55 * width / classes))
    axes.set_xlabel("predicted label")
    axes.set_ylabel("given label")
    axes.set_aspect("equal")
    right = int(counts.trace())
    return svg(
        figure,
        f"Confusion matrix of {classes} classes: {right:,} of {int(counts.sum()):,} pictures on the diagonal",
    )


def severity_curves(
    curves: Mapping[str, Mapping[str, Any]], severities: Sequence[int] = (1, 2, 3, 4, 5)
) -> str:
    """Accuracy over severity, one small panel a corruption, all on one scale.

    Args:
        curves: corruption → {"before": accuracies (S,) in 0..1, "after": the same or absent,
            "before_interval", "after_interval": (low, high) pairs (S, 2), or absent}.
        severities: S severity numbers.
    """
    require_some(curves, "severity curves", "corruption")
    columns = min(5, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = canvas(WIDTH, 40 + 132 * rows, gaps=(0.06, 0.08))
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)).ravel()
    for place, (axes, (name, series)) in enumerate(zip(panels, curves.items(), strict=False)):
        styled(axes)
        axes.set_title(
            shortened(name.replace("_", " "), 20), fontsize=FONT_SIZE, color=INK, loc="left", pad=5
        )
        _severity_panel(axes, series, severities)
        # Panels without another below them carry the severities.
        axes.tick_params(labelbottom=place + columns >= len(curves))
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    panels[0].set_ylim(0, 1.04)
    ticks(panels[0].yaxis, FixedLocator([0, 0.5, 1]), PERCENT)
    panels[0].set_xlim(min(severities) - 0.3, max(severities) + 0.3)
    panels[0].xaxis.set_major_locator(FixedLocator(list(severities)))
    measured = {
        key: values
        for key in _COLOURS
        if (values := [series[key] for series in curves.values() if key in series])
    }
    lines = [Line2D([], [], color=_COLOURS[key], linewidth=2, marker="o", markersize=3.5) for key in measured]
    legend_above(figure, lines, list(measured), ncols=2)
    figure.supxlabel("severity", fontsize=SMALL, color=MUTED)
    figure.supylabel("accuracy, %", fontsize=SMALL, color=MUTED)
    means = ", ".join(f"{key} {share_label(float(np.mean(values)))}" for key, values in measured.items())
    return svg(figure, f"Accuracy by severity for {len(curves)} corruptions; mean {means}")


def before_after(
    rows: Sequence[tuple[str, float, float, Sequence[float] | None, Sequence[float] | None]],
) -> str:
    """One line a row: the accuracy before and after, joined, each with its interval.

    Args:
        rows: (name, before, after, before_interval, after_interval); accuracies in 0..1, intervals (low,
            high) or None.
    """
    require_some(rows, "before and after", "row")
    figure = canvas(WIDTH, 62 + 34 * len(rows))
    axes = styled(figure.subplots(), grid="x")
    places = np.arange(len(rows))
    for place, (_, before, after, *intervals) in zip(places, rows, strict=True):
        _before_after_row(axes, float(place), (before, after), intervals)
    axes.scatter([row[1] for row in rows], places, s=52, color=BEFORE, zorder=3, label="before", linewidths=0)
    axes.scatter([row[2] for row in rows], places, s=52, color=AFTER, zorder=4, label="after", linewidths=0)
    named_rows(axes, [row[0] for row in rows])
    lowest = min(min(row[1], row[2], *(row[3] or ()), *(row[4] or ())) for row in rows)
    axes.set_xlim(max(0.0, lowest - 0.04), 1.03)
    ticks(axes.xaxis, 6, steps=[1, 2, 5, 10])
    axes.set_xticks([tick for tick in axes.get_xticks() if lowest - 0.04 <= tick <= 1 + 1e-9])
    axes.xaxis.set_major_formatter(PERCENT)
    axes.set_xlabel("accuracy, %")
    legend(axes, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, columnspacing=1.4)
    words = "; ".join(
        f"{name}: {share_label(before)} before, {share_label(after)} after"
        for name, before, after, *_ in rows
    )
    return svg(figure, f"Accuracy before and after. {words}")


def _before_after_row(
    axes: Axes, place: float, shares: tuple[float, float], intervals: Sequence[Sequence[float] | None]
) -> None:
    axes.plot(shares, [place, place], color=LINE, linewidth=3, zorder=1, solid_capstyle="round")
    ends = list(shares)
    for interval, colour in zip(intervals, _COLOURS.values(), strict=True):
        if interval is not None:
            interval_line(axes, interval, [place, place], colour)
            ends.append(interval[1])
    beside(axes, f"{100 * shares[1]:.1f}", (max(ends), place), 9)


def reliability_diagram(bins: Sequence[Any]) -> str:
    """How often right, against how sure: the diagonal is honest, below it is overconfident.

    Args:
        bins: rows with `low`, `high`, `count`, `accuracy`,
            `confidence` and `interval` (`evaluate.calibration.reliability`).
    """
    figure = canvas(400, 400)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
    styled(upper, grid="both")
    styled(lower, grid="")
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for row in bins:
        interval_line(upper, [row.confidence] * 2, row.interval, AFTER)
    upper.plot(
        [row.confidence for row in bins],
        [row.accuracy for row in bins],
        color=AFTER,
        marker="o",
        markersize=6,
        linewidth=1.5,
        zorder=3,
    )
    lower.bar(
        [row.low for row in bins],
        [row.count for row in bins],
        width=[(row.high - row.low) * 0.88 for row in bins],
        align="edge",
        color=BEFORE,
    )
    upper.set(xlim=(0, 1.02), ylim=(0, 1.02), ylabel="right, %")
    lower.set(ylabel="pictures", xlabel="confidence, %")
    ticks(lower.yaxis, 2, integer=True)
    quarter_ticks(upper)
    total = max(1, sum(row.count for row in bins))
    gap = sum(row.count / total * abs(row.accuracy - row.confidence) for row in bins)
    return svg(
        figure,
        f"Reliability diagram of {total:,} pictures: mean gap between confidence and accuracy "
        f"{share_label(gap)}",
    )


def _series(history: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Epochs and values of `key`, epochs without it left out."""
    rows = [(row.get("epoch", place), row.get(key)) for place, row in enumerate(history, start=1)]
    known = [(float(epoch), float(value)) for epoch, value in rows if value is not None]
    return [epoch for epoch, _ in known], [value for _, value in known]


def _severity_panel(axes: Axes, series: Mapping[str, Any], severities: Sequence[int]) -> None:
    for key, colour in _COLOURS.items():
        if key not in series:
            continue
        interval = series.get(f"{key}_interval")
        if interval is not None:
            low, high = np.asarray(interval, dtype=np.float64).T
            axes.fill_between(severities, low, high, color=colour, alpha=0.22, linewidth=0)
        dots: dict[str, Any] = {"linewidth": 2, "marker": "o", "markersize": 3.5}
        axes.plot(severities, series[key], color=colour, solid_capstyle="round", **dots)
    if "before" in series and "after" in series:
        axes.fill_between(severities, series["before"], series["after"], color=AFTER, alpha=0.07, linewidth=0)


def _tile(
    axes: Axes, place: tuple[int, int], colour: str, strength: float, text: str, font: float
) -> Rectangle:
    """One cell of a matrix: the colour at `strength` over the page,
    so that it works on light and dark pages.
    """
    row, column = place
    tile = Rectangle(
        (column - 0.5, row - 0.5), 1, 1, facecolor=colour, alpha=strength, edgecolor=PAPER, linewidth=1.5
    )
    axes.add_patch(tile)
    if text:
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=font,
            color=ON_COLOUR if strength > _ON_COLOUR_ABOVE else INK,
        )
    return tile


def _tile_axes(axes: Axes, row_names: Sequence[str], column_names: Sequence[str], font: float) -> None:
    axes.set_xlim(-0.5, len(column_names) - 0.5)
    axes.set_ylim(len(row_names) - 0.5, -0.5)
    axes.set_xticks(
        range(len(column_names)), column_names, rotation=90 if max(map(len, column_names)) > 3 else 0
    )
    axes.set_yticks(range(len(row_names)), row_names)
    axes.tick_params(labelsize=font)
