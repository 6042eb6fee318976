"""The page of a repair: what was found, what it changed, and what a person should look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import generator
from lightfast.corrupt.suite import CLEAN
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predictions import Predictions
from lightfast.pages.run import curves_figure
from lightfast.report.figures import confusion_figure
from lightfast.report.noted import noted_dicts
from lightfast.report.page import (
    Card,
    Cards,
    Figure,
    FigureRow,
    Picture,
    PictureRow,
    ReviewItem,
    Section,
    SectionPart,
    Table,
    Text,
    write_page,
)
from lightfast.report.pictures import picture, picture_grid, queue
from lightfast.report.tables import percent, points_cell, share_card, share_cell
from lightfast.restore.detector import UNKNOWN
from lightfast.restore.pipeline import Pipeline, Repair
from lightfast.statistics.intervals import Interval, wilson

BY_DETECTOR = "The pictures to restore were chosen by the detector alone"
NO_LABEL_NOTE = (
    f"{BY_DETECTOR}: no label was looked at before the final count. The original damaged-digits study chose "
    "them by their true labels."
)
_SHOWN, FEWEST_SHOWN = 18, 9
QUEUE_SHOWN = 16
FIRST_STANDS = "(first)"
"""Stands beside a prediction where the re-read was not kept."""


@dataclass(frozen=True, eq=False)
class RepairReport:
    """All that a page tells of one repair.

    Attributes:
        repair: what became of the pictures.
        images: the pictures as they came in.
        clean: the same before they were damaged, where that is known.
        kinds: the true damage of each, where that is known.
        pipeline: what repaired them.
    """

    repair: Repair
    images: ImageSet
    clean: ImageSet | None
    kinds: tuple[str, ...]
    pipeline: Pipeline

    @property
    def labelled(self) -> bool:
        """Whether predictions can be told right from wrong."""
        return self.images.labels is not None


def write_repair_page(
    path: Path, story: RepairReport, metrics: Mapping[str, Any], facts: Mapping[str, Any]
) -> Path:
    """Write the report of `repair_run`."""
    said = NO_LABEL_NOTE if story.labelled else f"{BY_DETECTOR}; they carry no labels."
    head: tuple[SectionPart, ...] = (
        result_cards(story),
        Text(said, note=True),
        *noted_dicts(metrics["notes"], metrics["unreadable"]),
    )
    sections = [Section("Result", head), found_section(story)]
    sections += [Section("Pictures", (grid(story),))] if story.repair.attempted.any() else []
    sections += [confusion_section(story.repair.before, story.repair.after)] if story.labelled else []
    sections += [queue_section(story), training_section(story.pipeline)]
    subtitle = f"{len(story.images):,} pictures read, repaired and read again."
    return write_page(path, f"Repair of {metrics['data']}", subtitle, sections, facts)


def result_cards(story: RepairReport) -> Cards:
    """Headline numbers: accuracy before and after where labels are known, else what was done."""
    result, n = story.repair, len(story.images)
    person = Card(
        f"{int(result.needs_review.sum()):,}",
        "pictures for a person",
        f"{percent(result.needs_review.mean(), 1)} of {n:,}",
    )
    if not story.labelled:
        changed = int((result.before.predicted_labels != result.after.predicted_labels).sum())
        cards = (
            Card(f"{int(result.attempted.sum()):,}", "found damaged and restored", f"of {n:,}"),
            Card(f"{int(result.kept.sum()):,}", "re-reads kept"),
            Card(f"{changed:,}", "readings changed"),
            person,
        )
        return Cards(cards, "These pictures carry no labels, so nothing here can be called right or wrong.")
    first, final = score(result.before), score(result.after)
    sure = ~result.needs_review
    cards = (
        share_card(first.accuracy, "before repair", first.accuracy_interval, digits=1),
        share_card(final.accuracy, "after repair", final.accuracy_interval, "strong", digits=1),
        Card(
            percent(float(result.after.correct[sure].mean()) if sure.any() else None, 1),
            "of the readings that no person checks",
            f"{int(sure.sum()):,} pictures",
        ),
        person,
    )
    return Cards(cards, repair_test(result).sentence())


def found_section(story: RepairReport) -> Section:
    """What the detector said, and what came of it."""
    result = story.repair
    said = np.array(result.damage.names)
    order = sorted(set(said.tolist()), key=lambda name: (-int((said == name).sum()), name))
    columns = ["damage found", "pictures", "restored", "re-read kept", "for a person"]
    columns += ["before", "after"] if story.labelled else []
    rows = []
    for name in order:
        rows_of = said == name
        counts = [
            int(part[rows_of].sum()) for part in (rows_of, result.attempted, result.kept, result.needs_review)
        ]
        cells = [name.replace("_", " "), *(f"{count:,}" for count in counts)]
        if story.labelled:
            cells += [
                percent(float(side.correct[rows_of].mean()), 1) for side in (result.before, result.after)
            ]
        rows.append(tuple(cells))
    lead = (
        f"{int(result.damage.is_clean.sum()):,} of {len(said):,} pictures were called clean and left alone."
    )
    if story.kinds:
        right = float(np.mean([one == other for one, other in zip(said.tolist(), story.kinds, strict=True)]))
        lead += f" The detector named the true damage of {percent(right, 1)}."
    return Section("Damage found", (Table(tuple(columns), tuple(rows), "By what the detector said"),), lead)


def paired_table(tests: Mapping[str, PairedTest], caption: str = "") -> Table:
    """One row a paired test: accuracy before and after with intervals, difference with its interval,
    gained and lost.
    """
    rows = []
    for name, test in tests.items():
        accuracies = zip((test.before_accuracy, test.after_accuracy), intervals_of(test), strict=True)
        before, after = (share_cell(value, interval) for value, interval in accuracies)
        change = points_cell(test.difference, test.difference_interval)
        rows.append(
            (
                name.replace("_", " "),
                before,
                after,
                change,
                f"{test.gained:,}",
                f"{test.lost:,}",
                f"{test.n:,}",
            )
        )
    columns = ("", "before", "after", "change, points", "gained", "lost", "n")
    return Table(
        columns,
        tuple(rows),
        caption,
        ("Small print: 95 % intervals (Wilson; of the paired change Newcombe, method 10).",),
    )


def repair_test(result: Repair) -> PairedTest:
    """McNemar's test of the first against the final predictions of the same pictures."""
    test = mcnemar(result.before, result.after)
    return replace(test, before_name="the first reading", after_name="the repaired reading")


def intervals_of(test: PairedTest) -> tuple[Interval, Interval]:
    """95 % Wilson intervals of the accuracies before and after."""
    before, after = (
        wilson(round(share * test.n), test.n) for share in (test.before_accuracy, test.after_accuracy)
    )
    return before, after


def confusion_section(before: Predictions, after: Predictions) -> Section:
    """Both confusion matrices side by side."""
    figures = tuple(
        Figure(confusion_figure(score(side).confusion, side.class_names), "", title=title)
        for side, title in ((before, "Before repair"), (after, "After repair"))
    )
    return Section(
        "Confusions",
        (
            FigureRow(
                figures, "Rows are the given labels, columns the readings; the same pictures on both sides."
            ),
        ),
    )


def grid(story: RepairReport, rows: Sequence[int] | None = None, caption: str = "") -> SectionPart:
    """Degraded, restored and (where known) clean pictures with their predictions."""
    chosen = shown_rows(story) if rows is None else rows
    columns = ("degraded", "restored", "clean") if story.clean is not None else ("degraded", "restored")
    said = caption or "At least one picture of each kind of damage, drawn by lot: not a choice of the best."
    if any(story.repair.attempted[row] and not story.repair.kept[row] for row in chosen):
        said += f" {FIRST_STANDS}: the re-read was less convincing than the first reading, which stands."
    return picture_grid([_strip(story, int(row)) for row in chosen], columns, said)


def one_of_each_kind(story: RepairReport) -> list[int]:
    """Rows that were restored: one drawn of each true damage,
    or of each found one where the true one is not known.
    """
    names = np.array(story.kinds or story.repair.damage.names)
    tried = story.repair.attempted
    return [_drawn(tried & (names == name), 1)[0] for name in sorted(set(names[tried].tolist()) - {CLEAN})][
        :_SHOWN
    ]


def shown_rows(story: RepairReport) -> list[int]:
    """One restored picture of each kind of damage, and more by lot where there are few kinds."""
    rows = one_of_each_kind(story)
    others = story.repair.attempted.copy()
    others[rows] = False
    return rows + _drawn(others, max(0, FEWEST_SHOWN - len(rows)))


def rows_by_outcome(story: RepairReport, before: bool, after: bool, count: int) -> list[int]:
    """At most `count` rows, drawn by lot, whose first prediction is right or not
    (`before`) and whose final one is right or not (`after`).
    """
    first, final = story.repair.before.correct, story.repair.after.correct
    return _drawn((first == before) & (final == after), count)


def _drawn(chosen: NDArray[np.bool_], count: int) -> list[int]:
    """At most `count` of the rows where `chosen`, by a fixed lot,
    so that a report made twice shows the same pictures.
    """
    order = generator(0, "shown").permutation(len(chosen))
    return order[chosen[order]][:count].tolist()


def _strip(story: RepairReport, row: int) -> PictureRow:
    result = story.repair
    names = result.after.class_names
    label = None if story.images.labels is None else int(story.images.labels[row])
    last = _read(result.restored[row], result.after, row, label)
    if result.attempted[row] and not result.kept[row]:
        last = replace(last, caption=f"{last.caption} {FIRST_STANDS}")
    shots = [_read(story.images.images[row], result.before, row, label), last]
    if story.clean is not None:
        shots.append(picture(story.clean.images[row], f"label {names[label]}" if label is not None else ""))
    found = result.damage.names[row].replace("_", " ")
    true = story.kinds[row].replace("_", " ") if story.kinds else found
    title = (
        true
        if found == true
        else f"{true}, not recognised"
        if found == UNKNOWN
        else f"{true}, taken for {found}"
    )
    return PictureRow(tuple(shots), title)


def _read(image: NDArray[np.uint8], side: Predictions, row: int, label: int | None) -> Picture:
    reading = int(side.predicted_labels[row])
    return picture(
        image,
        f"{side.class_names[reading]}, {side.confidence[row]:.0%}",
        None if label is None else reading == label,
    )


def queue_section(story: RepairReport) -> Section:
    """The doubtful pictures as a person gets them: no label is shown."""
    result = story.repair
    names = result.after.class_names
    rows = [
        ReviewItem(
            picture(story.images.images[row]),
            result.after.ids[row],
            names[result.after.predicted_labels[row]],
            float(result.after.confidence[row]),
            result.reasons[row],
        )
        for row in np.flatnonzero(result.needs_review)
    ]
    calibration = story.pipeline.calibration
    lead = (
        f"{len(rows):,} of {len(story.images):,} readings are less sure than the confidence from which on "
        f"readings were {percent(calibration.target_accuracy, 1)} right on {calibration.n:,} damaged "
        "validation pictures."
    )
    if not rows:
        return Section("For a person", (Text("No picture is doubtful."),))
    return Section("For a person", (queue(rows, show=QUEUE_SHOWN, caption="The review queue"),), lead)


def training_section(pipeline: Pipeline) -> Section:
    """Training curves of all three networks."""
    networks = (
        ("Classifier", pipeline.classifier, "on clean pictures"),
        ("Detector", pipeline.detector, "which damage, how strong"),
        (
            "Restorer",
            pipeline.restorer,
            "loss: pixels, and the frozen classifier's cross-entropy on the restored picture",
        ),
    )
    figures = [
        curves_figure(network.history, f"{network.model}, {len(network.history)} epochs; {said}.", title)
        for title, network, said in networks
        if network.history
    ]
    return Section("Training", tuple(figures))
