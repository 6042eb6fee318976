"""The pages of a training and of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightfast.data.images import ImageSet
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.calibration import reliability
from lightfast.evaluate.hierarchy import HierarchyScore, score_hierarchy
from lightfast.evaluate.metrics import Evaluation
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.robustness import Robustness
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import model_summary
from lightfast.pages.classes import classes_sections
from lightfast.pages.learned import hierarchy_sections, learned_sections
from lightfast.report.figures import reliability_diagram, severity_curves, training_curves
from lightfast.report.noted import noted_dicts
from lightfast.report.page import Card, Cards, Figure, Folded, Section, SectionPart, Table, Text, write_page
from lightfast.report.tables import percent, percent_range, share_card, share_cell

# Temperatures nearer to 1 than this change no probability that anyone would notice.
SMALL_CHANGE = 0.05


@dataclass(frozen=True, eq=False)
class RunReport:
    """What a page shows: the classifier, the labelled pictures that it read, its predictions in the same
    order, and their score.
    """

    checkpoint: Checkpoint
    images: ImageSet
    predictions: Predictions
    evaluation: Evaluation

    @property
    def hierarchy(self) -> HierarchyScore | None:
        """The score in the tree of the labels, where the classifier has a taxonomy."""
        if self.checkpoint.taxonomy is None:
            return None
        return score_hierarchy(Taxonomy.from_json(self.checkpoint.taxonomy), self.predictions)

    def sections(self) -> list[Section]:
        """Classes, confused pictures, curves, confidence."""
        confidence = reliability_section(
            self.predictions, self.evaluation, temperature_words(self.checkpoint)
        )
        return [*classes_sections(self.predictions, self.evaluation, self.images), confidence]


def write_run_page(
    path: Path,
    tested: RunReport,
    metrics: Mapping[str, Any],
    facts: Mapping[str, Any],
    near: Sequence[SectionPart] = (),
) -> Path:
    """The report of a training: its test figures, classes, confused pictures, curves, reliability, notes;
    `near`: its near duplicates.
    """
    evaluation, checkpoint = tested.evaluation, tested.checkpoint
    parts = metrics["parts"]
    seconds = metrics["seconds"]["train"]
    lead = (
        f"{_sentence(evaluation)} It was fitted on {parts['train']:,} pictures and chosen on "
        f"{parts['val']:,} others; the test pictures were read once, at the end."
    )
    took = f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
    extra = Card(took, "training time", f"{metrics['epochs']} epochs" if metrics["epochs"] else "")
    sections = [
        Section(
            "Result",
            (
                score_cards(evaluation, lead, extra),
                *noted_dicts(metrics["notes"], metrics["unreadable"]),
                *near,
            ),
        ),
        *learned_sections(metrics),
        *hierarchy_sections(tested.hierarchy),
        *tested.sections(),
    ]
    if checkpoint.history:
        sections.append(
            Section(
                "Training",
                (curves_figure(checkpoint.history, f"{metrics['model']}: {model_summary(checkpoint)}."),),
            )
        )
    title = f"{metrics['model']} on {metrics['data']}"
    return write_page(
        path,
        title,
        f"{evaluation.n:,} test pictures, {len(evaluation.class_names)} classes.",
        sections,
        facts,
    )


def write_evaluation_page(
    path: Path,
    tested: RunReport,
    metrics: Mapping[str, Any],
    facts: Mapping[str, Any],
    robust: Robustness | None = None,
) -> Path:
    """The report of an evaluation: figures, classes, confused pictures, reliability and,
    where a suite was read, the corruption card.
    """
    evaluation = tested.evaluation
    times = metrics["touched_before"]
    often = "once" if times == 1 else f"{times} times"
    touched = f" These pictures had been scored with this run {often} before." if times else ""
    cards = score_cards(evaluation, _sentence(evaluation) + touched)
    sections = [Section("Result", (cards, *noted_dicts(metrics["notes"], metrics["unreadable"])))]
    if robust is not None:
        sections.append(robustness_section({"before": robust}))
    sections += tested.sections()
    return write_page(
        path,
        f"{tested.checkpoint.model} on {metrics['data']}",
        f"{evaluation.n:,} pictures.",
        sections,
        facts,
    )


def score_cards(evaluation: Evaluation, lead: str, *extra: Card) -> Cards:
    """Accuracy, top 3, F1 and calibration as cards."""
    spread = percent_range(evaluation.accuracy_interval)
    cards = [
        Card(
            percent(evaluation.accuracy),
            "accuracy",
            f"95 % interval {spread}, n = {evaluation.n:,}",
            "strong",
        )
    ]
    if 3 in evaluation.top_k:
        value, interval = evaluation.top_k[3]
        cards.append(share_card(value, "among the first three", interval))
    cards += [
        share_card(evaluation.macro_f1, "macro F1", evaluation.macro_f1_interval),
        Card(percent(evaluation.ece), "calibration error", "mean gap of confidence and accuracy"),
    ]
    return Cards((*cards, *extra), lead)


def reliability_section(predictions: Predictions, evaluation: Evaluation, temperature: str = "") -> Section:
    """Does the confidence mean what it says? `temperature` tells how it was calibrated."""
    figure = Figure(
        reliability_diagram(reliability(predictions.pred_probs, predictions.require_labels())),
        "Points on the dashed line are as often right as they claim; the bars are 95 % intervals.",
    )
    lead = f"Confidence and accuracy differ by {percent(evaluation.ece, 1)} on average."
    return Section("Confidence", (figure, *((Text(temperature),) if temperature else ())), lead)


def temperature_words(checkpoint: Checkpoint) -> str:
    """What the temperature of a classifier does to its probabilities, and what it was fitted on."""
    pictures, temperature = checkpoint.details.get("calibrated_on"), checkpoint.temperature
    if pictures is None:
        return "No temperature was fitted: these are the probabilities that the model gives by itself."
    if not pictures:
        return (
            "There were no validation pictures to fit a temperature on: these are the probabilities that the "
            "model gives by itself."
        )
    said = f"The temperature is {temperature:.2f}, fitted on {pictures:,} validation pictures: "
    if temperature > 1 + SMALL_CHANGE:
        return said + "the model was too sure of itself, and its probabilities were made softer."
    if temperature < 1 - SMALL_CHANGE:
        return said + "the model was not sure enough, and its probabilities were made sharper."
    return said + "the model's probabilities were left nearly as they were."


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
    parts: list[SectionPart] = []
    if len(levels) > 1 and all(len(rows) == len(levels) for rows in before.by_corruption.values()):
        curves = {name: _curve(results, name) for name in before.by_corruption}
        parts.append(
            Figure(
                severity_curves(curves, levels),
                f"Accuracy by corruption and severity, n = {before.n:,} a point, the same pictures "
                f"everywhere; bands are 95 % intervals. Seed {before.seed}.",
            )
        )
        parts.append(Folded("The numbers behind the curves", (_cells_table(before, after),)))
    else:
        parts.append(_cells_table(before, after))
    return Section(title, tuple(parts), lead)


def _cells_table(before: Robustness, after: Robustness | None) -> Table:
    columns = (
        ("damage", "severity", "accuracy") if after is None else ("damage", "severity", "before", "after")
    )
    rows = []
    for place, row in enumerate(before.rows):
        cells = [
            row.corruption.replace("_", " "),
            str(row.severity),
            share_cell(row.accuracy, row.interval, digits=1),
        ]
        if after is not None:
            cells.append(share_cell(after.rows[place].accuracy, after.rows[place].interval, digits=1))
        rows.append(tuple(cells))
    return Table(
        columns,
        tuple(rows),
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
