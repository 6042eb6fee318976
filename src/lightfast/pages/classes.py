"""What a page says about classes: how well each is read, which are confused, with the pictures themselves,
and the ROC and PR curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.plain import FLAT, HIDDEN, as_json
from lightfast.data.images import ImageSet
from lightfast.evaluate.confusions import ConfusedPair, confused_pairs
from lightfast.evaluate.curves import PR_METHOD, ROC_METHOD, Curve, macro_area, pr_curves, roc_curves
from lightfast.evaluate.metrics import ClassScore, Evaluation, top_k_accuracy
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.tags import TagScore
from lightfast.report.figures import confusion_figure
from lightfast.report.page import Cell, Figure, Folded, Gallery, Picture, Section, SectionPart, Table, Text
from lightfast.report.statistics import roc_pr_figure
from lightfast.report.tables import percent, percent_range, share_cell
from lightfast.report.thumbnails import side_within, thumbnail

MANY_CLASSES = 25
SHOWN_PAIRS, SHOWN_PICTURES = 40, 12
HARDEST = 12
TOP_K = (1, 2, 3, 5, 10)
# Of a page of 3 MB, what the pictures of the confusions may take.
_PICTURE_BYTES = 1_600_000


@dataclass(frozen=True, eq=False)
class ScoredLabels:
    """Predictions of pictures with one label each, their score, and the pictures in the same order."""

    JSON_PROPERTIES: ClassVar = ("hardest_pairs",)

    predictions: Predictions = field(metadata=HIDDEN)
    evaluation: Evaluation = field(metadata=FLAT)
    images: ImageSet = field(metadata=HIDDEN)

    @property
    def hardest_pairs(self) -> list[dict[str, object]]:
        """The most frequent confusions."""
        return hardest_pairs(self.evaluation)


def classes_sections(predictions: Predictions, evaluation: Evaluation, images: ImageSet) -> list[Section]:
    """Classes and confusion matrix, the confused pictures that its cells lead to, and the curves.

    Args:
        predictions: with labels; `evaluation` is their score.
        images: the pictures that were read, in the same order.
    """
    pairs = confused_pairs(evaluation.confusion, evaluation.class_names)
    confused = [_confused_section(pairs, predictions, images)] if pairs else []
    return [_classes_section(predictions, evaluation, pairs), *confused, _curves_section(predictions)]


def hardest_pairs(evaluation: Evaluation) -> list[dict[str, object]]:
    """The most frequent confusions for metrics.json."""
    return as_json(confused_pairs(evaluation.confusion, evaluation.class_names)[:HARDEST])


def _classes_section(
    predictions: Predictions, evaluation: Evaluation, pairs: Sequence[ConfusedPair]
) -> Section:
    """Confusion matrix with links, hardest pairs, every class, top k."""
    width = 460 if len(evaluation.class_names) <= MANY_CLASSES else 760
    anchors = {(pair.row, pair.column): _anchor(pair) for pair in pairs[:SHOWN_PAIRS]}
    drawing = confusion_figure(evaluation.confusion, evaluation.class_names, width, anchors)
    caption = (
        "Rows are the given labels, columns the readings."
        + " A click on an error leads to its pictures." * bool(anchors)
    )
    worst = sorted(evaluation.per_class, key=lambda row: row.f1)[:2]
    lead = "The lowest F1 have " + " and ".join(f"{row.name} ({percent(row.f1, 1)})" for row in worst) + "."
    parts: list[SectionPart] = [Figure(drawing, caption)]
    if pairs:
        hardest = pairs[0]
        lead += (
            f" The most frequent confusion: {hardest.given} read as {hardest.read}, {hardest.count:,} of "
            f"{hardest.support:,} ({percent(hardest.share, 1)}, 95 % interval "
            f"{percent_range(hardest.interval)})."
        )
        parts.append(_pairs_table(pairs))
    return Section("Classes", (*parts, _classes_table(evaluation), _top_table(predictions)), lead)


def _classes_table(evaluation: Evaluation) -> SectionPart:
    rows = tuple((row.name, *score_cells(row), f"{row.support:,}") for row in evaluation.per_class)
    table = Table(
        ("class", "precision", "recall", "F1", "pictures"),
        rows,
        f"By class, {evaluation.n:,} pictures",
        (
            f"Macro F1 {percent(evaluation.macro_f1)}, 95 % interval "
            f"{percent_range(evaluation.macro_f1_interval)}. Small print: 95 % intervals; of precision and "
            "recall by Wilson.",
        ),
    )
    return folded_when_long(table, f"All {len(rows)} classes")


def score_cells(row: ClassScore | TagScore) -> tuple[Cell, ...]:
    """Precision, recall and F1 of a class or label."""
    return (
        share_cell(row.precision, row.precision_interval, digits=1),
        share_cell(row.recall, row.recall_interval, digits=1),
        share_cell(row.f1, row.f1_interval, digits=1),
    )


def folded_when_long(table: Table, title: str) -> SectionPart:
    """`table`, folded under `title` when it has more than MANY_CLASSES rows."""
    return table if len(table.rows) <= MANY_CLASSES else Folded(title, (table,))


def _top_table(predictions: Predictions) -> Table:
    shares = {
        k: top_k_accuracy(predictions.pred_probs, predictions.require_labels(), k)
        for k in TOP_K
        if k < predictions.num_classes
    }
    rows = tuple(
        (f"first {k}" if k > 1 else "first", share_cell(value, interval))
        for k, (value, interval) in shares.items()
    )
    return Table(
        ("the label is among the readings", "share"),
        rows,
        f"Top k, {len(predictions):,} pictures",
        ("Small print: 95 % Wilson intervals.",),
    )


def _pairs_table(pairs: Sequence[ConfusedPair]) -> Table:
    """The hardest pairs; their names lead to the pictures."""
    rows = tuple(
        (
            Cell(f"{pair.given} → {pair.read}", anchor=_anchor(pair)),
            f"{pair.count:,}",
            share_cell(pair.share, pair.interval, digits=1),
            f"{pair.both_ways:,}",
        )
        for pair in pairs[:HARDEST]
    )
    notes = [
        "Share of the pictures with this label, with its 95 % Wilson interval. Both ways: this confusion and "
        "its opposite together."
    ]
    if len(pairs) > len(rows):
        notes.append(f"The {len(rows)} most frequent of {len(pairs)} confusions.")
    return Table(
        ("given → read", "pictures", "share of the class", "both ways"),
        rows,
        "The hardest pairs",
        tuple(notes),
    )


def _confused_section(pairs: Sequence[ConfusedPair], predictions: Predictions, images: ImageSet) -> Section:
    """One folded gallery a confused pair; pairs and pictures that are left out are counted."""
    if images.ids != predictions.ids:
        raise DataError(
            f"the pictures beside {predictions.name}",
            expected="those that were read, in the same order",
            got=f"{len(images):,} pictures for {len(predictions):,} readings"
            if len(images) != len(predictions)
            else "others",
        )
    shown = pairs[:SHOWN_PAIRS]
    rows = [_rows_of(pair, predictions) for pair in shown]
    side = side_within([images.images[row] for chosen in rows for row in chosen], _PICTURE_BYTES)
    folds = tuple(
        Folded(
            _title(pair, len(chosen)),
            (Gallery(tuple(_picture(row, predictions, images, side) for row in chosen)),),
            _anchor(pair),
        )
        for pair, chosen in zip(shown, rows, strict=True)
    )
    return Section(
        "Confused pictures",
        folds,
        f"What was read wrongly, pair by pair, the most confident first. {_left_out(pairs, rows)}",
    )


def _rows_of(pair: ConfusedPair, predictions: Predictions) -> NDArray[np.intp]:
    """Up to SHOWN_PICTURES rows of a confusion, the most confident first."""
    rows = np.flatnonzero(
        (predictions.require_labels() == pair.row) & (predictions.predicted_labels == pair.column)
    )
    return rows[np.argsort(-predictions.confidence[rows], kind="stable")][:SHOWN_PICTURES]


def _picture(row: int, predictions: Predictions, images: ImageSet, side: int) -> Picture:
    names, label = predictions.class_names, predictions.require_labels()[row]
    sure = percent(float(predictions.confidence[row]), 0)
    alt = f"{images.ids[row]}: {names[label]} read as {names[predictions.predicted_labels[row]]}, {sure} sure"
    return thumbnail(images.images[row], f"{sure} · {PurePath(images.ids[row]).name}", alt, side)


def _title(pair: ConfusedPair, shown: int) -> str:
    what = f"{pair.given} read as {pair.read}: {pair.count:,} picture{'s' * (pair.count != 1)}"
    return what if shown == pair.count else f"{what}, the {shown} most confident"


def _left_out(pairs: Sequence[ConfusedPair], rows: Sequence[NDArray[np.intp]]) -> str:
    total, shown = sum(pair.count for pair in pairs), sum(map(len, rows))
    if total == shown:
        return f"All {total:,} wrong readings are shown."
    rarer = pairs[len(rows) :]
    text = f"{shown:,} of {total:,} wrong readings are shown: up to {SHOWN_PICTURES} a pair"
    if rarer:
        without = sum(pair.count for pair in rarer)
        text += (
            f", of the {len(rows)} most frequent pairs; {len(rarer)} rarer pairs with {without:,} pictures "
            "are not"
        )
    return text + "."


def _curves_section(predictions: Predictions) -> Section:
    """ROC and precision-recall curves, one class against the rest, and their areas."""
    roc, pr = roc_curves(predictions), pr_curves(predictions)
    if not roc:
        return Section(
            "ROC and precision-recall",
            (Text("All pictures are of one class: there is nothing to tell it from."),),
        )
    lead = (
        f"The area under the ROC curve is {macro_area(roc):.4f}, the average precision {macro_area(pr):.4f}, "
        f"each the plain mean over {len(roc)} classes."
    )
    caption = (
        "One class against the rest, by its probability; with its area. The classes of the smallest average "
        "precision are named."
    )
    return areas_section(roc, pr, ("class", "of the class", "of others"), caption, lead)


def areas_section(
    roc: Sequence[Curve], pr: Sequence[Curve], heads: tuple[str, str, str], caption: str, lead: str = ""
) -> Section:
    """ROC and precision-recall curves in one figure, their areas folded under it.

    Args:
        roc, pr: the same classes in both.
        heads: of the columns of names, of pictures of the class, and of others.
        caption: of the figure.
        lead: above it.
    """
    rows = tuple(
        (
            above.class_name,
            _area_cell(above),
            _area_cell(below),
            f"{above.positives:,}",
            f"{above.negatives:,}",
        )
        for above, below in zip(roc, pr, strict=True)
    )
    table = Table(
        (heads[0], "ROC area", "average precision", *heads[1:]),
        rows,
        "Areas under the curves",
        (f"Small print: 95 % intervals. ROC: {ROC_METHOD}. Average precision: {PR_METHOD}.",),
    )
    many = "classes" if heads[0] == "class" else f"{heads[0]}s"
    figure = Figure(roc_pr_figure(_lines(roc), _lines(pr)), caption)
    folded = Folded(f"The areas of all {len(rows)} {many}", (table,))
    return Section("ROC and precision-recall", (figure, folded), lead)


def _lines(curves: Sequence[Curve]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    return {curve.class_name: (curve.x, curve.y, curve.area) for curve in curves}


def _area_cell(curve: Curve) -> Cell:
    low, high = curve.area_interval
    return Cell(f"{curve.area:.4f}", f"{low:.4f}–{high:.4f}")


def _anchor(pair: ConfusedPair) -> str:
    return f"cell-{pair.row}-{pair.column}"
