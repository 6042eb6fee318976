"""The page of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.base.plain import FLAT
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.page import Card, Cards, Figure, Folded, Section, SectionPart, Table, Text, write_page
from lightfast.report.statistics import learning_curve_figure, lines_figure, residual_figure
from lightfast.report.tables import duration, percent, percent_range, share_cell
from lightfast.statistics.intervals import Interval, p_text
from lightfast.statistics.regression import Regression

if TYPE_CHECKING:
    from lightfast.experiments.levels import Level, SweepSummary
    from lightfast.experiments.sweep import SweepPoint
    from lightfast.train.recipe import Recipe

OVER = {"train_size": "training pictures", "classes": "classes", "imbalance": "rare class"}
REMEDY = {
    "none": "no remedy",
    "weights": "class weights",
    "sampling": "balanced sampling",
    "augment": "minority augmentation",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class SweepResult(Envelope):
    """What `sweep` found.

    Attributes:
        found: every measured point, the levels and the models through them.
        model, recipe: what was trained.
        n_train, n_test: training pictures to cut from; held-out pictures.
        held_out: what the levels were scored on.
        test_version: `ImageSet.version` of the held-out pictures.
    """

    found: SweepSummary = field(metadata=FLAT)
    model: str
    recipe: Recipe
    n_train: int
    n_test: int
    held_out: str = "the same pictures at every level (those of its classes); nothing is chosen on them"
    test_version: str
    seconds: float = 0.0


def write_sweep_page(path: Path, result: SweepResult) -> Path:
    """The report: what may be concluded, the curve, the levels, the regression with its residuals."""
    found = result.found
    sections = [
        Section("Result", (_cards(result), *map(Text, found.sentences), *noted(result))),
        Section("Levels", (_figure(found), *_tables(found))),
    ]
    if found.regression is not None:
        sections.append(regression_section(found.regression))
    title = f"{result.model} on {result.data}: sweep over {OVER[found.over]}"
    subtitle = f"{len(found.points)} trainings, {found.repeats} a level, {result.n_test:,} held-out pictures."
    return write_page(path, title, subtitle, sections, result.provenance)


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


def _cards(result: SweepResult) -> Cards:
    found = result.found
    best = max(found.shown, key=lambda level: level.value)
    cards = [
        Card(
            percent(best.value),
            f"highest {found.measure}",
            f"{level_name(best.point)}; 95 % interval {percent_range(best.interval)}",
            "strong",
        )
    ]
    if needed := found.needed:
        more = "out of reach" if needed.more is None else f"{needed.more:,}"
        detail = "" if needed.minutes is None else f"about {duration(60 * needed.minutes)} of labelling"
        cards.append(Card(more, f"more pictures for {percent(needed.target, 0)}", detail))
    cards.append(Card(str(len(found.points)), "trainings", duration(result.seconds)))
    return Cards(
        tuple(cards),
        "All levels were scored on the same held-out pictures; nothing was chosen on them. Seed "
        f"{result.seed}.",
    )


def _figure(found: SweepSummary) -> Figure:
    if found.over == "train_size":
        measured = [(level.n_train, level.value, level.interval) for level in found.levels]
        band = [astuple(one)[:4] for one in found.forecast]
        return Figure(
            learning_curve_figure(measured, band, found.sweep_options.target),
            "Measured levels with 95 % intervals; the band holds 95 % of new measurements.",
        )
    if found.over == "imbalance":
        return Figure(
            minority_figure(found.minority_recall, str(found.minority)),
            "Recall of the rare class with 95 % intervals.",
        )
    series: dict[int, list[tuple[float, float, Interval | None]]] = {}
    for level in found.levels:
        dots = series.setdefault(level.point.rows or 0, [])
        dots.append((level.point.classes or 0, level.value, level.interval))
    named = {f"{rows:,} pictures a class": series[rows] for rows in sorted(series)[:6]}
    return Figure(
        lines_figure(named, x_label="classes", y_label="accuracy, %"), "Accuracy with 95 % intervals."
    )


def _tables(found: SweepSummary) -> tuple[SectionPart, ...]:
    tables = [levels_table(found.levels, "accuracy")]
    if found.minority:
        tables.insert(0, levels_table(found.shown, found.measure))
    note = Text(f"Intervals, {found.interval_method}.", note=True)
    if len(found.levels) > 20:
        return Folded("The numbers behind the figure", tuple(tables)), note
    return *tables, note


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
