"""The table of readers: the same repair before two plain CNNs, over several seeds of all its networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from lightfast.corrupt.suite import corrupt
from lightfast.report.page import Cell, Table
from lightfast.report.tables import percent, share_cell
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import repair
from lightfast.statistics.intervals import Interval
from lightfast.studies.mnist_c.networks import READERS, SEVERITY_OF, DigitReader, MnistCPlan, Parts
from lightfast.studies.mnist_c.tables import TableRows, mean_of_kinds
from lightfast.studies.registry import StudyOptions
from lightfast.studies.rows import drawn

_SHOWN_KINDS = ("fog", "brightness", "translate", "canny_edges")
"""Kinds whose level depends much on the reader: shown one by one."""
_NAMES = ("before", "after")


def readers_table(options: StudyOptions, plan: MnistCPlan) -> tuple[Table, TableRows]:
    """Means of the 15 kinds for each of `READERS`, before and after a repair by the smaller plan, over
    `plan.seeds` seeds from `options.seed` on: split, classifier, detector, restorer, rules and damage each.
    """
    rows = [_reader_row(options, plan, reader) for reader in READERS]
    cells = [_reader_cells(row) for row in rows]
    hard = [f"{name.replace('_', ' ')}, before → after" for name in _SHOWN_KINDS]
    columns = ("reader", "seeds", "clean", "mean of 15, before", "after", "of each seed", *hard)
    digits = rows[0]["digits"]
    notes = (
        f"Each seed: split, classifier, detector, restorer and rules anew, {digits:,} test digits a kind; "
        "intervals over seeds (Student's t). Restorer and detector by the smaller plan of the held-out "
        "families, so that the levels lie below those of the table of kinds.",
        "How hard a kind is depends on the reader: compare gains, and no level with that of another reader.",
    )
    return Table(columns, tuple(cells), "Two plain CNNs as readers, several seeds", notes), rows


def _reader_row(options: StudyOptions, plan: MnistCPlan, reader: DigitReader) -> dict[str, Any]:
    seeds = [options.seed + number for number in range(plan.seeds)]
    runs = [_one_seed(dataclasses.replace(options, seed=seed), plan, reader) for seed in seeds]
    row: dict[str, Any] = {"title": reader.title, "model": reader.model, "seeds": seeds}
    for name in _NAMES:
        values = [run["mean"][f"{name}_accuracy"] for run in runs]
        row |= {name: float(np.mean(values)), f"{name}_interval": list(over_seeds(values))}
    return row | {"digits": runs[0]["mean"]["digits"], "runs": runs}


def _one_seed(options: StudyOptions, plan: MnistCPlan, reader: DigitReader) -> dict[str, Any]:
    """Accuracy before and after of every kind, and their mean, by the networks of one seed."""
    splits = options.pictures(plan.data).splits(options.seed, val=plan.val_share)
    parts = Parts(options, plan, splits, reader, f"seed-{options.seed}-")
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


def over_seeds(shares: Sequence[float]) -> Interval:
    """95 % interval of the mean of shares (0..1) of several seeds by Student's t, kept within 0..1; of one
    share alone nothing is known.
    """
    if len(shares) < 2:
        return Interval(0.0, 1.0)
    mean, error = float(np.mean(shares)), float(np.std(shares, ddof=1) / np.sqrt(len(shares)))
    half = float(stats.t.ppf(0.975, len(shares) - 1)) * error
    return Interval(max(mean - half, 0.0), min(mean + half, 1.0))


def _reader_cells(row: dict[str, Any]) -> tuple[Cell | str, ...]:
    runs = row["runs"]
    each = ", ".join(
        " → ".join(f"{100 * run['mean'][f'{name}_accuracy']:.1f}" for name in _NAMES) for run in runs
    )
    shares = [share_cell(row[name], row[f"{name}_interval"]) for name in _NAMES]
    hard = [
        " → ".join(percent(float(np.mean([run["kinds"][kind][side] for run in runs])), 1) for side in (0, 1))
        for kind in _SHOWN_KINDS
    ]
    clean = " → ".join(percent(float(np.mean([run["clean"][side] for run in runs])), 1) for side in (0, 1))
    return (row["title"], str(len(runs)), clean, *shares, each, *hard)
