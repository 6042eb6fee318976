"""The page of a comparison: what may be concluded, the intervals, the cost beside the accuracy, every pair,
and where the runs disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from lightfast.base.plain import FLAT, HIDDEN
from lightfast.pages.paired import paired_cells
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.page import (
    Card,
    Cards,
    Cell,
    Figure,
    Folded,
    Gallery,
    Section,
    SectionPart,
    Table,
    Text,
    write_page,
)
from lightfast.report.tables import MISSING, duration, percent, points_cell, share_card, share_cell
from lightfast.report.thumbnails import side_within, thumbnail

if TYPE_CHECKING:
    from lightfast.data.images import ImageSet
    from lightfast.evaluate.compare_many import Comparison, ModelPair
    from lightfast.evaluate.predictions import Predictions

SHOWN_OTHERS, _SHOWN_PICTURES = 5, 12
_PICTURE_BYTES = 1_200_000


@dataclass(frozen=True)
class RunCost:
    """What a run costs: seconds of training, MB of weights, parameters, pictures read a second;
    None where that is not known.
    """

    model: str | None = None
    train_seconds: float | None = None
    megabytes: float | None = None
    parameters: int | None = None
    pictures_per_second: float | None = None

    @property
    def texts(self) -> tuple[str, str, str, str, str]:
        """All of it as people read it; "–" where not known."""
        return (
            self.model or MISSING,
            MISSING if self.train_seconds is None else duration(self.train_seconds),
            MISSING if self.megabytes is None else f"{self.megabytes:,.2f}",
            MISSING if self.parameters is None else f"{self.parameters:,}",
            MISSING if self.pictures_per_second is None else f"{self.pictures_per_second:,.0f}",
        )


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs: its short name and what was typed, its cost, how often it scored these pictures before
    (None: nothing is counted), and how many of the pictures given it had seen in training.
    """

    name: str
    run: str
    cost: RunCost
    touched_before: int | None
    left_out: int


@dataclass(frozen=True, eq=False, kw_only=True)
class CompareResult(Envelope):
    """What `compare` found.

    Attributes:
        comparison: scores, tests of all pairs, and what may be concluded.
        runs: one row a run, in the order given.
        predictions: of every run, of the same pictures.
        images: these pictures; None when they were not read.
    """

    comparison: Comparison = field(metadata=FLAT)
    runs: tuple[ComparedRun, ...]
    predictions: Sequence[Predictions] = field(metadata=HIDDEN)
    images: ImageSet | None = field(metadata=HIDDEN)


def write_compare_page(path: Path, result: CompareResult) -> Path:
    """The report: what may be concluded, accuracy, cost, every pair, and where the runs disagree."""
    comparison = result.comparison
    sections = [
        Section("Result", (_cards(comparison), *noted(result))),
        _accuracy_section(comparison),
        *([_cost_section(result)] if any(one.cost.model for one in result.runs) else []),
        _pairs_section(comparison),
        *([] if result.images is None else _disagreements(result, result.images)),
    ]
    many = len(comparison.names)
    title = " and ".join(comparison.names) if many == 2 else f"{many} runs compared"
    subtitle = f"The same {comparison.n:,} pictures of {result.data}, read by each of them."
    return write_page(path, title, subtitle, sections, result.provenance)


def _cards(comparison: Comparison) -> Cards:
    cards = [
        share_card(one.accuracy, one.name, one.accuracy_interval, "strong" if place == 0 else "")
        for place, one in enumerate(comparison.ranking[:4])
    ]
    return Cards(
        (*cards, Card(f"{comparison.n:,}", "pictures", f"the same for all; seed {comparison.seed}")),
        comparison.sentence(),
    )


def _accuracy_section(comparison: Comparison) -> Section:
    # Figures load matplotlib, which a comparison that writes no page does without.
    from lightfast.report.statistics import interval_figure

    rows = [(one.name, one.accuracy, one.accuracy_interval) for one in comparison.ranking]
    places = {one.name: place for place, one in enumerate(comparison.ranking)}
    groups = [[places[name] for name in group] for group in comparison.groups if len(group) > 1]
    told = (
        "A bar on the right joins runs that no test tells apart (McNemar with Holm's correction, 5 %). "
        if groups
        else "Every two runs are told apart by a test (McNemar with Holm's correction, 5 %). "
    )
    figure = Figure(
        interval_figure(rows, unit="accuracy, %", groups=groups),
        f"Accuracy with its 95 % interval. {told}The test pairs the pictures: intervals that overlap may "
        "still belong to runs that differ.",
    )
    table = Table(
        ("run", "accuracy", "macro F1", "ROC area", "calibration error"),
        tuple(
            (
                one.name,
                share_cell(one.accuracy, one.accuracy_interval),
                share_cell(one.macro_f1, one.macro_f1_interval),
                MISSING if one.roc_auc is None else f"{one.roc_auc:.4f}",
                percent(one.ece, 1) if one.miscalibrated else Cell("not shown", "chance explains it"),
            )
            for one in comparison.ranking
        ),
        f"The same {comparison.n:,} pictures in every row",
        ("Small print: 95 % intervals.",),
    )
    return Section("Accuracy", (figure, table))


def _cost_section(result: CompareResult) -> Section:
    from lightfast.report.statistics import CostPoint, cost_figure

    ranking, costs = result.comparison.ranking, {one.name: one.cost for one in result.runs}
    rows = []
    for one in ranking:
        model, *rest = costs[one.name].texts
        rows.append((Cell(one.name, model), percent(one.accuracy), *rest))
    table = Table(
        ("run", "accuracy", "training", "MB", "parameters", "pictures/s"),
        tuple(rows),
        "What each run costs",
        (
            "Pictures a second were measured here, one run after another on the same pictures, after a "
            "warm-up; they depend on the machine. MB: the checkpoint on disk. A dash: not known, or not "
            "counted (a forest has no parameters of this kind).",
        ),
    )
    priced = [
        CostPoint(one.name, one.accuracy, one.accuracy_interval, speed)
        for one in ranking
        if (speed := costs[one.name].pictures_per_second)
    ]
    figures = (
        (Figure(cost_figure(priced), "Up is better, right is faster; the bars are 95 % intervals."),)
        if len(priced) > 1
        else ()
    )
    return Section("Accuracy and cost", (*figures, table))


def _pairs_section(comparison: Comparison) -> Section:
    rows = tuple(_pair_row(pair) for pair in comparison.pairs)
    columns = ("pair", "accuracy, points", "gained", "lost", "p", "macro F1, points", "ROC area, points")
    notes = (
        "Each row: the second run less the first, on the same pictures. Gained: pictures that only the "
        "second reads rightly; lost: only the first.",
        f"p: McNemar, with Holm's correction for {len(rows)} test{'s' * (len(rows) != 1)}; small print: "
        "without it. Intervals: 95 %, of each pair alone; of accuracy by Newcombe, leaving out 0 where the "
        "uncorrected test does; of F1 and area by paired bootstrap, one picture added, seed "
        f"{comparison.seed}.",
    )
    return Section("Every pair", (Table(columns, rows, f"n = {comparison.n:,} pictures a row", notes),))


def _pair_row(pair: ModelPair) -> tuple[Cell | str, ...]:
    area = MISSING if pair.auc_difference is None else points_cell(pair.auc_difference, pair.auc_interval)
    f1 = points_cell(pair.macro_f1_difference, pair.macro_f1_interval)
    return (" → ".join(pair.names), *paired_cells(pair.test, pair.p_holm), f1, area)


def _disagreements(result: CompareResult, images: ImageSet) -> list[Section]:
    """Pictures that only one of two runs reads rightly: the best run beside each of the next."""
    by_name = {one.name: one for one in result.predictions}
    best, *others = (by_name[one.name] for one in result.comparison.ranking)
    wanted = [pair for other in others[:SHOWN_OTHERS] for pair in ((best, other), (other, best))]
    found = [(right, wrong, rows) for right, wrong in wanted if len(rows := _rows(right, wrong))]
    if not found:
        return []
    side = side_within(
        [images.images[row] for _, _, rows in found for row in rows[:_SHOWN_PICTURES]], _PICTURE_BYTES
    )
    parts: list[SectionPart] = [_fold(right, wrong, rows, images, side) for right, wrong, rows in found]
    if len(others) > SHOWN_OTHERS:
        parts.append(Text(f"{len(others) - SHOWN_OTHERS} further runs are not shown here."))
    lead = f"Pictures that {best.name} reads rightly and another run does not, and the opposite."
    return [Section("Where they disagree", tuple(parts), lead)]


def _rows(right: Predictions, wrong: Predictions) -> np.ndarray:
    """Pictures that only `right` reads rightly, the most confident errors of `wrong` first."""
    rows = np.flatnonzero(right.correct & ~wrong.correct)
    return rows[np.argsort(-wrong.confidence[rows], kind="stable")]


def _fold(right: Predictions, wrong: Predictions, rows: np.ndarray, images: ImageSet, side: int) -> Folded:
    names, labels = right.class_names, right.require_labels()
    shots = []
    for row in rows[:_SHOWN_PICTURES]:
        given, read = names[labels[row]], names[wrong.predicted_labels[row]]
        sure = percent(float(wrong.confidence[row]), 0)
        shots.append(
            thumbnail(
                images.images[row],
                f"{given}, read as {read} ({sure}) · {PurePath(images.ids[row]).name}",
                f"{images.ids[row]}: {given}, read as {read} by {wrong.name}",
                side,
            )
        )
    title = f"{right.name} right, {wrong.name} wrong: {len(rows):,} picture{'s' * (len(rows) != 1)}"
    return Folded(
        title + f", the {len(shots)} most confident errors" * (len(shots) < len(rows)),
        (Gallery(tuple(shots)),),
    )
