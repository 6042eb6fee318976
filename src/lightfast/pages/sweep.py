"""The page of a sweep, and what it says on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lightfast.experiments.levels import Level
from lightfast.experiments.sweep import SweepPoint
from lightfast.report.noted import noted_dicts
from lightfast.report.page import Card, Cards, Figure, Folded, Section, SectionPart, Table, Text, write_page
from lightfast.report.statistics import learning_curve_figure, lines_figure, residual_figure
from lightfast.report.tables import duration, percent, percent_range, share_cell
from lightfast.statistics.intervals import p_text
from lightfast.statistics.regression import Regression

if TYPE_CHECKING:
    from lightfast.experiments.levels import SweepResult

OVER = {"train_size": "training pictures", "classes": "classes", "imbalance": "rare class"}
REMEDY = {
    "none": "no remedy",
    "weights": "class weights",
    "sampling": "balanced sampling",
    "augment": "minority augmentation",
}


def write_sweep_page(
    path: Path, swept: SweepResult, metrics: Mapping[str, Any], facts: Mapping[str, Any]
) -> Path:
    """The report: what may be concluded, the curve, the levels, the regression with its residuals."""
    over = swept.sweep_options.over
    sections = [
        Section(
            "Result",
            (
                _cards(swept, metrics),
                *(Text(text) for text in metrics["sentences"]),
                *noted_dicts(metrics["notes"], metrics["unreadable"]),
            ),
        )
    ]
    sections.append(Section("Levels", _levels_parts(swept, metrics)))
    if swept.regression is not None:
        sections.append(regression_section(swept.regression))
    title = f"{metrics['model']} on {metrics['data']}: sweep over {OVER[over]}"
    subtitle = (
        f"{len(swept.measured)} trainings, {swept.sweep_options.repeats} a level, {metrics['n_test']:,} "
        "held-out "
        "pictures."
    )
    return write_page(path, title, subtitle, sections, facts)


def regression_section(regression: Regression, title: str = "Regression") -> Section:
    """Coefficients with intervals and p-values, R², and the residual plot."""
    rows = tuple(
        (
            one.name,
            f"{one.value:.5g}",
            f"{one.interval[0]:.5g} to {one.interval[1]:.5g}",
            f"{one.standard_error:.3g}",
            p_text(one.p_value),
        )
        for one in regression.coefficients
    )
    scatter = regression.breusch_pagan_p
    uneven = (
        ""
        if scatter is None
        else f" Breusch–Pagan p = {scatter:.3f} (small: the scatter is uneven, which HC3 allows for)."
    )
    notes = (
        f"{regression.response} in 0..1; ordinary least squares, n = {regression.n:,}, errors robust against "
        f"uneven scatter ({regression.covariance}); R² = {regression.r_squared:.3f}, adjusted "
        f"{regression.adjusted_r_squared:.3f}.{uneven}",
    )
    table = Table(
        ("coefficient", "value", "95 % interval", "standard error", "p"),
        rows,
        f"What moves {regression.response}",
        notes,
    )
    figure = Figure(
        residual_figure(regression.fitted, regression.residuals, label=f"{regression.response}, %"),
        "What the line leaves over. Left: a bend would mean that the true course is not a line. Right: "
        "points on the line would be normal.",
    )
    return Section(title, (table, figure))


def _cards(swept: SweepResult, metrics: Mapping[str, Any]) -> Cards:
    shown = swept.minority_levels or swept.levels
    best = max(shown, key=lambda level: level.value)
    what = f"recall of {swept.minority}" if swept.minority_levels else "accuracy"
    detail = f"{level_name(best.point)}; 95 % interval {percent_range(best.interval)}"
    cards = [Card(percent(best.value), f"highest {what}", detail, "strong")]
    if swept.needed is not None:
        more = "out of reach" if swept.needed.more is None else f"{swept.needed.more:,}"
        detail = (
            ""
            if swept.needed.minutes is None
            else f"about {duration(60 * swept.needed.minutes)} of labelling"
        )
        cards.append(Card(more, f"more pictures for {percent(swept.needed.target, 0)}", detail))
    cards.append(Card(str(len(swept.measured)), "trainings", duration(metrics["seconds"])))
    return Cards(
        tuple(cards),
        "All levels were scored on the same held-out pictures; nothing was chosen on them. Seed "
        f"{metrics['seed']}.",
    )


def _levels_parts(swept: SweepResult, metrics: Mapping[str, Any]) -> tuple[SectionPart, ...]:
    parts: list[SectionPart] = []
    over = swept.sweep_options.over
    if over == "train_size":
        measured = [(level.n_train, level.value, level.interval) for level in swept.levels]
        curve = [] if swept.curve is None else [_forecast(swept, size) for size in _along(swept)]
        figure = learning_curve_figure(measured, curve, swept.sweep_options.target)
        parts.append(
            Figure(figure, "Measured levels with 95 % intervals; the band holds 95 % of new measurements.")
        )
    elif over == "classes":
        rows = sorted({level.point.rows or 0 for level in swept.levels})[:6]
        series = {
            f"{row:,} pictures a class": [
                (level.point.classes or 0, level.value, level.interval)
                for level in swept.levels
                if level.point.rows == row
            ]
            for row in rows
        }
        parts.append(
            Figure(
                lines_figure(series, x_label="classes", y_label="accuracy, %"),
                "Accuracy with 95 % intervals.",
            )
        )
    else:
        parts.append(
            Figure(
                minority_figure(swept.minority_levels, swept.minority),
                "Recall of the rare class with 95 % intervals.",
            )
        )
    tables = [levels_table(swept.levels, "accuracy")]
    if swept.minority_levels:
        tables.insert(0, levels_table(swept.minority_levels, f"recall of {swept.minority}"))
    note = Text(f"Intervals, {metrics['interval_method']}.", note=True)
    return (
        *parts,
        *(tables if len(swept.levels) <= 20 else [Folded("The numbers behind the figure", tuple(tables))]),
        note,
    )


def minority_figure(shown: Sequence[Level], name: str) -> str:
    """Recall of the rare class over its pictures, one series a remedy."""
    series = {
        REMEDY[balance]: [
            (level.point.minority[1], level.value, level.interval)
            for level in shown
            if level.point.balance == balance and level.point.minority
        ]
        for balance in REMEDY
    }
    return lines_figure(
        {key: points for key, points in series.items() if points},
        x_label=f"training pictures of {name}",
        y_label="recall, %",
        log_x=True,
    )


def levels_table(shown: Sequence[Level], what: str) -> Table:
    """One row a level."""
    rows = tuple(
        (
            level_name(level.point),
            f"{level.n_train:,}",
            str(level.repeats),
            f"{level.n_test:,}",
            share_cell(level.value, level.interval),
        )
        for level in shown
    )
    return Table(
        ("level", "training pictures", "repeats", "held out", what),
        rows,
        f"{what[0].upper()}{what[1:]} by level",
    )


def level_name(point: SweepPoint) -> str:
    """A level in words."""
    if point.train_size is not None:
        return f"{point.train_size:,} pictures"
    if point.classes is not None:
        return f"{point.classes} classes" + (f" × {point.rows:,}" if point.rows else "")
    name, count = point.minority or ("", 0)
    return f"{count:,} of {name}, {REMEDY[point.balance]}"


def _along(swept: SweepResult) -> list[int]:
    """Sizes along the curve: from the smallest measured to where the target is reached,
    at most ten times the largest.
    """
    sizes = [level.n_train for level in swept.levels]
    end = max(sizes) * 2
    if swept.needed is not None and swept.needed.more:
        end = min(max(end, max(sizes) + swept.needed.more), 10 * max(sizes))
    return np.unique(np.geomspace(min(sizes), end, 40).round().astype(int)).tolist()


def _forecast(swept: SweepResult, size: int) -> tuple[float, float, float, float]:
    assert swept.curve is not None
    told = swept.curve.predict(size)
    return told.n, told.accuracy, told.low, told.high
