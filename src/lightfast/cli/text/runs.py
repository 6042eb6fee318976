"""What results say on a terminal: lines of text. Only the command line prints them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.cli.text.columns import NAMED, columns, unreadable_lines
from lightfast.data.check import DataReport
from lightfast.report.tables import percent, points_text, share_text

if TYPE_CHECKING:
    from lightfast.evaluate.compare import PairedTest
    from lightfast.evaluate.metrics import Evaluation
    from lightfast.evaluate.robustness import Robustness
    from lightfast.pages.demo import DemoResult
    from lightfast.pages.learned import FoundLabelIssues
    from lightfast.pages.objects_sheet import ObjectsResult
    from lightfast.pages.run import EvaluateResult, OutOfFold, RunResult, TrainResult
    from lightfast.pages.tags import ScoredTags

_FIRST = 5
"""Label issues named on a terminal."""


def train_lines(result: TrainResult) -> list[str]:
    """What `train` found: accuracy with interval and n, how it learned; where the report lies."""
    return [
        *_scored_lines(result),
        *([f"learned    {result.learned.why}"] if result.learned else []),
        *(label_issue_lines(result.label_issues) if result.label_issues else []),
        *(fold_lines(result.out_of_fold) if result.out_of_fold else []),
        *report_line(result.run),
    ]


def label_issue_lines(found: FoundLabelIssues) -> list[str]:
    """How many labels look wrong, the first ones by name, and the file with all of them."""
    lines = [f"labels     {found.sentence()}{f': {found.file}' if found.rows else ''}"]
    for one in found.rows[:_FIRST]:
        told = f"{one.id}: {one.given_label}, rather {one.suggested_label} (quality {one.label_quality:.3f})"
        lines.append(f"           {told}")
    return [*lines, *([f"           … and {found.n - _FIRST:,} more"] if found.n > _FIRST else [])]


def evaluate_lines(result: EvaluateResult, folder: Path | None) -> list[str]:
    """What `evaluate` found: accuracy with interval and n, the corruption card; `folder` holds the report."""
    card = robustness_lines(result.robustness) if result.robustness else []
    return [*_scored_lines(result), *card, *report_line(folder)]


def report_line(folder: Path | str | None) -> list[str]:
    """Where the report lies; nothing without a folder."""
    return [f"report     {Path(folder, 'report.html')}"] if folder else []


def _scored_lines(result: RunResult) -> list[str]:
    # Here, because the other texts of this file are of verbs that draw no page.
    from lightfast.pages.tags import ScoredTags

    scored = result.scored
    return tag_lines(scored) if isinstance(scored, ScoredTags) else score_lines(scored.evaluation)


def fold_lines(kept: OutOfFold) -> list[str]:
    """The accuracy out of fold, and where the probabilities are."""
    found = kept.validated
    accuracy = share_text(found.scores().mean(), found.interval())
    return [f"out of fold {accuracy}, n = {len(found.predictions):,}: {kept.predictions}"]


def demo_lines(result: DemoResult) -> list[str]:
    """Before and after repair: clean digits, the mixture, every kind of damage; and where the report lies."""
    tests = {"clean digits": result.clean, "mixture": result.mixed, **result.by_kind}
    return [
        *columns(
            ("damage", "n", "before", "after", "difference"),
            [paired_row(name, test) for name, test in tests.items()],
        ),
        "Accuracy of the same test digits before and after repair; brackets: 95 % intervals. No label "
        "decided what was repaired.",
        f"{int(result.story.repair.needs_review.sum()):,} of {result.mixed.n:,} readings of the mixture are "
        "doubtful and queued for a person.",
        f"report     {result.report}",
    ]


def paired_row(name: str, test: PairedTest) -> tuple[str, ...]:
    """A paired test: its name, n, the accuracy before and after, the difference with its interval."""
    return (
        name.replace("_", " "),
        f"{test.n:,}",
        percent(test.before_accuracy),
        percent(test.after_accuracy),
        points_text(test.difference, test.difference_interval),
    )


def score_lines(found: Evaluation) -> list[str]:
    """Accuracy with interval and n, F1 with the weakest classes, calibration."""
    tested = sorted((row for row in found.per_class if row.support), key=lambda row: row.f1)
    named = ", ".join(f"{row.name} {percent(row.f1, 1)}" for row in tested[:3])
    untested = [row.name for row in found.per_class if not row.support]
    more = f" and {len(untested) - NAMED:,} more" if len(untested) > NAMED else ""
    return [
        f"accuracy   {share_text(found.accuracy, found.accuracy_interval)}, n = {found.n:,}",
        f"macro F1   {percent(found.macro_f1)}; the lowest: {named}",
        *([f"not tested {', '.join(untested[:NAMED])}{more}: no picture to test on"] if untested else []),
        found.calibration_sentence(),
    ]


def tag_lines(scored: ScoredTags) -> list[str]:
    """F1 with interval and n, the share of pictures whose labels are all right,
    the labels that are never given.
    """
    found, never = scored.evaluation, scored.thresholds.never if scored.thresholds else ()
    macro = share_text(found.macro_f1, found.macro_f1_interval)
    exact = share_text(found.exact_match, found.exact_match_interval)
    return [
        f"macro F1   {macro}, n = {found.n:,}, {len(found.per_label)} labels",
        f"all right  {exact} of the pictures have all their labels and no other",
        *([f"never      {', '.join(never)}: no threshold reaches the wanted precision"] if never else []),
    ]


def robustness_lines(card: Robustness) -> list[str]:
    """A table of accuracy by corruption and severity."""
    rows = [(row.corruption, str(row.severity), share_text(row.accuracy, row.interval)) for row in card.rows]
    mean = f"mean under {card.suite} {share_text(card.robust_accuracy, card.robust_interval)}"
    return [
        *columns(("corruption", "severity", "accuracy"), rows),
        f"{mean}, clean {share_text(card.clean_accuracy, card.clean_interval)}; the same {card.n:,} "
        "pictures in every row",
    ]


def check_lines(report: DataReport) -> list[str]:
    """The report of `data check`."""
    height, width, channels = report.image_shape
    named = list(report.classes.items())
    sizes = list(report.sizes.items())
    lines = [
        f"{report.source}: {report.n:,} pictures of {height}×{width}×{channels}, {len(named)} classes, "
        f"version {report.version}",
        f"parts      {_counted(list(report.parts.items()))}",
        f"classes    {_counted(named) or 'none: pictures without labels'}",
        f"sizes      {_counted(sizes)}",
        *unreadable_lines([asdict(one) for one in report.unreadable]),
        *_group_lines("conflict   {} with different labels", " = ", report.conflicts),
        *_group_lines("near copy  {}", " ~ ", report.near_duplicates),
        *_group_lines("near copy  {} with different labels", " ~ ", report.near_conflicts),
        *([f"near copies were not searched: {report.near_not_searched}"] if report.near_not_searched else []),
        *(f"warning    {warning}" for warning in report.warnings),
    ]
    return lines if report.warnings else [*lines, "nothing wrong was found"]


def _group_lines(text: str, sign: str, groups: Sequence[Sequence[str]]) -> list[str]:
    """One line a group of ids, the first ones named, the rest counted."""
    lines = [
        text.format(
            sign.join(group[:NAMED]) + (f" and {len(group) - NAMED:,} more" if len(group) > NAMED else "")
        )
        for group in groups[:NAMED]
    ]
    return (
        [*lines, text.format(f"… and {len(groups) - NAMED:,} more groups")] if len(groups) > NAMED else lines
    )


def _counted(named: Sequence[tuple[str, int]], most: int = 12) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in named[:most])
    return f"{shown} … ({len(named)} in all)" if len(named) > most else shown


def objects_lines(result: ObjectsResult) -> list[str]:
    """One line a picture: its tags, and how many boxes they have."""
    lines = []
    for one in result.pictures:
        boxes = one.found.labels
        tags = ", ".join(
            f"{label} {percent(share, 0)}{f' ({count} boxes)' if (count := boxes.count(label)) > 1 else ''}"
            for label, share in one.found.tags.items()
        )
        lines.append(f"{one.path}: {tags or 'nothing above the threshold'}")
    return [*lines, *([f"sheet      {result.sheet}"] if result.sheet else [])]
