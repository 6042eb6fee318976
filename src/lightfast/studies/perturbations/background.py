"""Does the classifier look at the background, alone and behind the enhancers? (The paper's section 4.2.)

A part of its own: its figures are kept in the study's folder, and nothing that is trained depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from lightfast.base.errors import DataError
from lightfast.base.files import json_digest
from lightfast.base.plain import as_json
from lightfast.explain.background import LEAST_GAP, UNCLEAR, check_background
from lightfast.explain.foreground import Foreground, cut_foreground
from lightfast.models.enhanced import prepend_enhancer
from lightfast.pages.background import BACKGROUND_METHOD
from lightfast.report.page import Cell, Table
from lightfast.report.tables import MISSING, points_cell, share_cell
from lightfast.restore.enhance import weights_digest
from lightfast.statistics.intervals import Interval
from lightfast.studies.perturbations.networks import CLEAN_STATE, NONE, PAPER_WAY, TITLES, SubjectResult
from lightfast.studies.registry import StudyOptions, kept
from lightfast.studies.rows import drawn

_MOST = 1_000
"""Test pictures that are put on other backgrounds."""
_VERSION = 2
"""Of the check: figures of an earlier one are measured anew."""
BackgroundFigures = Mapping[str, Mapping[str, Any]]
"""Way → `BackgroundCheck` as plain JSON values."""


def backgrounds(options: StudyOptions, read: SubjectResult) -> BackgroundFigures:
    """The classifier alone, behind the enhancer of ours for clean pictures, and behind the paper's U-Net, on
    the same composites of (at most 1,000 of) the test pictures.
    """
    images = drawn(read.splits.test, _MOST, options.seed, "background")

    @cache
    def cut() -> Foreground:
        return cut_foreground(images.images)

    ways = [NONE, *dict.fromkeys(way for way in (read.ours(CLEAN_STATE), PAPER_WAY) if way in read.enhancers)]
    found: dict[str, Mapping[str, Any]] = {}
    for way in ways:
        reader = read.classifier
        if way != NONE:
            reader = prepend_enhancer(read.enhancers[way], reader)
        key = {
            "weights": weights_digest(reader.torch_network),
            "preprocess": as_json(reader.preprocess),
            "pictures": images.version,
            "seed": options.seed,
            "version": _VERSION,
        }
        path = options.out / "background" / f"{json_digest(key)}.json"

        def measure(reader: Any = reader) -> Mapping[str, Any]:
            try:
                check = check_background(
                    reader, images, foreground=cut(), seed=options.seed, report=options.report
                )
            except DataError as error:
                # Pictures without a thing before a background: the row says so.
                return {"not_measured": str(error)}
            return as_json(check)

        found[way] = kept(path, measure)
    return found


def background_table(reads: Sequence[SubjectResult], measured: Sequence[BackgroundFigures]) -> Table:
    """Foregrounds on backgrounds of their own class, and of another."""
    rows = [
        (read.subject.title, TITLES[way], *_cells(one))
        for read, ways in zip(reads, measured, strict=True)
        for way, one in ways.items()
    ]
    columns = ("frozen classifier", "before it", "n", "whole pictures", "own-class background")
    columns += ("another class's background", "read as the background", "gap, points", "verdict")
    notes = (
        BACKGROUND_METHOD,
        f"Gap: own class less another class, paired, 95 % interval; it leans where the interval lies above "
        f"{100 * LEAST_GAP:g} points, and only if the cuts are whole where the foreground is not shown to "
        "add as much to the background alone. Things that reach the frame are left out. In scenes the "
        "background is the thing: a gap there is no fault. The paper shows single Grad-CAM maps, no count.",
    )
    return Table(columns, tuple(rows), "Is it looking at the background?", notes)


def _cells(one: Mapping[str, Any]) -> tuple[str | Cell, ...]:
    """From n to the verdict of one row."""
    if "not_measured" in one:
        return "0", *[Cell(MISSING)] * 5, "not measured: no picture has a foreground that could be cut"
    gap = one["gap"]
    return (
        f"{one['n']:,}",
        *(_share(one[name]) for name in ("original", "own_class", "other_class", "as_background")),
        points_cell(gap["difference"], gap["difference_interval"])
        if one["verdict"] != UNCLEAR
        else Cell(MISSING),
        one["verdict"],
    )


def _share(one: Mapping[str, Any]) -> Cell:
    return share_cell(one["value"], Interval(*one["interval"]), digits=1)
