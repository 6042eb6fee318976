"""The page of the demo: one screen that says what repair brought,
and below it everything that stands behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.base.plain import FLAT
from lightfast.evaluate.compare import PairedTest
from lightfast.pages.classes import ScoredLabels
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
from lightfast.pages.run import TrainResult, reliability_section, robustness_section
from lightfast.report.figures import before_after
from lightfast.report.page import Card, Cards, Figure, Section, SectionPart, Text, write_page
from lightfast.report.tables import percent, percent_range, share_card

if TYPE_CHECKING:
    from lightfast.evaluate.robustness import Robustness


@dataclass(frozen=True, eq=False)
class DemoMixture:
    """The damaged mixture repaired: `clean_share` of it undamaged, the rest by `suite`."""

    report: RepairReport = field(metadata=FLAT)
    clean_share: float
    suite: str


@dataclass(frozen=True, eq=False, kw_only=True)
class DemoResult(TrainResult):
    """What the demo found, beside its training on clean digits.

    Attributes:
        scored: what the classifier predicts of the clean test digits.
        clean: the clean test digits through the whole pipeline: it must do no harm.
        mixture: the damaged mixture; `story` is its report, `mixed` its paired test.
        by_kind: a paired test a damage, at its published strength.
        robustness, severities: `before` and `after` under the suite, at its own severities and at severities
            1..5.
        report: the page.
    """

    scored: ScoredLabels = field(metadata=FLAT)
    clean: PairedTest
    mixture: DemoMixture
    by_kind: Mapping[str, PairedTest]
    robustness: Mapping[str, Robustness]
    severities: Mapping[str, Robustness]
    report: Path

    @property
    def story(self) -> RepairReport:
        """Every picture of the mixture."""
        return self.mixture.report

    @property
    def mixed(self) -> PairedTest:
        """Before and after repair, on the mixture."""
        return self.story.repair.paired


def write_demo_page(path: Path, result: DemoResult) -> Path:
    """Write the demo's report."""
    story = result.story
    sections = [
        Section("Result", (_cards(result), Text(NO_LABEL_NOTE, note=True))),
        _table_section(result),
        _pictures_section(story),
        robustness_section(result.severities, "Every damage at every strength"),
        found_section(story),
        queue_section(story),
        *([confusion_section(story.scores)] if story.scores else []),
        reliability_section(result.scored.predictions, result.scored.evaluation),
        training_section(story.pipeline),
    ]
    parts = result.parts
    subtitle = (
        f"A classifier that learnt {parts['train']:,} clean handwritten digits reads {parts['test']:,} "
        "others: clean, damaged in fifteen ways, and repaired."
    )
    return write_page(path, "Damaged digits, read again", subtitle, sections, result.provenance)


def _cards(result: DemoResult) -> Cards:
    mixture, trained = result.mixed, result.scored.evaluation
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
            f"{result.steps['total'] / 60:.1f} min", "from start to report", f"n = {mixture.n:,} test digits"
        ),
    )
    return Cards(cards, mixture.sentence())


def _table_section(result: DemoResult) -> Section:
    """Clean, mixture and every kind, before and after, as a figure and as a table."""
    tests = {"clean": result.clean, "mixture": result.mixed, **result.by_kind}
    drawn = [
        (name.replace("_", " "), test.before_accuracy, test.after_accuracy, *intervals_of(test))
        for name, test in tests.items()
    ]
    before, after = result.robustness["before"], result.robustness["after"]
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
    table = paired_table(tests, f"The same {result.clean.n:,} test digits in every row")
    return Section("Before and after", (figure, table), lead)


def _pictures_section(story: RepairReport) -> Section:
    parts: list[SectionPart] = [grid(story)]
    for before, caption in (
        (True, "Where repair did harm: readings that were right and became wrong, drawn by lot."),
        (False, "Where it did not help: readings that were wrong and stayed wrong, drawn by lot."),
    ):
        rows = rows_by_outcome(story, before, False, 6)
        parts += [grid(story, rows, caption)] if rows else []
    return Section(
        "Degraded, restored, clean",
        tuple(parts),
        "What came in, what the restorer made of it, and what was there.",
    )
