"""What each lever of our repair is worth: one smaller training without it, with it, and with the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.corrupt.suite import corrupt
from lightfast.data.images import ImageSet
from lightfast.report.page import Table
from lightfast.report.tables import MISSING, points_cell, share_cell
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline, calibrate_pipeline, repair
from lightfast.restore.views import SHIFT_VIEWS, with_reread_views
from lightfast.runs.repair.plan import UNALIGNED
from lightfast.statistics.intervals import difference_interval
from lightfast.studies.mnist_c.networks import SEVERITY_OF, Parts
from lightfast.studies.mnist_c.tables import TableRows, mean_of_kinds
from lightfast.studies.rows import drawn, wilson_of

SHOWN_KINDS = ("glass_blur", "rotate", "impulse_noise", "canny_edges")
"""Kinds that the levers are for: shown one by one."""


def levers_table(parts: Parts) -> tuple[Table, TableRows]:
    """Repairs by the smaller plan with the U-Net alone, with the picture put straight before it, and with
    re-readings over shifted views as well, on the same digits; each row paired with the one above.
    """
    seed = parts.options.seed
    test = drawn(parts.splits.test, parts.plan.held_out, seed, "levers")
    read = {title: _read_rightly(pipeline, test, seed) for title, pipeline in _pipelines(parts).items()}
    rows, cells, above = [], [], None
    for title, right in read.items():
        rows.append(_row(title, right, above, seed))
        cells.append(_cells(rows[-1]))
        above = right
    shown = tuple(kind.replace("_", " ") for kind in SHOWN_KINDS)
    columns = ("our repair", "mean of 15", "against the row above, points", *shown)
    notes = (
        "Restorer and detector by the smaller plan of the held-out families, one training each: the levels "
        "lie below those of the table of kinds, which has whatever validation digits choose of these. Gains "
        "are paired on the same digits; where an interval holds 0 none is shown.",
        "Put straight: six numbers read from the picture, undone before the U-Net (`aligned-unet`). Shifted "
        "views: the damaged picture is also restored and read moved by a pixel up, down, left and right, and "
        "the probabilities averaged; margins and thresholds are fitted on the means.",
    )
    caption = f"What the levers of our repair are worth, {len(test):,} test digits a kind"
    return Table(columns, tuple(cells), caption, notes), rows


def _pipelines(parts: Parts) -> Mapping[str, Pipeline]:
    """Title → pipeline, each with one lever more than the one before."""
    mix, plan, seed = DamageMix.of_suite("mnist-c"), parts.plan.family_restorer, parts.options.seed
    aligned = parts.pipeline(mix, smaller="all")
    kit = parts.classifier, aligned.detector
    alone = parts.restorer(mix, "restorer-unaligned", dataclasses.replace(plan, model=UNALIGNED))
    shifted = with_reread_views(aligned.restorer, SHIFT_VIEWS)
    made = [
        calibrate_pipeline(kit[0], (kit[1], restorer), parts.splits.val, mix, seed=seed)
        for restorer in (alone, shifted)
    ]
    return {"U-Net alone": made[0], "put straight before it": aligned, "and read over shifted views": made[1]}


def _read_rightly(pipeline: Pipeline, test: ImageSet, seed: int) -> NDArray[np.bool_]:
    """bool (kinds, N): read rightly after the repair."""
    return np.array(
        [repair(pipeline, corrupt(test, name, SEVERITY_OF[name], seed)).after.correct for name in SEVERITY_OF]
    )


def _row(title: str, right: NDArray[np.bool_], above: NDArray[np.bool_] | None, seed: int) -> dict[str, Any]:
    told = mean_of_kinds(np.stack([right if above is None else above, right], axis=1), seed)
    row: dict[str, Any] = {"name": title, "n": told["digits"]}
    row |= {"mean": told["after_accuracy"], "mean_interval": told["after_interval"]}
    if above is not None:
        row |= {"gain": told["difference"], "gain_interval": told["difference_interval"]}
    row["kinds"] = {}
    for place, kind in enumerate(SEVERITY_OF):
        own = {"accuracy": float(right[place].mean()), "accuracy_interval": list(wilson_of(right[place]))}
        if above is not None:
            own |= {"gain": float(right[place].mean() - above[place].mean())}
            own |= {"gain_interval": list(difference_interval(above[place], right[place]))}
        row["kinds"][kind] = own
    return row


def _cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    gain = points_cell(row["gain"], row["gain_interval"]) if "gain" in row else MISSING
    kinds = [row["kinds"][kind] for kind in SHOWN_KINDS]
    shown = [share_cell(one["accuracy"], one["accuracy_interval"]) for one in kinds]
    return (row["name"], share_cell(row["mean"], row["mean_interval"]), gain, *shown)
