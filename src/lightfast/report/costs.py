"""Accuracy against speed: one point a model, so that one sees what a further point of accuracy costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from lightfast.base.errors import DataError
from lightfast.report.drawing import AFTER, INK, SMALL, canvas, styled, svg


class Priced(NamedTuple):
    """A model: accuracy 0..1 with its interval, and pictures read a second."""

    name: str
    accuracy: float
    interval: tuple[float, float]
    speed: float


def cost_figure(rows: Sequence[Priced]) -> str:
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
        axes.plot(
            [row.speed] * 2,
            row.interval,
            color=AFTER,
            linewidth=5,
            alpha=0.35,
            solid_capstyle="round",
            zorder=2,
        )
        axes.plot([row.speed], [row.accuracy], color=AFTER, marker="o", markersize=8, linestyle="", zorder=3)
        axes.annotate(
            row.name if len(row.name) <= 28 else row.name[:27] + "…",
            (row.speed, row.accuracy),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=SMALL,
        )
    speeds = [row.speed for row in rows]
    # Room for the name of the fastest model, right of its point.
    axes.set_xlim(min(speeds) / 1.6, max(speeds) * max(2.5, (max(speeds) / min(speeds)) ** 0.3))
    axes.set(xlabel="pictures a second", ylabel="accuracy, %")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 500 else (1.0,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))
    return svg(
        figure,
        "Accuracy against pictures a second: "
        + ", ".join(f"{row.name} {100 * row.accuracy:.1f} % at {row.speed:,.0f}" for row in rows),
    )
