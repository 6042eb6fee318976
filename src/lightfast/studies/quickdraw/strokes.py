"""The drawings paper's future work: the object predicted while it is being drawn; and its own ten categories,
from the strokes that are at hand.

Parts of their own: nothing that the other hypotheses train depends on them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.files import load_json
from lightfast.base.plain import as_json
from lightfast.data.splits import Splits, split_off
from lightfast.data.strokes import STROKE_ENDINGS, StrokeSet, holds_strokes, load_strokes
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.strokes import SEEN_SHARES, SeenShare, accuracy_while_drawn
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.registry import count_parameters
from lightfast.models.stroke_net import StrokeClassifier, load_stroke_classifier
from lightfast.report.page import Figure, Section, Table
from lightfast.report.statistics import lines_figure
from lightfast.report.tables import MISSING, points_text, share_cell
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.studies.quickdraw.figures import PAPER_FIGURE_8
from lightfast.studies.quickdraw.networks import (
    DRAWING_ROWS,
    PAPER_CATEGORIES,
    QUICK_EPOCHS,
    TEST_SHARE,
    VALIDATION_SHARE,
)
from lightfast.studies.registry import Scale, StudyOptions, trained
from lightfast.studies.rows import ModelRow, Outcome, outcome_of
from lightfast.train.recipe import Training
from lightfast.train.strokes import STROKE_RECIPE, StrokePlan, fit_strokes

_A_CLASS: Mapping[Scale, int | None] = {"quick": 40, "paper": None}
_PAPER_SIZE = 3_000
"""Of the paper's Figure 8: its training size nearest to ours."""
_PARTS = STROKE_RECIPE.updated(["epochs=30"])
OF_WHOLE, OF_PICTURES, OF_STROKES = "drawn-whole", "drawn-parts-pictures", "drawn-parts-strokes"
STROKE_PLANS: Mapping[str, tuple[str, StrokePlan]] = {
    OF_PICTURES: ("CNN 1 on pictures, learnt from parts", StrokePlan("drawing-cnn-1", _PARTS)),
    OF_STROKES: ("convolutions on strokes, learnt from parts", StrokePlan("strokes", STROKE_RECIPE)),
}
_NO_STROKES = (
    "While it is drawn, and the paper's own ten categories: not run. They need a file of strokes with these "
    "categories in the data folder (quickdraw*.ndjson or quickdraw*.ndjson.gz)."
)


def _counts_text(counts: tuple[int, int]) -> str:
    fewest, most = counts
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"


@dataclass(frozen=True, eq=False)
class StrokeData:
    """Drawings of the paper's ten categories as strokes, and the same ones painted, cut alike.

    Attributes:
        splits: the painted ones; exact copies stay on one side.
        strokes: all of them.
        file: the name of the file that they came from.
        near_not_searched: why no near duplicates were searched, or "": then they stay on one side as well.
    """

    splits: Splits
    strokes: StrokeSet
    file: str
    near_not_searched: str = ""

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        return {name: row for row, name in enumerate(self.strokes.ids)}

    def part(self, name: str) -> StrokeSet:
        """The strokes of a part: train, val or test."""
        images = getattr(self.splits, name)
        return self.strokes.take([self._rows[one] for one in images.ids], f"{self.strokes.name}/{name}")

    def sentence(self) -> str:
        """How many there are."""
        sizes = ", ".join(f"{len(getattr(self.splits, name)):,} {name}" for name in ("train", "val", "test"))
        return f"{_counts_text(self.a_class)} drawings of each of the paper's ten categories ({sizes})"

    @property
    def a_class(self) -> tuple[int, int]:
        """(the fewest, the most) drawings of one category."""
        counts = np.bincount(self.strokes.require_labels())
        return int(counts.min()), int(counts.max())


@dataclass(frozen=True, eq=False)
class WhileDrawn:
    """What was measured: the paper's networks on whole drawings, and of every reader by its title accuracy by
    the share seen, what was right, and its trainable numbers.
    """

    data: StrokeData
    outcomes: Sequence[Outcome]
    rows: Mapping[str, tuple[SeenShare, ...]]
    right: Mapping[str, NDArray[np.bool_]]
    parameters: Mapping[str, int]


def stroke_data(options: StudyOptions) -> StrokeData | None:
    """The strokes in the data folder; None where none of them holds the paper's ten categories."""
    root = options.data_root
    found = sorted(one for ending in STROKE_ENDINGS for one in root.glob(f"quickdraw*{ending}"))
    for path in found:
        strokes = load_strokes(path) if holds_strokes(path) else None
        if strokes is not None and set(PAPER_CATEGORIES) <= set(strokes.class_names):
            return _divided(options, path, strokes.keep_classes(PAPER_CATEGORIES))
    return None


def _divided(options: StudyOptions, path: Path, strokes: StrokeSet) -> StrokeData:
    """Split as the study's other drawings: exact copies are kept on one side; near duplicates only where they
    are searched, and they are not among painted pictures of 28 pixels (`near_not_searched` says why).
    """
    door = RunOptions(data_folder=options.data_folder, report=options.report)
    prepared = prepare(path, door, near="hashes")
    images = prepared.data.train
    known = {name: row for row, name in enumerate(images.ids)}
    most = _A_CLASS[options.scale]
    labels = strokes.require_labels()
    rows = [np.flatnonzero(labels == label)[:most] for label in range(len(strokes.class_names))]
    strokes = strokes.take(np.concatenate(rows))
    chosen = images.take([known[name] for name in strokes.ids])
    chosen = dataclasses.replace(
        chosen, labels=strokes.require_labels(), class_names=strokes.class_names, name="quickdraw-strokes"
    )
    fitted, test = split_off(chosen, TEST_SHARE, options.seed, ("train", "test"))
    train, val = split_off(fitted, VALIDATION_SHARE, options.seed)
    return StrokeData(Splits(train, val, test), strokes, path.name, prepared.near.not_searched)


def while_drawn_here(options: StudyOptions) -> WhileDrawn | None:
    """`while_drawn` of the strokes in the data folder; None where there are none."""
    data = stroke_data(options)
    return None if data is None else while_drawn(options, data)


def while_drawn(options: StudyOptions, data: StrokeData) -> WhileDrawn:
    """Train what is not there yet, and read the test drawings at every share."""
    quick = options.scale == "quick"
    rows = [_whole_row(row, data) for row in DRAWING_ROWS[:3]]
    rows = [row.quick(QUICK_EPOCHS) for row in rows] if quick else rows
    outcomes = [outcome_of(options, row, data.splits) for row in rows]
    cnn = outcomes[1]
    readers: dict[str, StrokeClassifier | Checkpoint] = {"CNN 1 on pictures, whole drawings": cnn.checkpoint}
    for part, (title, plan) in STROKE_PLANS.items():
        if quick:
            recipe = plan.recipe.updated([f"epochs={QUICK_EPOCHS}", "averaging=0"])
            plan = dataclasses.replace(plan, recipe=recipe)
        readers[title] = _reader(options, part, plan, data)
    test = data.part("test")
    found = {title: accuracy_while_drawn(reader, test) for title, reader in readers.items()}
    return WhileDrawn(
        data,
        outcomes,
        {title: rows for title, (rows, _) in found.items()},
        {title: right for title, (_, right) in found.items()},
        {title: count_parameters(_network(reader)) for title, reader in readers.items()},
    )


def _whole_row(row: ModelRow, data: StrokeData) -> ModelRow:
    return dataclasses.replace(
        row,
        part=f"{OF_WHOLE}-{row.part}",
        differs=f"the paper's ten categories, {_counts_text(data.a_class)} drawings each at hand (paper: "
        "10,000), painted from their strokes; 5 % of the training drawings set aside; not told, Keras's "
        "defaults here",
    )


def _reader(
    options: StudyOptions, part: str, plan: StrokePlan, data: StrokeData
) -> StrokeClassifier | Checkpoint:
    key = {"data": data.splits.train.version, "val": data.splits.val.version, "plan": plan}

    def make(training: Training) -> Any:
        return fit_strokes(data.part("train"), data.part("val"), plan, training)

    if plan.model != "strokes":
        return trained(options, part, key, make)
    return _kept_strokes(options, part, key, make)


def _kept_strokes(
    options: StudyOptions, part: str, key: Mapping[str, Any], make: Callable[[Training], StrokeClassifier]
) -> StrokeClassifier:
    """As `trained`, for a classifier of strokes."""
    folder = options.out / "parts" / part / "checkpoint"
    wanted = as_json({**key, "seed": options.seed, "scale": options.scale})
    note = folder / "strokes.json"
    if note.is_file() and load_json(note).get("details", {}).get("key") == wanted:
        return load_stroke_classifier(folder)
    fitted = make(dataclasses.replace(options.training("parts", part), folder=None, resume=False))
    fitted = fitted.replace(details={**fitted.details, "key": wanted})
    fitted.save(folder)
    return fitted


def _network(reader: StrokeClassifier | Checkpoint) -> Any:
    return reader.network if isinstance(reader, StrokeClassifier) else reader.torch_network


def strokes_json(found: WhileDrawn | None) -> Mapping[str, Any] | None:
    """Everything measured, as plain JSON values; None where there were no strokes."""
    if found is None:
        return None
    return as_json(
        {
            "file": found.data.file,
            "n_train": len(found.data.splits.train),
            "n_val": len(found.data.splits.val),
            "n_test": len(found.data.splits.test),
            "drawings_a_class": found.data.a_class,
            "near_not_searched": found.data.near_not_searched,
            "class_names": found.data.strokes.class_names,
            "ten_categories": [outcome.as_json() for outcome in found.outcomes],
            "while_drawn": found.rows,
            "parameters": found.parameters,
            "strokes_against_pictures": {
                f"{share:g}": mcnemar(*(found.right[STROKE_PLANS[one][0]][place] for one in STROKE_PLANS))
                for place, share in enumerate(SEEN_SHARES)
            },
        }
    )


def strokes_tables(found: WhileDrawn | None, seed: int) -> tuple[Table, ...]:
    """The paper's own ten categories, and accuracy by the share seen; none without strokes."""
    return () if found is None else (_ten_table(found, seed), _drawn_table(found, seed))


def strokes_notes(found: WhileDrawn | None) -> tuple[str, ...]:
    """What was read, or why nothing was."""
    if found is None:
        return (_NO_STROKES,)
    said = f"Strokes: {found.data.sentence()}, from {found.data.file}."
    reason = found.data.near_not_searched
    if not reason:
        return (said,)
    return said, f"Near duplicates were not searched: {reason}. Exact copies are kept on one side."


def _ten_table(found: WhileDrawn, seed: int) -> Table:
    n = len(found.data.splits.train)
    told = PAPER_FIGURE_8[_PAPER_SIZE]
    rows: list[tuple[Any, ...]] = [
        (
            f"the paper's Figure 8, {_PAPER_SIZE:,} pictures",
            f"{100 * told[1][1]:.0f} % (validation)",
            *(MISSING,) * 2,
            "",
        )
    ]
    for outcome in found.outcomes:
        cells = outcome.cell(), outcome.cell("macro_f1")
        rows.append((outcome.row.title, *cells, f"{outcome.parameters:,}", outcome.row.differs))
    columns = ("network", "accuracy", "macro F1", "parameters", "differs from the paper")
    caption = (
        f"The paper's own ten categories: {n:,} training and {len(found.data.splits.test):,} test drawings"
    )
    note = f"95 % intervals; seed {seed}; {', '.join(PAPER_CATEGORIES)}."
    return Table(columns, tuple(rows), caption, (note,))


def _drawn_table(found: WhileDrawn, seed: int) -> Table:
    rows = tuple(
        (
            title,
            f"{found.parameters[title]:,}",
            *(share_cell(one.accuracy, one.interval, digits=1) for one in shown),
        )
        for title, shown in found.rows.items()
    )
    columns = ("reader", "parameters", *(f"{100 * share:.0f} %" for share in SEEN_SHARES))
    half = SEEN_SHARES.index(0.5)
    test = mcnemar(*(found.right[STROKE_PLANS[one][0]][half] for one in STROKE_PLANS))
    strokes_gain = points_text(test.difference, test.difference_interval)
    notes = (
        f"n = {len(found.data.splits.test):,} test drawings, 95 % Wilson intervals, seed {seed}. Share of a "
        "drawing's points, in the order of drawing. What is there is framed by itself, as it has to be while "
        "somebody draws: nothing tells how large the whole will be.",
        f"Strokes less pictures, both learnt from parts, at half the points: {strokes_gain} points, paired. "
        "The paper leaves this to the future.",
    )
    return Table(columns, rows, "Predicted while it is drawn: accuracy by the share seen", notes)


def strokes_sections(found: WhileDrawn | None) -> tuple[Section, ...]:
    """Accuracy over the share seen, as a figure."""
    if found is None:
        return ()
    series = {
        title: [(100 * one.share, one.accuracy, one.interval) for one in rows]
        for title, rows in found.rows.items()
    }
    drawing = lines_figure(series, x_label="points of the drawing seen, %", y_label="accuracy, %")
    caption = f"n = {len(found.data.splits.test):,} test drawings, 95 % Wilson intervals."
    return (Section("While it is drawn (the paper's future work)", (Figure(drawing, caption),)),)
