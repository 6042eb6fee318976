"""The page of the demo: one screen that says what repair brought,
and below it everything that stands behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.robustness import Robustness
from lightfast.pages.repair import (
    NO_LABEL_NOTE,
    RepairReport,
    confusion_section,
    found_section,
    grid,
    intervals_of,
    paired_table,
    queue_section,
    rows_by_outcome,
    training_section,
)
from lightfast.pages.run import RunReport, reliability_section, robustness_section
from lightfast.report.figures import before_after
from lightfast.report.page import Card, Cards, Figure, Section, SectionPart, Text, write_page
from lightfast.report.tables import percent, percent_range, share_card
from lightfast.restore.pipeline import Repair


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo measured.

    Attributes:
        tested: the classifier and its prediction of the clean test digits.
        clean: the clean test digits through the whole pipeline: it must do no harm.
        story: the damaged mixture.
        published, curves: `before` and `after` under the suite, at its own severities and at severities 1..5.
    """

    tested: RunReport
    clean: Repair
    story: RepairReport
    published: Mapping[str, Robustness]
    curves: Mapping[str, Robustness]

    @cached_property
    def tests_by_kind(self) -> dict[str, PairedTest]:
        """Paired test a damage kind, at its published strength."""
        before, after = self.published["before"], self.published["after"]
        pairs = zip(before.rows, before.correct, after.correct, strict=True)
        return {row.corruption: mcnemar(first, final) for row, first, final in pairs}


def write_demo_page(
    path: Path, result: DemoResult, metrics: Mapping[str, Any], facts: Mapping[str, Any]
) -> Path:
    """Write the demo's report."""
    story = result.story
    sections = [
        Section("Result", (_cards(result, metrics), Text(NO_LABEL_NOTE, note=True))),
        _table_section(result),
        _pictures_section(story),
        robustness_section(result.curves, "Every damage at every strength"),
        found_section(story),
        queue_section(story),
        *([confusion_section(story.scores)] if story.scores else []),
        reliability_section(result.tested.predictions, result.tested.evaluation),
        training_section(story.pipeline),
    ]
    parts = metrics["parts"]
    subtitle = (
        f"A classifier that learnt {parts['train']:,} clean handwritten digits reads {parts['test']:,} "
        "others: clean, damaged in fifteen ways, and repaired."
    )
    return write_page(path, "Damaged digits, read again", subtitle, sections, facts)


def _cards(result: DemoResult, metrics: Mapping[str, Any]) -> Cards:
    mixture = result.story.repair.paired
    trained = result.tested.evaluation
    story, right = result.story, result.story.repair.sure_accuracy
    rest = "no reading is sure enough" if right is None else f"the rest is {percent(right, 1)} right"
    interval = intervals_of(mixture)
    cards = (
        share_card(trained.accuracy, "clean digits", trained.accuracy_interval, digits=1),
        share_card(mixture.before_accuracy, "damaged, before repair", interval[0], "bad", digits=1),
        share_card(mixture.after_accuracy, "damaged, after repair", interval[1], "good", digits=1),
        Card(
            percent(story.doubtful / story.n, 1),
            "left for a person",
            f"{story.doubtful:,} of {story.n:,}; {rest}",
        ),
        Card(
            f"{metrics['seconds']['total'] / 60:.1f} min",
            "from start to report",
            f"n = {mixture.n:,} test digits",
        ),
    )
    return Cards(cards, mixture.sentence())


def _table_section(result: DemoResult) -> Section:
    """Clean, mixture and every kind, before and after, as a figure and as a table."""
    mixture = result.story.repair.paired
    clean = result.clean.paired
    tests = {"clean": clean, "mixture": mixture, **result.tests_by_kind}
    drawn = [
        (name.replace("_", " "), test.before_accuracy, test.after_accuracy, *intervals_of(test))
        for name, test in tests.items()
    ]
    before, after = result.published["before"], result.published["after"]
    lead = (
        f"Mean over the fifteen damages at their published strengths: {percent(before.robust_accuracy)} "
        f"({percent_range(before.robust_interval)}) before repair, {percent(after.robust_accuracy)} "
        f"({percent_range(after.robust_interval)}) after."
    )
    figure = Figure(
        before_after(drawn),
        "Light bars are 95 % intervals. Mixture: each test digit damaged in one of the fifteen ways of "
        "MNIST-C at its published strength, one in eight left clean.",
    )
    table = paired_table(tests, f"The same {clean.n:,} test digits in every row")
    return Section("Before and after", (figure, table), lead)


def _pictures_section(story: RepairReport) -> Section:
    parts: list[SectionPart] = [grid(story)]
    lost = rows_by_outcome(story, True, False, 6)
    if lost:
        parts.append(
            grid(
                story, lost, "Where repair did harm: readings that were right and became wrong, drawn by lot."
            )
        )
    still = rows_by_outcome(story, False, False, 6)
    if still:
        parts.append(
            grid(
                story,
                still,
                "Where it did not help: readings that were wrong and stayed wrong, drawn by lot.",
            )
        )
    return Section(
        "Degraded, restored, clean",
        tuple(parts),
        "What came in, what the restorer made of it, and what was there.",
    )
