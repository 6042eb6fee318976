"""Six hypotheses on model and data, with regression and a human baseline (the drawings study)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightfast.base.plain import as_json
from lightfast.data.dataset import LoadedData
from lightfast.data.export import save_npz
from lightfast.evaluate.compare_many import Comparison, compare
from lightfast.experiments.levels import (
    INTERVAL_METHOD,
    Level,
    accuracy,
    class_regression,
    held_out_forecast,
    last_loss,
    levels,
    recall_of,
    size_curve,
)
from lightfast.experiments.sweep import PointResult
from lightfast.pages.sweep import regression_section
from lightfast.report.page import Section
from lightfast.statistics.regression import Regression
from lightfast.studies.people import People, people_on
from lightfast.studies.quickdraw import figures as drawn
from lightfast.studies.quickdraw import tables
from lightfast.studies.quickdraw.networks import (
    DRAWING_ROWS,
    GRIDS,
    PAPER_GRID,
    QUICK_EPOCHS,
    DrawingsData,
    Grid,
    drawings_data,
    h3_points,
    h4_points,
    h5_points,
    majority_cut,
    sweep_results,
)
from lightfast.studies.quickdraw.strokes import (
    strokes_json,
    strokes_notes,
    strokes_sections,
    strokes_tables,
    while_drawn_here,
)
from lightfast.studies.registry import STUDIES, Study, StudyOptions, StudyResult
from lightfast.studies.rows import Outcome, outcome_of, splits_json, training_speed

PICTURES_FILE, PEOPLE_FOLDER = "drawings.npz", "human"


@dataclass(frozen=True, eq=False)
class Models:
    """H1 and H2: the networks after training, their training speeds (pictures a second of processor time),
    all pairs, and people.
    """

    outcomes: Sequence[Outcome]
    speeds: Sequence[float]
    comparison: Comparison
    people: People


@dataclass(frozen=True, eq=False)
class Sweeps:
    """The measured points of H3, H4, and H5 with H6."""

    sizes: Sequence[PointResult]
    imbalance: Sequence[PointResult]
    classes: Sequence[PointResult]


def run_quickdraw(options: StudyOptions) -> StudyResult:
    """Train the paper's three networks and ours, run the sweeps of H3 to H6, score what people answered.

    Parts and points that were finished before are found again in `options.out`.
    Raises DataError when, at scale "paper", the drawings are not at hand.
    """
    data, grid = drawings_data(options), GRIDS[options.scale]
    models = _models(options, data)
    sweeps = _sweeps(options, data, grid)
    drawn_parts = while_drawn_here(options)
    regression = class_regression(sweeps.classes)
    loss_regression = class_regression(sweeps.classes, last_loss, "loss")
    forecast = told, measured = held_out_forecast(sweeps.sizes, options.seed)
    inside = told.low <= measured <= told.high
    minority, name = imbalance_levels(sweeps, data), data.pair_names[1]
    figures = {
        "data": "quickdraw" if not data.stand_in else "mnist-5k",
        "stand_in": data.stand_in,
        **splits_json(data.splits),
        "n_fresh": len(data.pair[1]),
        "rows": _rows_json(models, len(data.splits.train)),
        "comparison": models.comparison,
        "h3": levels(sweeps.sizes, accuracy),
        "h3_curve": size_curve(sweeps.sizes, options.seed),
        "h3_forecast": {**as_json(told), "measured": measured, "inside": inside},
        "h4": minority,
        "h4_accuracy": levels(sweeps.imbalance, accuracy),
        "h5_h6_levels": levels(sweeps.classes, accuracy),
        "interval_method": INTERVAL_METHOD,
        "points": {"h3": sweeps.sizes, "h4": sweeps.imbalance, "h5_h6": sweeps.classes},
        "h5_h6": tables.regression_json(regression, grid),
        "h5_h6_loss": tables.regression_json(loss_regression, grid),
        "human": models.people.result,
        "strokes": strokes_json(drawn_parts),
    }
    found = (
        tables.model_table(models.outcomes, models.speeds, models.people, data, options.seed),
        tables.pairs_table(models.comparison),
        tables.size_table(sweeps.sizes, forecast, grid.epochs[0]),
        tables.imbalance_table(sweeps.imbalance, minority, name, grid),
        tables.remedy_table(minority, name),
        tables.regression_table((regression, loss_regression), len(data.splits.test), grid),
        *strokes_tables(drawn_parts, options.seed),
    )
    return options.result(
        "quickdraw",
        "Six hypotheses on model and data (Quick, Draw!)",
        found,
        figures,
        notes=(*data.notes, *_method_notes(grid), *strokes_notes(drawn_parts)),
        seconds={outcome.row.part: outcome.seconds for outcome in models.outcomes},
        sections=(*_sections(options, sweeps, data, regression), *strokes_sections(drawn_parts)),
    )


def _sections(
    options: StudyOptions, sweeps: Sweeps, data: DrawingsData, regression: Regression
) -> tuple[Section, ...]:
    """The paper's Figures 8 to 11 beside ours, and the regression of the last two."""
    minority, name, grid = imbalance_levels(sweeps, data), data.pair_names[1], GRIDS[options.scale]
    return (
        drawn.size_section(sweeps.sizes, grid.epochs[0], options.seed),
        drawn.imbalance_section(sweeps.imbalance, minority, name, grid),
        drawn.classes_section(sweeps.classes, grid),
        regression_section(regression, "H5 and H6: classes and rows"),
    )


def _rows_json(models: Models, pictures: int) -> list[dict[str, Any]]:
    """Every row with its speed and its time to converge; `pictures` an epoch."""
    return [
        {**outcome.as_json(), "pictures_per_cpu_second": speed, **tables.converged(outcome, speed, pictures)}
        for outcome, speed in zip(models.outcomes, models.speeds, strict=True)
    ]


def _models(options: StudyOptions, data: DrawingsData) -> Models:
    rows = DRAWING_ROWS if options.scale == "paper" else [row.quick(QUICK_EPOCHS) for row in DRAWING_ROWS]
    outcomes = [outcome_of(options, row, data.splits) for row in rows]
    speeds = [training_speed(row, data.splits, options) for row in rows]
    comparison = compare([outcome.predictions for outcome in outcomes], seed=options.seed)
    people = people_on(
        _kept_pictures(options, data), options.out / PEOPLE_FOLDER, options, outcomes[-1].predictions
    )
    return Models(outcomes, speeds, comparison, people)


def _sweeps(options: StudyOptions, data: DrawingsData, grid: Grid) -> Sweeps:
    held = (data.fitted, data.splits.test)
    return Sweeps(
        sweep_results(options, "h3", h3_points(grid), held, grid.epochs[0]),
        sweep_results(
            options,
            "h4",
            h4_points(grid, data.pair_names[1]),
            (majority_cut(data, grid), data.pair[1]),
            grid.epochs[1],
        ),
        sweep_results(options, "h5", h5_points(grid), held, grid.epochs[2]),
    )


def _kept_pictures(options: StudyOptions, data: DrawingsData) -> Path:
    """The study's own parts as a file that `lightfast human` can read,
    so that people see the pictures that the models are scored on.
    """
    path = options.out / PICTURES_FILE
    if not path.is_file():
        save_npz(path, LoadedData(train=data.fitted, test=data.splits.test))
    return path


def imbalance_levels(sweeps: Sweeps, data: DrawingsData) -> tuple[Level, ...]:
    """Recall of the minority at every count and remedy."""
    name, test = data.pair_names[1], data.pair[1]
    carried = int((test.require_labels() == test.class_names.index(name)).sum())
    return levels(sweeps.imbalance, recall_of(name), lambda _: carried)


def _method_notes(grid: Grid) -> tuple[str, ...]:
    return (
        "The paper's networks are those of its Figures 5 to 7, layer by layer; what else differs stands "
        f"beside each row. {tables.CONVERGED}",
        "H3 to H6 fit CNN 1 with Adam at 0.001 in batches of 32 for a fixed number of epochs "
        f"({', '.join(map(str, grid.epochs))} for H3, for H4, and for H5 with H6); the held-out pictures are "
        "watched at every epoch, and nothing is chosen on them. The paper: 10 epochs for H3, not told for "
        f"the others; H5 and H6 over {PAPER_GRID}, here {grid.span}; it does not name the network of H3 to "
        f"H6.",
        "Every point is drawn and trained anew for each repeat; larger cuts of one repeat hold the smaller "
        "ones.",
        "Speed is measured apart from the trainings, in pictures a second of processor time on one core.",
    )


STUDIES.add("quickdraw", Study("quickdraw", run_quickdraw))
