"""Figure 1 of the media-library paper, and what it says of random weights, beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lightfast.report.grouped import GroupedShare, grouped_intervals_figure
from lightfast.report.page import Cell, Figure, Section, Table
from lightfast.report.tables import MINUS, percent, points_cell
from lightfast.statistics.intervals import Interval, student_mean, wilson
from lightfast.studies.assets.tasks import MODEL, TASKS, TaskOf

PUBLISHED_TESTS = 100
"""Test pictures of the paper's comparison."""
PAPER_FALL = {"top-1, points": -0.37, "top-3, points": -0.08}
"""What the paper's network loses from random weights."""
PAPER_EPOCHS = "36 against 10"
_PRETRAINED, _SCRATCH = "full", "scratch"


def intervals_section(draws: Mapping[str, Sequence[Any]], full: Mapping[str, Sequence[Any]]) -> Section:
    """Figure 1: top-1 accuracies with 95 % intervals, a panel a task."""
    groups = {task.title: _task_rows(task, draws[task.name], full.get(task.name, ())) for task in TASKS}
    one = draws[TASKS[0].name]
    caption = (
        f"Top-1 accuracy with 95 % intervals. Here: mean of {len(one)} draws of "
        f"{one[0]['n_train'] + one[0]['n_val']:,} training and {one[0]['n_test']:,} test pictures "
        "(Student's t over "
        "draws)"
        + (", and the full sets (Wilson)" if full else "")
        + ", on stand-ins. Published: the paper's, "
        "Clarifai's and Vize's on the paper's private pictures, intervals by Wilson from their "
        "accuracies and "
        f"n = {PUBLISHED_TESTS}."
    )
    lead = "The hosted services and the paper's method on its pictures, ours on the stand-ins."
    return Section(
        "Top-1 accuracy with intervals (the paper's Figure 1)",
        (Figure(grouped_intervals_figure(groups, unit="top-1 accuracy, %"), caption),),
        lead,
    )


def _task_rows(task: TaskOf, draws: Sequence[Any], full: Sequence[Any]) -> list[GroupedShare]:
    own = np.array([one["methods"][one["chosen"]]["top1"] for one in draws])
    size = draws[0]["n_train"] + draws[0]["n_val"]
    interval = student_mean(own, (0.0, 1.0))
    rows = [GroupedShare(f"ours, {size:,} pictures", float(own.mean()), interval, True)]
    for one in full:
        share = one["methods"][one["chosen"]]["top1"]
        hits = wilson(round(share * one["n_test"]), one["n_test"])
        rows.append(GroupedShare(f"ours, full set (n = {one['n_test']:,})", share, hits, True))
    for name, (top1, _) in task.published.items():
        hits = round(top1 / 100 * PUBLISHED_TESTS)
        title = "the paper's method" if name == "paper" else name
        rows.append(GroupedShare(title, top1 / 100, wilson(hits, PUBLISHED_TESTS), False))
    return rows


def scratch_rows(trained: Sequence[Mapping[str, Any]], judged: bool) -> list[dict[str, Any]]:
    """What random weights cost against pretrained ones that are fine-tuned, beside the paper's figures: one
    row of plain JSON values a measure, the draws put together; `reproduced` is None unless `judged`.
    """
    rows: list[dict[str, Any]] = []
    for (name, paper), key in zip(PAPER_FALL.items(), ("accuracy", "top3"), strict=True):
        if any(row[key] is None for row in trained):
            continue
        after, before = (_hits(trained, way, key) for way in (_SCRATCH, _PRETRAINED))
        difference, interval = after[0] / after[1] - before[0] / before[1], unpaired_interval(after, before)
        found = {"measure": name, "paper": paper, "difference": difference, "n": after[1]}
        reproduced = bool(interval.low <= paper <= interval.high) if judged else None
        rows.append(found | {"interval": list(interval), "reproduced": reproduced})
    return rows


def unpaired_interval(after: tuple[int, int], before: tuple[int, int]) -> Interval:
    """95 % interval of a difference of two shares (hits, n) from their Wilson intervals (Newcombe 1998,
    Statistics in Medicine 17, 873-890, method 10): wider than a paired one where both read the same pictures.
    """
    (high_share, high), (low_share, low) = ((hits / n, wilson(hits, n)) for hits, n in (after, before))
    difference = high_share - low_share
    down = np.hypot(high_share - high.low, low.high - low_share)
    up = np.hypot(high.high - high_share, low_share - low.low)
    return Interval(float(difference - down), float(difference + up))


def _hits(trained: Sequence[Mapping[str, Any]], way: str, key: str) -> tuple[int, int]:
    """(right pictures, pictures) of a way over its draws."""
    own = [row for row in trained if row["way"] == way]
    return sum(round(row[key] * row["n"]) for row in own), sum(row["n"] for row in own)


def scratch_table(trained: Sequence[Mapping[str, Any]], task: TaskOf, judged: bool) -> Table:
    """The paper's fall without pretrained weights beside ours, whether it is reproduced (where that can be
    `judged`: not after the single epoch of scale "quick"), and what differs.
    """
    rows: list[tuple[Cell | str, ...]] = [
        (
            row["measure"],
            f"{100 * row['paper']:+.0f}".replace("-", MINUS),
            points_cell(row["difference"], row["interval"]),
            _ANSWERS[row["reproduced"]],
            _DIFFERS.format(model=MODEL, task=task.title),
        )
        for row in scratch_rows(trained, judged)
    ]
    epochs = {way: _epochs(trained, way) for way in (_PRETRAINED, _SCRATCH)}
    here = f"{epochs[_SCRATCH]} against {epochs[_PRETRAINED]}"
    differs = (
        "from random weights a fixed number of epochs, not until it converges, at another step and schedule"
    )
    rows.append(("epochs", PAPER_EPOCHS, here, "not measured", differs))
    right, n = _hits(trained, _SCRATCH, "accuracy")
    notes = (
        f"From scratch minus fine-tuned, n = {n:,} test pictures; in brackets the 95 % interval of two "
        "independent shares (Newcombe), wider than a paired one; “yes” where it holds the paper's "
        "figure. From "
        f"random weights {percent(right / n, 1)} of these stand-ins are read rightly.",
    )
    columns = ("without pretrained weights", "paper", "here", "reproduced", "differs from the paper")
    return Table(columns, tuple(rows), "What random weights cost", notes)


_ANSWERS = {True: "yes", False: "no", None: "too few pictures"}
_DIFFERS = (
    "stand-ins, {model} at 96 pixels (paper: Inception-v3), all of the backbone fine-tuned (paper: its stem "
    "frozen), task “{task}” (paper: not told)"
)


def _epochs(trained: Sequence[Mapping[str, Any]], way: str) -> str:
    return " and ".join(sorted({str(row["epochs"]) for row in trained if row["way"] == way}))
