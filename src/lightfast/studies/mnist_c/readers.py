"""The table of readers: the same repair before two plain CNNs, over several seeds of all its networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lightfast.corrupt.suite import corrupt
from lightfast.report.page import Cell, Table
from lightfast.report.tables import percent, share_cell
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import repair
from lightfast.statistics.intervals import Interval, student_mean, wilson
from lightfast.studies.mnist_c.networks import READERS, SEVERITY_OF, DigitReader, MnistCPlan, Parts
from lightfast.studies.mnist_c.tables import TableRows, mean_of_kinds
from lightfast.studies.registry import StudyOptions
from lightfast.studies.rows import drawn

_SHOWN_KINDS = ("fog", "brightness", "translate", "canny_edges")
"""Kinds whose level depends much on the reader: shown one by one."""
_NAMES = ("before", "after")
_Run = Mapping[str, Any]


def readers_table(options: StudyOptions, plan: MnistCPlan) -> tuple[Table, TableRows]:
    """Means of the 15 kinds for each of `READERS`, before and after a repair by the smaller plan, over
    `plan.seeds` seeds from `options.seed` on: split, classifier, detector, restorer, rules and damage each.
    """
    rows = [_reader_row(options, plan, reader) for reader in READERS]
    cells = _reader_cells(rows)
    columns = ("", *(text for row in rows for text in (f"{row['model']}: before", "after")))
    digits = rows[0]["digits"]
    notes = (
        "; ".join(f"{row['model']}: {row['title']}" for row in rows) + ". Both read clean digits only.",
        f"Each seed: split, classifier, detector, restorer and rules anew, {digits:,} test digits a kind; "
        "intervals over seeds (Student's t, nowhere narrower than the digits' own). Restorer and detector by "
        "the smaller plan of the held-out families: the levels lie below those of the table of kinds.",
        "How hard a kind is depends on the reader: compare gains, and no level with that of another reader.",
    )
    return Table(columns, tuple(cells), "Two plain CNNs as readers, several seeds", notes), rows


def _reader_cells(rows: TableRows) -> list[tuple[Any, ...]]:
    """The rows of the table: clean, mean, single kinds, and the mean of each seed."""
    cells: list[tuple[Any, ...]] = [
        ("clean", *_side_by_side(rows, lambda run, side: run["clean"][side])),
        ("mean of 15", *_side_by_side(rows, _mean)),
        *((kind.replace("_", " "), *_side_by_side(rows, _kind(kind))) for kind in _SHOWN_KINDS),
    ]
    for at, seed in enumerate(rows[0]["seeds"]):
        means = [percent(_mean(row["runs"][at], side)) for row in rows for side in (0, 1)]
        cells.append((f"mean of 15, seed {seed}", *means))
    return cells


def _side_by_side(rows: TableRows, value: Callable[[_Run, int], float]) -> list[Any]:
    return [cell for row in rows for cell in _over_runs(row, value)]


def _reader_row(options: StudyOptions, plan: MnistCPlan, reader: DigitReader) -> dict[str, Any]:
    seeds = [options.seed + number for number in range(plan.seeds)]
    # The study's own seed shares its classifier with the other tables.
    runs = [
        _one_seed(dataclasses.replace(options, seed=seed), plan, reader, f"seed-{seed}-" * (seed != seeds[0]))
        for seed in seeds
    ]
    row: dict[str, Any] = {"title": reader.title, "model": reader.model, "seeds": seeds}
    for name in _NAMES:
        values = [run["mean"][f"{name}_accuracy"] for run in runs]
        row |= {
            name: float(np.mean(values)),
            f"{name}_interval": list(over_seeds(values, runs[0]["mean"]["digits"])),
        }
    return row | {"digits": runs[0]["mean"]["digits"], "runs": runs}


def _one_seed(options: StudyOptions, plan: MnistCPlan, reader: DigitReader, place: str) -> dict[str, Any]:
    """Accuracy before and after of every kind, and their mean, by the networks of one seed, whose folders
    begin with `place`.
    """
    splits = options.pictures(plan.data).splits(options.seed, val=plan.val_share)
    parts = Parts(options, plan, splits, reader, place)
    pipeline = parts.pipeline(DamageMix.of_suite("mnist-c"), smaller="all")
    test = drawn(splits.test, plan.held_out, options.seed, "readers")
    results = {
        name: repair(pipeline, corrupt(test, name, SEVERITY_OF[name], options.seed)) for name in SEVERITY_OF
    }
    clean = repair(pipeline, test)
    read = np.array([[one.before.correct, one.after.correct] for one in results.values()])
    kinds = {name: read[place].mean(axis=1).tolist() for place, name in enumerate(results)}
    unharmed = [float(side.correct.mean()) for side in (clean.before, clean.after)]
    return {
        "seed": options.seed,
        "mean": mean_of_kinds(read, options.seed),
        "kinds": kinds,
        "clean": unharmed,
    }


def over_seeds(shares: Sequence[float], n: int) -> Interval:
    """95 % interval of the mean of shares (0..1) of several seeds by Student's t, nowhere narrower than that
    of the n pictures that each share was counted on (Wilson), since few seeds may agree by chance; of one
    share alone the scatter between seeds is not known.
    """
    scatter, counted = student_mean(shares), wilson(round(float(np.mean(shares)) * n), n)
    return Interval(max(min(scatter.low, counted.low), 0.0), min(max(scatter.high, counted.high), 1.0))


def _mean(run: _Run, side: int) -> float:
    return float(run["mean"][f"{_NAMES[side]}_accuracy"])


def _kind(name: str) -> Callable[[_Run, int], float]:
    return lambda run, side: float(run["kinds"][name][side])


def _over_runs(row: Mapping[str, Any], share: Callable[[_Run, int], float]) -> list[Cell]:
    """Means before and after over the seeds of a reader, with their intervals."""
    sides = [[share(run, side) for run in row["runs"]] for side in (0, 1)]
    return [share_cell(float(np.mean(values)), over_seeds(values, row["digits"])) for values in sides]
