"""The page of a multi-label run: what is found, from which probability on, the curves,
and the tree of the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lightfast.base.plain import FLAT, HIDDEN, OPTIONAL
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.curves import PR_METHOD
from lightfast.evaluate.hierarchy import node_probs, node_tags
from lightfast.evaluate.tag_predictions import TagPredictions
from lightfast.evaluate.tags import TagEvaluation, TagScore, label_scores, tag_curves
from lightfast.evaluate.thresholds import NEVER_GIVEN, UNJUDGED, LabelThreshold, Thresholds
from lightfast.pages.classes import areas_section, folded_when_long, score_cells
from lightfast.report.page import Cards, Cell, Section, SectionPart, Table, Text
from lightfast.report.tables import percent, percent_range, share_card, share_cell

# An em space a level: cells keep it, where they would fold plain spaces.
_INDENT = "\N{EM SPACE}"


@dataclass(frozen=True, eq=False)
class ScoredTags:
    """Predictions of pictures with any number of labels, their score, and where they exist the choice of
    thresholds and the taxonomy.
    """

    predictions: TagPredictions = field(metadata=HIDDEN)
    evaluation: TagEvaluation = field(metadata=FLAT)
    thresholds: Thresholds | None = field(default=None, metadata=OPTIONAL)
    taxonomy: Taxonomy | None = field(default=None, metadata=HIDDEN)

    def sections(self) -> list[Section]:
        """Labels, thresholds, tree, curves."""
        found = [_labels_section(self.evaluation, self.taxonomy)]
        if self.thresholds is not None:
            found.append(_thresholds_section(self.thresholds))
        if self.taxonomy is not None:
            found.append(_tree_section(self.predictions, self.taxonomy))
        return [*found, _curves_section(self.predictions)]


def tag_cards(evaluation: TagEvaluation) -> Cards:
    """Macro F1, mean average precision, exact match and coverage as cards."""
    lead = (
        f"Of the labels given {percent(evaluation.micro_precision, 1)} are right, and of those that the "
        f"pictures carry {percent(evaluation.micro_recall, 1)} are found."
    )
    cards = [
        share_card(
            evaluation.macro_f1,
            "macro F1",
            evaluation.macro_f1_interval,
            "strong",
            more=f", n = {evaluation.n:,}",
        )
    ]
    if evaluation.mean_average_precision is not None:
        interval = evaluation.mean_average_precision_interval
        cards.append(share_card(evaluation.mean_average_precision, "mean average precision", interval))
    cards += [
        share_card(evaluation.exact_match, "all labels right", evaluation.exact_match_interval),
        share_card(evaluation.tagged, "of the pictures get a label", evaluation.tagged_interval),
    ]
    return Cards(tuple(cards), lead)


def _labels_section(evaluation: TagEvaluation, taxonomy: Taxonomy | None) -> Section:
    rows = evaluation.per_label
    unseen = [row.name for row in rows if not row.positives]
    lead = _lowest(rows)
    if unseen:
        them = "it" if len(unseen) == 1 else "them"
        lead += f" No picture carries {_listed(unseen)}: nothing can be said of {them}."
    abstract = [taxonomy is not None and taxonomy.is_abstract(taxonomy.resolve(row.name)) for row in rows]
    captions = ((False, "By label"), (True, "Abstract labels, which name no object"))
    tables = [
        _labels_table(chosen, caption, evaluation)
        for apart, caption in captions
        if (chosen := [row for row, one in zip(rows, abstract, strict=True) if one is apart])
    ]
    return Section("Labels", tuple(tables), lead)


def _lowest(rows: Sequence[TagScore]) -> str:
    known = [row for row in rows if row.f1 is not None and row.threshold < NEVER_GIVEN]
    if not known:
        return "No label that occurs in these pictures is ever given."
    known.sort(key=lambda row: row.f1 or 0.0)
    worst = " and ".join(f"{row.name} ({percent(row.f1, 1)})" for row in known[:2])
    return f"Of the labels that are given, the lowest F1 have {worst}."


def _labels_table(labels: Sequence[TagScore], caption: str, evaluation: TagEvaluation) -> SectionPart:
    rows = tuple(
        (row.name, _threshold(row.threshold), *score_cells(row), _precision_cell(row), *_counts(row))
        for row in labels
    )
    notes = (
        f"Of all labels: macro F1 {percent(evaluation.macro_f1)} (95 % interval "
        f"{percent_range(evaluation.macro_f1_interval)}), micro F1 {percent(evaluation.micro_f1)} "
        f"({percent_range(evaluation.micro_f1_interval)}). From: the probability from which on the label is "
        "given. AP: average precision, whatever that threshold.",
        f"Small print: 95 % intervals; of precision and recall by Wilson, of AP {PR_METHOD}.",
    )
    columns = ("label", "from", "precision", "recall", "F1", "AP", "carried by", "given to")
    table = Table(columns, rows, f"{caption}, {evaluation.n:,} pictures", notes)
    return folded_when_long(table, f"{caption}: all {len(rows)}")


def _counts(row: TagScore | LabelThreshold) -> tuple[str, str]:
    return f"{row.positives:,}", f"{row.given:,}"


def _precision_cell(row: TagScore) -> Cell:
    return share_cell(row.average_precision, row.average_precision_interval, digits=1)


def _thresholds_section(thresholds: Thresholds) -> Section:
    wanted = thresholds.wanted_precision
    lead = (
        "Every label is given from the probability on at which its F1 on the validation pictures was best."
        if wanted is None
        else f"Wanted: a precision of {percent(wanted, 0)}. Every label is given from the lowest probability "
        f"on at which the validation pictures show that much with {percent(thresholds.confidence, 0)} "
        "confidence."
    )
    never, unproven, unjudged = map(", ".join, (thresholds.never, thresholds.unproven, thresholds.unjudged))
    said = {
        f"Never given, because no threshold shows the wanted precision: {never}. More validation pictures of "
        "a label, or a lower precision, may change that.": never,
        f"Unproven: {unproven} reach the wanted precision on the validation pictures, which are too few to "
        "be sure of it.": unproven,
        f"Too few validation pictures carry {unjudged} to choose a threshold; {UNJUDGED} is used.": unjudged,
    }
    rows = tuple(
        (
            row.name,
            _threshold(row.threshold),
            share_cell(row.precision, row.interval if row.given else None, digits=1),
            percent(row.recall, 1),
            *_counts(row),
        )
        for row in thresholds.labels
    )
    table = Table(
        ("label", "given from", "precision there", "recall there", "carried by", "given to"),
        rows,
        f"On {thresholds.n:,} validation pictures, where the thresholds were chosen",
        (
            "Small print: 95 % Wilson intervals. These figures flatter a little, because the thresholds were "
            "chosen on the same pictures; those of the tables above do not.",
        ),
    )
    texts = (Text(text, note=True) for text, names in said.items() if names)
    return Section("Thresholds", (*texts, folded_when_long(table, f"All {len(rows)} thresholds")), lead)


def _tree_section(predictions: TagPredictions, taxonomy: Taxonomy) -> Section:
    """Every label of the tree that a class stands for or below,
    with figures that hold its classes together.
    """
    names, probs = node_probs(taxonomy, predictions.class_names, predictions.pred_probs, "multi-label")
    tags = node_tags(taxonomy, predictions.class_names, predictions.require_tags())[1]
    given = node_tags(taxonomy, predictions.class_names, predictions.predicted_tags)[1]
    # A label above is given when one below is, whatever its own probability: decisions as 0 and 1 are scored
    # apart from probabilities.
    halves, ids = np.full(len(names), UNJUDGED), predictions.ids
    decided, ranked = (
        label_scores(TagPredictions(values, halves, names, ids, tags))
        for values in (given.astype(np.float32), probs)
    )
    areas = {row.name: _precision_cell(row) for row in ranked}
    parts = []
    note = "AP: average precision. Small print: 95 % intervals, as above."
    for abstract, caption in ((False, "The tree of objects"), (True, "Abstract labels")):
        rows = tuple(
            (
                _INDENT * len(taxonomy.ancestors(row.name)) + row.name,
                *score_cells(row),
                areas[row.name],
                f"{row.positives:,}",
            )
            for row in decided
            if taxonomy.is_abstract(row.name) == abstract
        )
        if rows:
            columns = ("label", "precision", "recall", "F1", "AP", "carried by")
            parts.append(Table(columns, rows, caption, (note,)))
    lead = (
        (
            "A label above others is given when one of them is, and is as probable as the most probable of "
            "them: no picture is tagged dog without animal."
        )
        if len(names) > len(predictions.class_names)
        else "All labels stand side by side."
    )
    return Section("Tree", tuple(parts), lead)


def _curves_section(predictions: TagPredictions) -> Section:
    roc, pr = tag_curves(predictions)
    if not roc:
        return Section(
            "ROC and precision-recall",
            (Text("No label is carried by some of the pictures only: there are no curves."),),
        )
    caption = (
        "Each label by its probability, whatever its threshold; with its area. The labels of the smallest "
        "average precision are named."
    )
    return areas_section(roc, pr, ("label", "carried by", "not carried by"), caption)


def _threshold(value: float) -> str:
    return "never" if value >= NEVER_GIVEN else f"{value:.3f}"


def _listed(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
