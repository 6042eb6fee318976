"""Answers to the queue of `repair`: taken up as decisions, applied to the result, counted in its figures."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from lightfast.base.errors import DataError
from lightfast.base.files import storage_errors, write_text
from lightfast.data.answers import (
    CONTENT,
    DECIDED,
    REVIEWER,
    AskedPicture,
    QueueAnswers,
    SetAsideAnswer,
    filled_cells,
    read_answers,
)
from lightfast.data.decisions import Decision, DecisionLog, latest
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predictions import Predictions
from lightfast.pages.answered import AnsweredRepair, AnsweredScores
from lightfast.pages.repair import RepairReport
from lightfast.runs.repair.options import RepairOptions
from lightfast.statistics.intervals import wilson

DECISIONS_FILE, SET_ASIDE_FILE = "decisions.jsonl", "answers_set_aside.csv"


def with_answers(
    target: Path, report: RepairReport, repair_options: RepairOptions
) -> tuple[RepairReport, tuple[str, ...]]:
    """(the report with what people have decided, notes).

    New answers are checked and appended to TARGET/decisions.jsonl; those that were taken up before hold as
    well, for the pictures that have not changed. Without any the report stays as it is.

    Raises DataError, UnknownName: answers that cannot be taken up; nothing is written then.
    """
    log, said = DecisionLog(target / DECISIONS_FILE), QueueAnswers((), 0, ())
    before, notes = log.read(), ()
    new: list[Decision] = []
    if repair_options.answers is not None:
        said = _read(repair_options.answers, report, repair_options.reviewer)
        known = latest(before.records)
        new = [one for one in said.decisions if _changes(one, known.get((one.picture, one.content)))]
        for one in new:
            log.append(one)
        notes = _set_aside(target, said.set_aside)
    notes = (*before.notes(log.path), *notes)
    decisions = _in_force(report, (*before.records, *new))
    if not decisions and repair_options.answers is None:
        return report, notes
    return dataclasses.replace(report, answers=_answered(report, decisions, said, len(new))), notes


def _read(path: Path, report: RepairReport, reviewer: str | None) -> QueueAnswers:
    images, after = report.given.images, report.repair.after
    labels = [None] * len(after) if after.labels is None else [after.class_names[one] for one in after.labels]
    waiting = report.repair.needs_review.tolist()
    asked = [
        AskedPicture(*row) for row in zip(after.ids, images.content_hashes, labels, waiting, strict=True)
    ]
    said = read_answers(path, asked, after.class_names, reviewer)
    if not said.decisions:
        first = said.set_aside[0]
        raise DataError(
            f"none of the {len(said.set_aside):,} answers in {path} fits these pictures",
            got=f"{first.id}: {first.reason}",
            cure="Give the pictures, `damage`, `limit` and `seed` of the repair that wrote the queue.",
        )
    return said


def _changes(new: Decision, old: Decision | None) -> bool:
    """Whether a decision says something that the log does not say already."""
    return old is None or (new.decided_label, new.reviewer) != (old.decided_label, old.reviewer)


def _in_force(report: RepairReport, records: Sequence[Decision]) -> dict[int, Decision]:
    """Row → the decision about exactly its picture, where there is one with a label of the classifier."""
    images, names = report.given.images, set(report.repair.after.class_names)
    known = latest(records)
    found = (
        (row, known.get(key)) for row, key in enumerate(zip(images.ids, images.content_hashes, strict=True))
    )
    return {row: one for row, one in found if one is not None and one.decided_label in names}


def _answered(
    report: RepairReport, decisions: dict[int, Decision], said: QueueAnswers, new: int
) -> AnsweredRepair:
    after, waiting = report.repair.after, report.repair.needs_review
    numbers = {name: number for number, name in enumerate(after.class_names)}
    labels = after.predicted_labels.copy()
    for row, one in decisions.items():
        labels[row] = numbers[str(one.decided_label)]
    return AnsweredRepair(
        decided=len(decisions),
        new=new,
        changed=int((labels != after.predicted_labels).sum()),
        waiting=int(waiting.sum()) - sum(bool(waiting[row]) for row in decisions),
        empty=said.empty,
        set_aside=len(said.set_aside),
        reviewers=tuple(sorted({one.reviewer for one in decisions.values()})),
        scores=None if after.labels is None else _scores(after, labels),
        decisions=decisions,
    )


def _scores(after: Predictions, labels: np.ndarray) -> AnsweredScores:
    right = labels == after.require_labels()
    test = mcnemar(after.correct, right)
    test = dataclasses.replace(test, before_name="the repaired reading", after_name="with the answers")
    return AnsweredScores(float(right.mean()), wilson(int(right.sum()), len(right)), len(right), test)


def _set_aside(target: Path, rows: Sequence[SetAsideAnswer]) -> tuple[str, ...]:
    path = target / SET_ASIDE_FILE
    if not rows:
        with storage_errors(path):
            path.unlink(missing_ok=True)
        return ()
    text = StringIO()
    fields = [one.name for one in dataclasses.fields(SetAsideAnswer)]
    csv.writer(text).writerows([fields, *(dataclasses.astuple(row) for row in rows)])
    write_text(path, text.getvalue())
    more = f", and {len(rows) - 1:,} more" if len(rows) > 1 else ""
    return (f"answers set aside in {path}: {rows[0].id} ({rows[0].reason}){more}",)


def answer_columns(report: RepairReport) -> dict[str, np.ndarray]:
    """Columns of the queue: the content hash of each picture, what was decided about it (empty: nothing yet),
    and by whom.
    """
    images = report.given.images
    decisions = {} if report.answers is None else report.answers.decisions
    decided = [str(decisions[row].decided_label) if row in decisions else "" for row in range(len(images))]
    by = [decisions[row].reviewer if row in decisions else "" for row in range(len(images))]
    columns = {CONTENT: images.content_hashes, DECIDED: decided, REVIEWER: by}
    return {name: np.array(values, dtype=object) for name, values in columns.items()}


def keep_answered(queue: Path, now: pd.DataFrame) -> tuple[str, ...]:
    """Before `queue` is written over: a copy of it, with a note, where somebody has written answers into it
    that the rows `now` do not hold.
    """
    there = filled_cells(queue)
    known = set(zip(now["id"].astype(str), now[CONTENT], now[DECIDED], strict=True))
    lost = [row for row in there if row not in known]
    if not lost:
        return ()
    names = (queue.with_name(f"{queue.stem}.answered-{number}{queue.suffix}") for number in range(1, 10_000))
    kept = next(one for one in names if not one.exists())
    with storage_errors(kept):
        shutil.copyfile(queue, kept)
    return (
        f"{queue} held {len(lost):,} answers that were not taken up; it was kept as {kept}: take them up "
        f"with `answers={kept}`",
    )
