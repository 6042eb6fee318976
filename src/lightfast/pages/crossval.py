"""The page of a cross-validation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.base.plain import FLAT, HIDDEN
from lightfast.pages.classes import classes_sections
from lightfast.pages.run import reliability_section
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.page import Card, Cards, Figure, Section, Table, Tone, write_page
from lightfast.report.statistics import interval_figure
from lightfast.report.tables import duration, percent, share_card, share_cell
from lightfast.statistics.resampled import CROSSVAL_INTERVAL

if TYPE_CHECKING:
    from lightfast.data.images import ImageSet
    from lightfast.evaluate.metrics import Evaluation
    from lightfast.experiments.crossval import CrossValidation

NAMES = {
    "accuracy": "accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossvalResult(Envelope):
    """What `crossval` found.

    Attributes:
        validated: every fold, and out-of-fold predictions of all pictures.
        pooled: the score of these predictions.
        predictions: the file that holds them.
        images: the pictures, in their order.
    """

    validated: CrossValidation = field(metadata=FLAT)
    pooled: Evaluation
    predictions: Path
    images: ImageSet = field(metadata=HIDDEN)


def write_crossval_page(path: Path, result: CrossvalResult) -> Path:
    """The report: mean and corrected interval, every fold, and classes, confusions and confidence."""
    validated, predictions = result.validated, result.validated.predictions
    sections = [
        Section("Result", (_cards(validated), *noted(result))),
        _folds_section(validated),
        *classes_sections(predictions, result.pooled, result.images),
        reliability_section(predictions, result.pooled),
    ]
    title = f"{validated.model} on {result.data}, cross-validated"
    subtitle = (
        f"{len(predictions):,} pictures, {validated.k} folds, {validated.repeats} "
        f"time{'s' * (validated.repeats > 1)}."
    )
    return write_page(path, title, subtitle, sections, result.provenance)


def _cards(validated: CrossValidation) -> Cards:
    def card(measure: str, tone: Tone = "") -> Card:
        mean = float(validated.scores(measure).mean())
        return share_card(mean, NAMES[measure], validated.interval(measure), tone)

    spread = validated.scores().std(ddof=1)
    detail = f"standard deviation of accuracy over {len(validated.folds)} folds"
    lead = (
        "Every picture was read by a model that had never seen it, nor an exact duplicate of it. The "
        "interval is corrected for the training pictures that the folds share."
    )
    return Cards(
        (
            card("accuracy", "strong"),
            card("macro_f1"),
            Card(f"{100 * spread:.2f}", "spread in points", detail),
        ),
        lead,
    )


def _folds_section(validated: CrossValidation) -> Section:
    rows = [
        (
            f"{fold.repeat + 1}.{fold.fold + 1}",
            *(f"{n:,}" for n in (fold.n_train, fold.n_val, fold.n_test)),
            *(percent(getattr(fold, measure)) for measure in NAMES),
            duration(fold.seconds),
        )
        for fold in validated.folds
    ]
    table = Table(
        ("repeat.fold", "fitted on", "chosen on", "read", "accuracy", "precision", "recall", "F1", "fit"),
        tuple(rows),
        "One row a model",
        ("Precision, recall and F1 are plain means over the classes.",),
    )
    means = {one: (float(validated.scores(one).mean()), validated.interval(one)) for one in NAMES}
    summary = Table(
        ("measure", "mean", "spread, points"),
        tuple(
            (NAMES[one], share_cell(*mean), f"{100 * validated.scores(one).std(ddof=1):.2f}")
            for one, mean in means.items()
        ),
        "Mean over the folds",
        (f"Small print: 95 % intervals, {CROSSVAL_INTERVAL}.",),
    )
    drawn = [(NAMES[one], *mean) for one, mean in means.items()]
    figure = Figure(interval_figure(drawn, unit="%"), "Mean over the folds with 95 % intervals.")
    return Section("Folds", (figure, summary, table))
