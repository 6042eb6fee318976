"""The pages of a training and of an evaluation."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lightfast.base.plain import FLAT, HIDDEN, OPTIONAL
from lightfast.evaluate.calibration import reliability
from lightfast.evaluate.hierarchy import HierarchyScore
from lightfast.evaluate.metrics import Evaluation
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.tags import TagEvaluation
from lightfast.pages.classes import ScoredLabels, classes_sections
from lightfast.pages.learned import (
    FoundLabelIssues,
    Learned,
    hierarchy_sections,
    label_issue_sections,
    learned_sections,
    near_parts,
)
from lightfast.pages.tags import ScoredTags, tag_cards
from lightfast.report.envelope import Envelope
from lightfast.report.figures import reliability_diagram, severity_curves, training_curves
from lightfast.report.noted import noted
from lightfast.report.page import Card, Cards, Figure, Folded, Section, SectionPart, Table, Text, write_page
from lightfast.report.tables import percent, percent_range, share_card, share_cell

if TYPE_CHECKING:
    from lightfast.evaluate.robustness import Robustness
    from lightfast.experiments.crossval import CrossValidation
    from lightfast.models.checkpoint import Checkpoint

# Temperatures nearer to 1 than this change no probability that anyone would notice.
SMALL_CHANGE = 0.05
TELLING = 5.0
"""A temperature judges the model when its logarithm times the root of the pictures exceeds this: fitted for
calibrated models (simulated, 2 and 10 classes, 40 to 2,000 pictures), that product scatters by 1 to 3.
"""


@dataclass(frozen=True, eq=False, kw_only=True)
class RunResult(Envelope):
    """A classifier and what it predicts of labelled pictures: what `train` and `evaluate` both find.

    Attributes:
        run: folder of the run, or `hf-hub:ID`.
        checkpoint: the classifier.
        scored: its predictions and their score, by whether pictures have one label or any number.
    """

    JSON_PROPERTIES: ClassVar = ("model", "temperature")

    run: str
    checkpoint: Checkpoint = field(metadata=HIDDEN)
    scored: ScoredLabels | ScoredTags = field(metadata=FLAT)

    @property
    def model(self) -> str:
        """Registry name of the classifier."""
        return self.checkpoint.model

    @property
    def temperature(self) -> float:
        """What divides its logits."""
        return self.checkpoint.temperature


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What models that never saw them predict of the pictures of a training, and the file that holds it."""

    validated: CrossValidation = field(metadata=FLAT)
    predictions: Path


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainResult(RunResult):
    """What `train` found.

    Attributes:
        summary: one line about the model.
        learned: how it learned from photographs; None for other networks.
        parameters: numbers in its network; None for a forest.
        test_version: `ImageSet.version` of the test part.
        parts: how many pictures each part has.
        hierarchy: the score in the tree of the labels, where there is one.
        near: ids of near duplicates, group by group.
        out_of_fold: with `folds`, the cross-validation.
        label_issues: training labels that look wrong; None where the fit looked for none.
    """

    JSON_PROPERTIES: ClassVar = (*RunResult.JSON_PROPERTIES, "epochs")

    summary: str = field(metadata=HIDDEN)
    learned: Learned | None = field(metadata=FLAT)
    parameters: int | None
    test_version: str
    parts: Mapping[str, int]
    hierarchy: HierarchyScore | None = field(default=None, metadata=OPTIONAL)
    near: Sequence[Sequence[str]] = field(default=(), metadata=HIDDEN)
    out_of_fold: OutOfFold | None = field(default=None, metadata=OPTIONAL)
    label_issues: FoundLabelIssues | None = field(default=None, metadata=OPTIONAL)

    @property
    def epochs(self) -> int:
        """How often the network saw its training pictures; 0 where it learned otherwise."""
        return len(self.checkpoint.history)


@dataclass(frozen=True, eq=False, kw_only=True)
class EvaluateResult(RunResult):
    """What `evaluate` found; `robustness` where a suite of corruptions was named."""

    robustness: Robustness | None = None


def write_run_page(path: Path, result: TrainResult) -> Path:
    """The report of a training: its test figures, how it learned, classes or labels, training curves."""
    seconds = result.steps["train"]
    said = (
        f" It was fitted on {result.parts['train']:,} pictures and chosen on {result.parts['val']:,} others; "
        "the test pictures were read once, at the end."
    )
    took = f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
    extra = Card(took, "training time", f"{result.epochs} epochs" if result.epochs else "")
    head = _result_section(result, said, extra)
    sections = [
        dataclasses.replace(head, parts=(*head.parts, *near_parts(result.near))),
        *learned_sections(result.learned),
        *label_issue_sections(result.label_issues),
        *hierarchy_sections(result.hierarchy),
        *_scored_sections(result),
    ]
    if result.checkpoint.history and isinstance(result.scored, ScoredLabels):
        curves = curves_figure(result.checkpoint.history, f"{result.model}: {result.summary}.")
        sections.append(Section("Training", (curves,)))
    return _write(path, result, sections)


def write_evaluation_page(path: Path, result: EvaluateResult) -> Path:
    """The report of an evaluation: figures, the corruption card where a suite was read,
    classes or labels.
    """
    times = result.touched_before
    often = "once" if times == 1 else f"{times} times"
    touched = f" These pictures had been scored with this run {often} before." if times else ""
    sections = [_result_section(result, touched)]
    if result.robustness is not None:
        sections.append(robustness_section({"before": result.robustness}))
    return _write(path, result, [*sections, *_scored_sections(result)])


def _result_section(result: RunResult, said: str, *extra: Card) -> Section:
    """The figures as cards; `said` and `extra` go with those of one label a picture."""
    evaluation = result.scored.evaluation
    cards = (
        tag_cards(evaluation)
        if isinstance(evaluation, TagEvaluation)
        else score_cards(evaluation, f"{_sentence(evaluation)}{said}", *extra)
    )
    return Section("Result", (cards, *noted(result)))


def _scored_sections(result: RunResult) -> list[Section]:
    """Labels; or classes, confused pictures, curves, confidence."""
    scored = result.scored
    if isinstance(scored, ScoredTags):
        return scored.sections()
    return [
        *classes_sections(scored.predictions, scored.evaluation, scored.images),
        reliability_section(scored.predictions, scored.evaluation, temperature_words(result.checkpoint)),
    ]


def _write(path: Path, result: RunResult, sections: Sequence[Section]) -> Path:
    evaluation = result.scored.evaluation
    read = "test pictures" if isinstance(result, TrainResult) else "pictures"
    subtitle = (
        f"{evaluation.n:,} pictures, {len(evaluation.per_label)} labels, any number a picture."
        if isinstance(evaluation, TagEvaluation)
        else f"{evaluation.n:,} {read}, {len(evaluation.class_names)} classes."
    )
    return write_page(path, f"{result.model} on {result.data}", subtitle, sections, result.provenance)


def score_cards(evaluation: Evaluation, lead: str, *extra: Card) -> Cards:
    """Accuracy, top 3, F1 and calibration as cards."""
    interval, counted = evaluation.accuracy_interval, f", n = {evaluation.n:,}"
    cards = [share_card(evaluation.accuracy, "accuracy", interval, "strong", more=counted)]
    if 3 in evaluation.top_k:
        value, interval = evaluation.top_k[3]
        cards.append(share_card(value, "among the first three", interval))
    cards += [
        share_card(evaluation.macro_f1, "macro F1", evaluation.macro_f1_interval),
        _calibration_card(evaluation),
    ]
    return Cards((*cards, *extra), lead)


def reliability_section(predictions: Predictions, evaluation: Evaluation, temperature: str = "") -> Section:
    """Does the confidence mean what it says? `temperature` tells how it was calibrated."""
    figure = Figure(
        reliability_diagram(reliability(predictions.pred_probs, predictions.require_labels())),
        "Points on the dashed line are as often right as they claim; the bars are 95 % intervals.",
    )
    lead = f"{evaluation.calibration_sentence()}."
    return Section("Confidence", (figure, *((Text(temperature),) if temperature else ())), lead)


def _calibration_card(evaluation: Evaluation) -> Card:
    chance = percent(evaluation.ece_by_chance)
    if not evaluation.miscalibrated:
        return Card("not shown", "calibration error", f"chance alone explains up to {chance}")
    told = f"mean gap of confidence and accuracy; by chance alone up to {chance}"
    return Card(percent(evaluation.ece), "calibration error", told)


def temperature_words(checkpoint: Checkpoint) -> str:
    """What the temperature of a classifier does to its probabilities, and what it was fitted on."""
    pictures, temperature = checkpoint.details.get("calibrated_on"), checkpoint.temperature
    if not pictures:
        why = "There were no validation pictures to fit a temperature on"
        why = "No temperature was fitted" if pictures is None else why
        return f"{why}: these are the probabilities that the model gives by itself."
    change = "the model's probabilities were left nearly as they were"
    told = abs(math.log(temperature)) * math.sqrt(pictures) > TELLING
    if temperature > 1 + SMALL_CHANGE:
        change = "the model was too sure of itself, and its" if told else "the model's"
        change += " probabilities were made softer"
    elif temperature < 1 - SMALL_CHANGE:
        change = "the model was not sure enough, and its" if told else "the model's"
        change += " probabilities were made sharper"
    kind = "labelled pictures out of fold" if "out_of_fold" in checkpoint.details else "validation pictures"
    return f"The temperature is {temperature:.2f}, fitted on {pictures:,} {kind}: {change}."


def curves_figure(history: Sequence[Mapping[str, Any]], caption: str, title: str = "") -> Figure:
    """Training curves of one network."""
    rows = [{**row, "lr": row["learning_rate"]} if "learning_rate" in row else dict(row) for row in history]
    return Figure(training_curves(rows), caption, title=title)


def robustness_section(results: Mapping[str, Robustness], title: str = "Under damage") -> Section:
    """The corruption card: `results` has `before`, and `after` where pictures were repaired."""
    before, after = results["before"], results.get("after")
    lead = f"Mean accuracy under the {len(before.by_corruption)} damages of {before.suite}: {_mean(before)}"
    lead += f" before repair, {_mean(after)} after." if after else "."
    lead += f" Without damage {percent(before.clean_accuracy)}."
    if before.mce is not None:
        lead += f" mCE {100 * before.mce:.1f} against {before.baseline}."
    levels = sorted({row.severity for row in before.rows})
    table = _cells_table(before, after)
    parts: tuple[SectionPart, ...] = (table,)
    if len(levels) > 1 and all(len(rows) == len(levels) for rows in before.by_corruption.values()):
        curves = {name: _curve(results, name) for name in before.by_corruption}
        caption = (
            f"Accuracy by corruption and severity, n = {before.n:,} a point, the same pictures everywhere; "
            f"bands are 95 % intervals. Seed {before.seed}."
        )
        figure = Figure(severity_curves(curves, levels), caption)
        parts = (figure, Folded("The numbers behind the curves", (table,)))
    return Section(title, parts, lead)


def _cells_table(before: Robustness, after: Robustness | None) -> Table:
    sides = (before,) if after is None else (before, after)
    rows = tuple(
        (
            row[0].corruption.replace("_", " "),
            str(row[0].severity),
            *(share_cell(one.accuracy, one.interval, digits=1) for one in row),
        )
        for row in zip(*(side.rows for side in sides), strict=True)
    )
    return Table(
        ("damage", "severity", *(("accuracy",) if after is None else ("before", "after"))),
        rows,
        f"Accuracy under {before.suite}, n = {before.n:,} a row",
        ("Small print: 95 % Wilson intervals.",),
    )


def _curve(results: Mapping[str, Robustness], name: str) -> dict[str, Any]:
    curve: dict[str, Any] = {}
    for key, result in results.items():
        rows = result.by_corruption[name]
        curve[key] = [row.accuracy for row in rows]
        curve[f"{key}_interval"] = [row.interval for row in rows]
    return curve


def _mean(result: Robustness) -> str:
    return f"{percent(result.robust_accuracy)} ({percent_range(result.robust_interval)})"


def _sentence(evaluation: Evaluation) -> str:
    right = int(evaluation.confusion.trace())
    return f"{right:,} of {evaluation.n:,} test pictures were read rightly."
