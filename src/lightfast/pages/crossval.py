"""The page of a cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import score
from lightfast.experiments.crossval import CrossValidation
from lightfast.pages.classes import classes_sections
from lightfast.pages.run import reliability_section
from lightfast.report.noted import noted
from lightfast.report.page import Card, Cards, Figure, Section, Table, write_page
from lightfast.report.statistics import interval_figure
from lightfast.report.tables import duration, percent, percent_range, share_cell

NAMES = {
    "accuracy": "accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
}


def write_crossval_page(
    path: Path,
    validated: CrossValidation,
    images: ImageSet,
    metrics: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Path:
    """The report: mean and corrected interval, every fold, and classes,
    confusions and confidence of the out-of-fold readings.
    """
    evaluation = score(validated.predictions)
    sections = [
        Section("Result", (_cards(validated), *noted(metrics["notes"], metrics["unreadable"]))),
        _folds_section(validated),
        *classes_sections(validated.predictions, evaluation, images),
        reliability_section(validated.predictions, evaluation),
    ]
    title = f"{validated.model} on {metrics['data']}, cross-validated"
    subtitle = (
        f"{len(images):,} pictures, {validated.k} folds, {validated.repeats} "
        f"time{'s' * (validated.repeats > 1)}."
    )
    return write_page(path, title, subtitle, sections, facts)


def _cards(validated: CrossValidation) -> Cards:
    cards = []
    for measure in ("accuracy", "macro_f1"):
        values = validated.scores(measure)
        detail = f"95 % interval {percent_range(validated.interval(measure))}"
        cards.append(
            Card(
                percent(float(values.mean())),
                NAMES[measure],
                detail,
                "strong" if measure == "accuracy" else "",
            )
        )
    spread = validated.scores().std(ddof=1)
    cards.append(
        Card(
            f"{100 * spread:.2f}",
            "spread in points",
            f"standard deviation of accuracy over {len(validated.folds)} folds",
        )
    )
    lead = (
        "Every picture was read by a model that had never seen it, nor an exact duplicate of it. The "
        "interval is corrected for the training pictures that the folds share."
    )
    return Cards(tuple(cards), lead)


def _folds_section(validated: CrossValidation) -> Section:
    rows = [
        (
            f"{fold.repeat + 1}.{fold.fold + 1}",
            f"{fold.n_train:,}",
            f"{fold.n_val:,}",
            f"{fold.n_test:,}",
            percent(fold.accuracy),
            percent(fold.macro_precision),
            percent(fold.macro_recall),
            percent(fold.macro_f1),
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
    means = tuple(
        (
            NAMES[measure],
            share_cell(float(validated.scores(measure).mean()), validated.interval(measure)),
            f"{100 * validated.scores(measure).std(ddof=1):.2f}",
        )
        for measure in NAMES
    )
    summary = Table(
        ("measure", "mean", "spread, points"),
        means,
        "Mean over the folds",
        ("Small print: 95 % intervals by the corrected resampled t (Nadeau and Bengio 2003).",),
    )
    drawn = [
        (NAMES[measure], float(validated.scores(measure).mean()), validated.interval(measure))
        for measure in NAMES
    ]
    return Section(
        "Folds",
        (
            Figure(interval_figure(drawn, unit="%"), "Mean over the folds with 95 % intervals."),
            summary,
            table,
        ),
    )
