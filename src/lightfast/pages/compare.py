"""The page of a comparison: what may be concluded, the intervals, the cost beside the accuracy, every pair,
and where the runs disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from lightfast.data.images import ImageSet
from lightfast.evaluate.compare_many import Comparison, ModelPair
from lightfast.evaluate.predictions import Predictions
from lightfast.report.noted import noted_dicts
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
from lightfast.report.statistics import CostPoint, cost_figure, interval_figure
from lightfast.report.tables import duration, percent, points_cell, share_card, share_cell
from lightfast.report.thumbnails import side_within, thumbnail
from lightfast.statistics.intervals import p_text

SHOWN_OTHERS, _SHOWN_PICTURES = 5, 12
_PICTURE_BYTES = 1_200_000


@dataclass(frozen=True, eq=False)
class Compared:
    """What the page shows: the comparison, the predictions behind it, and the pictures
    (None when they were not read).
    """

    comparison: Comparison
    predictions: Sequence[Predictions]
    images: ImageSet | None


def write_compare_page(
    path: Path, compared: Compared, result: Mapping[str, Any], facts: Mapping[str, Any]
) -> Path:
    """The report of `compare`; `result` is the content of metrics.json."""
    comparison = compared.comparison
    sections = [
        Section("Result", (_cards(comparison), *noted_dicts(result["notes"], result["unreadable"]))),
        _accuracy_section(comparison),
        *(
            [_cost_section(comparison, result["runs"])]
            if any(one["cost"]["model"] for one in result["runs"])
            else []
        ),
        _pairs_section(comparison),
    ]
    if compared.images is not None:
        sections += _disagreements(compared, compared.images)
    title = (
        " and ".join(comparison.names)
        if len(comparison.names) == 2
        else f"{len(comparison.names)} runs compared"
    )
    subtitle = f"The same {comparison.n:,} pictures of {result['data']}, read by each of them."
    return write_page(path, title, subtitle, sections, facts)


def cost_texts(cost: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Model, training time, MB, parameters and pictures a second as people read them; "–" where not known."""
    seconds, size, parameters, speed = (
        cost[key] for key in ("train_seconds", "megabytes", "parameters", "pictures_per_second")
    )
    return (
        cost["model"] or "–",
        "–" if seconds is None else duration(seconds),
        "–" if size is None else f"{size:,.2f}",
        "–" if parameters is None else f"{parameters:,}",
        "–" if speed is None else f"{speed:,.0f}",
    )


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
                "–" if one.roc_auc is None else f"{one.roc_auc:.4f}",
                percent(one.ece, 1),
            )
            for one in comparison.ranking
        ),
        f"The same {comparison.n:,} pictures in every row",
        ("Small print: 95 % intervals.",),
    )
    return Section("Accuracy", (figure, table))


def _cost_section(comparison: Comparison, runs: Sequence[Mapping[str, Any]]) -> Section:
    costs = {one["name"]: one["cost"] for one in runs}
    rows = []
    for one in comparison.ranking:
        model, *rest = cost_texts(costs[one.name])
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
        for one in comparison.ranking
        if (speed := costs[one.name]["pictures_per_second"])
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
        "without it. Intervals: 95 %, of accuracy by Newcombe, of F1 and area by paired bootstrap, seed "
        f"{comparison.seed}.",
    )
    return Section("Every pair", (Table(columns, rows, f"n = {comparison.n:,} pictures a row", notes),))


def _pair_row(pair: ModelPair) -> tuple[Cell | str, ...]:
    test = pair.test
    area = "–" if pair.auc_difference is None else points_cell(pair.auc_difference, pair.auc_interval)
    f1 = points_cell(pair.macro_f1_difference, pair.macro_f1_interval)
    return (
        f"{test.before_name} → {test.after_name}",
        points_cell(test.difference, test.difference_interval),
        f"{test.gained:,}",
        f"{test.lost:,}",
        Cell(p_text(pair.p_holm), p_text(test.p_value)),
        f1,
        area,
    )


def _disagreements(compared: Compared, images: ImageSet) -> list[Section]:
    """Pictures that only one of two runs reads rightly: the best run beside each of the next."""
    by_name = {one.name: one for one in compared.predictions}
    best, *others = (by_name[one.name] for one in compared.comparison.ranking)
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
