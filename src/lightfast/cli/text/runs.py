"""What results say on a terminal: lines of text. Only the command line prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightfast.cli.text.columns import NAMED, columns, unreadable_lines
from lightfast.data.check import DataReport
from lightfast.report.tables import percent, points_text, share_text


def run_lines(metrics: Mapping[str, Any], folder: Path | str | None) -> list[str]:
    """What `train` or `evaluate` found: accuracy with interval and n; `folder` holds the report."""
    lines = score_lines(metrics) if "accuracy" in metrics else []
    lines += tag_lines(metrics) if "exact_match" in metrics else []
    if "learned" in metrics:
        lines.append(f"learned    {metrics['auto']['why'] if 'auto' in metrics else metrics['learned']}")
    lines += robustness_lines(metrics.get("robustness"))
    if "out_of_fold" in metrics:
        kept = metrics["out_of_fold"]
        lines.append(
            f"out of fold {share_text(kept['accuracy'], kept['accuracy_interval'])}, n = {kept['n']:,}: "
            f"{kept['predictions']}"
        )
    return [*lines, f"report     {Path(folder, 'report.html')}"] if folder else lines


def demo_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Before and after repair: clean digits, the mixture, every kind of damage; and where the report lies."""
    tests = {"clean digits": metrics["clean"], "mixture": metrics["mixture"]["paired"], **metrics["by_kind"]}
    mixture = metrics["mixture"]
    return [
        *columns(
            ("damage", "n", "before", "after", "difference"),
            [paired_row(name, test) for name, test in tests.items()],
        ),
        "Accuracy of the same test digits before and after repair; brackets: 95 % intervals. No label "
        "decided what was repaired.",
        f"{mixture['doubtful']:,} of {mixture['n']:,} readings of the mixture are doubtful and queued for a "
        "person.",
        f"report     {metrics['report']}",
    ]


def paired_row(name: str, test: Mapping[str, Any]) -> tuple[str, ...]:
    """A paired test: its name, n, the accuracy before and after, the difference with its interval."""
    return (
        name.replace("_", " "),
        f"{test['n']:,}",
        percent(test["before_accuracy"]),
        percent(test["after_accuracy"]),
        points_text(test["difference"], test["difference_interval"]),
    )


def score_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Accuracy with interval and n, F1 with the weakest classes, calibration."""
    tested = [row for row in metrics["per_class"] if row["support"]]
    named = ", ".join(
        f"{row['name']} {percent(row['f1'], 1)}" for row in sorted(tested, key=lambda row: row["f1"])[:3]
    )
    untested = [row["name"] for row in metrics["per_class"] if not row["support"]]
    more = f" and {len(untested) - NAMED:,} more" if len(untested) > NAMED else ""
    return [
        f"accuracy   {share_text(metrics['accuracy'], metrics['accuracy_interval'])}, n = {metrics['n']:,}",
        f"macro F1   {percent(metrics['macro_f1'])}; the lowest: {named}",
        *([f"not tested {', '.join(untested[:NAMED])}{more}: no picture to test on"] if untested else []),
        f"confidence differs from accuracy by {percent(metrics['ece'], 1)} on average",
    ]


def tag_lines(metrics: Mapping[str, Any]) -> list[str]:
    """F1 with interval and n, the share of pictures whose labels are all right,
    the labels that are never given.
    """
    macro = share_text(metrics["macro_f1"], metrics["macro_f1_interval"])
    exact = share_text(metrics["exact_match"], metrics["exact_match_interval"])
    lines = [
        f"macro F1   {macro}, n = {metrics['n']:,}, {len(metrics['per_label'])} labels",
        f"all right  {exact} of the pictures have all their labels and no other",
    ]
    never = metrics.get("thresholds", {}).get("never", [])
    return lines + [f"never      {', '.join(never)}: no threshold reaches the wanted precision"] * bool(never)


def robustness_lines(card: Mapping[str, Any] | None) -> list[str]:
    """A table of accuracy by corruption and severity."""
    if not card:
        return []
    rows = [
        (row["corruption"], str(row["severity"]), share_text(row["accuracy"], row["interval"]))
        for row in card["rows"]
    ]
    mean = f"mean under {card['suite']} {share_text(card['robust_accuracy'], card['robust_interval'])}"
    return [
        *columns(("corruption", "severity", "accuracy"), rows),
        f"{mean}, clean {share_text(card['clean_accuracy'], card['clean_interval'])}; the same {card['n']:,} "
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
        f"classes    {_counted(named)}",
        f"sizes      {_counted(sizes)}",
        *unreadable_lines([asdict(one) for one in report.unreadable]),
        *_group_lines("conflict   {} with different labels", " = ", report.conflicts),
        *_group_lines("near copy  {}", " ~ ", report.near_duplicates),
        *_group_lines("near copy  {} with different labels", " ~ ", report.near_conflicts),
        *([f"near copies were not searched: {report.near_not_searched}"] if report.near_not_searched else []),
        *(f"note       {note}" for note in report.notes),
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


def objects_lines(result: Mapping[str, Any]) -> list[str]:
    """One line a picture: its tags, and how many boxes they have."""
    lines = []
    for row in result["pictures"]:
        boxes = [one["label"] for one in row["objects"]]
        tags = ", ".join(
            f"{label} {percent(share, 0)}{f' ({count} boxes)' if (count := boxes.count(label)) > 1 else ''}"
            for label, share in row["tags"].items()
        )
        lines.append(f"{row['path']}: {tags or 'nothing above the threshold'}")
    return [*lines, *([f"sheet      {result['sheet']}"] if result["sheet"] else [])]
