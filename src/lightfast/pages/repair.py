"""The page of a repair: what was found, what it changed, and what a person should look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightfast.base.plain import FLAT, HIDDEN, OPTIONAL
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import PairedTest
from lightfast.evaluate.metrics import Evaluation
from lightfast.evaluate.predictions import Predictions
from lightfast.pages.answered import AnsweredRepair
from lightfast.pages.run import curves_figure
from lightfast.report.envelope import Envelope
from lightfast.report.figures import confusion_figure
from lightfast.report.noted import noted
from lightfast.report.page import (
    Card,
    Cards,
    Figure,
    FigureRow,
    Picture,
    PictureRow,
    QueuedPicture,
    Section,
    SectionPart,
    Table,
    Text,
    write_page,
)
from lightfast.report.pictures import picture, picture_grid, queue
from lightfast.report.tables import percent, points_cell, share_card, share_cell
from lightfast.statistics.intervals import Interval, wilson

if TYPE_CHECKING:
    from lightfast.restore.pipeline import Pipeline, Repair

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
class Damaged:
    """Pictures to repair; `clean` and `kinds` (one damage name a picture) are known where
    we damaged them ourselves.
    """

    images: ImageSet
    clean: ImageSet | None = None
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class RestoredQuality:
    """A mean over the n pictures that were restored; None where no picture has a finite value."""

    n: int
    before: float | None
    after: float | None


@dataclass(frozen=True)
class BesideClean:
    """What can be said where the clean pictures are known: how often the detector named the true damage, PSNR
    (dB, of pictures that differ from the clean one) and SSIM.
    """

    detector_accuracy: float
    psnr: RestoredQuality
    ssim: RestoredQuality


@dataclass(frozen=True, eq=False)
class RepairScores:
    """What can be said where labels are known: the scores of the final and of the first predictions, the
    paired test, and the accuracy of the predictions that no person checks.
    """

    after: Evaluation = field(metadata=FLAT)
    before: Evaluation
    paired: PairedTest
    accuracy_of_the_sure: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class RepairReport:
    """What became of some pictures.

    Attributes:
        n: pictures. damage: kind, as the detector said → pictures.
        attempted: pictures restored. kept: those whose new prediction replaced the first one.
        doubtful: pictures for a person.
        repair: every single one. given: the pictures as they came in. pipeline: what repaired them.
        answers: what people have decided; None where nobody has.
    """

    n: int
    damage: Mapping[str, int]
    attempted: int
    kept: int
    doubtful: int
    beside_clean: BesideClean | None = field(metadata=FLAT)
    scores: RepairScores | None = field(metadata=FLAT)
    repair: Repair = field(metadata=HIDDEN)
    given: Damaged = field(metadata=HIDDEN)
    pipeline: Pipeline = field(metadata=HIDDEN)
    answers: AnsweredRepair | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, eq=False, kw_only=True)
class RepairResult(Envelope):
    """What `repair` found.

    Attributes:
        report: counts, and scores where labels are known.
        run: the run folder. out: what was written. suite: damages that were asked for.
        damaged_by: the suite by which the pictures were damaged first.
    """

    JSON_PROPERTIES = ("seed",)  # that of the verb, not of the model

    report: RepairReport = field(metadata=FLAT)
    run: str
    out: Path
    suite: str | None
    damaged_by: str | None


def write_repair_page(path: Path, result: RepairResult) -> Path:
    """The report: what was counted, the pictures before and after, the review queue."""
    story, scores = result.report, result.report.scores
    said = NO_LABEL_NOTE if scores else f"{BY_DETECTOR}; they carry no labels."
    sections = [
        Section("Result", (result_cards(story), Text(said, note=True), *noted(result))),
        found_section(story),
        *([Section("Pictures", (grid(story),))] if story.attempted else []),
        *([confusion_section(scores)] if scores else []),
        queue_section(story),
        training_section(story.pipeline),
    ]
    subtitle = f"{story.n:,} pictures read, repaired and read again."
    return write_page(path, f"Repair of {result.data}", subtitle, sections, result.provenance)


def result_cards(story: RepairReport) -> Cards:
    """Headline numbers: accuracy before and after where labels are known, else what was done."""
    result, scores = story.repair, story.scores
    person = Card(
        f"{story.doubtful:,}",
        "pictures for a person",
        f"{percent(result.needs_review.mean(), 1)} of {story.n:,}",
    )
    if scores is None:
        changed = int((result.before.predicted_labels != result.after.predicted_labels).sum())
        cards = (
            Card(f"{story.attempted:,}", "found damaged and restored", f"of {story.n:,}"),
            Card(f"{story.kept:,}", "re-reads kept"),
            Card(f"{changed:,}", "readings changed"),
            person,
        )
        return Cards(cards, "These pictures carry no labels, so nothing here can be called right or wrong.")
    first, final = scores.before, scores.after
    cards = (
        share_card(first.accuracy, "before repair", first.accuracy_interval, digits=1),
        share_card(final.accuracy, "after repair", final.accuracy_interval, "strong", digits=1),
        Card(
            percent(scores.accuracy_of_the_sure, 1),
            "of the readings that no person checks",
            f"{story.n - story.doubtful:,} pictures",
        ),
        person,
    )
    lead = scores.paired.sentence()
    if story.answers is not None and (answered := story.answers.scores):
        said = share_card(answered.accuracy, "with people's answers", answered.accuracy_interval, digits=1)
        cards, lead = (*cards, said), f"{lead} {answered.paired.sentence()}"
    return Cards(cards, lead)


def found_section(story: RepairReport) -> Section:
    """What the detector said, and what came of it."""
    result, said = story.repair, np.array(story.repair.damage.names)
    sides = (result.before, result.after) if story.scores else ()
    rows = []
    for name, count in sorted(story.damage.items(), key=lambda one: (-one[1], one[0])):
        chosen = said == name
        counts = [int(part[chosen].sum()) for part in (result.attempted, result.kept, result.needs_review)]
        right = [percent(float(side.correct[chosen].mean()), 1) for side in sides]
        rows.append((name.replace("_", " "), *(f"{one:,}" for one in (count, *counts)), *right))
    lead = f"{int(result.damage.is_clean.sum()):,} of {story.n:,} pictures were called clean and left alone."
    if story.beside_clean:
        named = percent(story.beside_clean.detector_accuracy, 1)
        lead += f" The detector named the true damage of {named}."
    columns = ("damage found", "pictures", "restored", "re-read kept", "for a person")
    table = Table((*columns, *("before", "after")[: len(sides)]), tuple(rows), "By what the detector said")
    return Section("Damage found", (table,), lead)


def paired_table(tests: Mapping[str, PairedTest], caption: str = "") -> Table:
    """One row a paired test: accuracy before and after with intervals, difference with its interval,
    gained and lost.
    """
    rows = [
        (
            name.replace("_", " "),
            *map(share_cell, (test.before_accuracy, test.after_accuracy), intervals_of(test)),
            points_cell(test.difference, test.difference_interval),
            *(f"{count:,}" for count in (test.gained, test.lost, test.n)),
        )
        for name, test in tests.items()
    ]
    columns = ("", "before", "after", "change, points", "gained", "lost", "n")
    return Table(
        columns,
        tuple(rows),
        caption,
        ("Small print: 95 % intervals (Wilson; of the paired change Newcombe, method 10).",),
    )


def intervals_of(test: PairedTest) -> tuple[Interval, Interval]:
    """95 % Wilson intervals of the accuracies before and after."""
    before, after = (
        wilson(round(share * test.n), test.n) for share in (test.before_accuracy, test.after_accuracy)
    )
    return before, after


def confusion_section(scores: RepairScores) -> Section:
    """Both confusion matrices side by side."""
    figures = tuple(
        Figure(confusion_figure(side.confusion, side.class_names), "", title=title)
        for side, title in ((scores.before, "Before repair"), (scores.after, "After repair"))
    )
    said = "Rows are the given labels, columns the readings; the same pictures on both sides."
    return Section("Confusions", (FigureRow(figures, said),))


def grid(story: RepairReport, rows: Sequence[int] | None = None, caption: str = "") -> SectionPart:
    """Degraded, restored and (where known) clean pictures with their predictions."""
    chosen = shown_rows(story) if rows is None else rows
    columns = ("degraded", "restored", "clean") if story.given.clean else ("degraded", "restored")
    said = caption or "At least one picture of each kind of damage, drawn by lot: not a choice of the best."
    if any(story.repair.attempted[row] and not story.repair.kept[row] for row in chosen):
        said += f" {FIRST_STANDS}: the re-read was less convincing than the first reading, which stands."
    return picture_grid([_strip(story, int(row)) for row in chosen], columns, said)


def shown_rows(story: RepairReport) -> list[int]:
    """Rows that were restored: one of each true damage, or of each found one where the true one is not known,
    and more by lot where there are few kinds.
    """
    damage, others = story.repair.damage, story.repair.attempted.copy()
    names = np.array(story.given.kinds or damage.names)
    kinds = sorted(set(names[others].tolist()) - {damage.kinds[0]})
    rows = [_drawn(others & (names == name), 1)[0] for name in kinds[:_SHOWN]]
    others[rows] = False
    return rows + _drawn(others, max(0, FEWEST_SHOWN - len(rows)))


def rows_by_outcome(story: RepairReport, before: bool, after: bool, count: int) -> list[int]:
    """At most `count` rows, drawn by lot, whose first prediction is right or not (`before`)
    and whose final one is right or not (`after`).
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
    result, given = story.repair, story.given
    names = result.after.class_names
    label = None if given.images.labels is None else int(given.images.labels[row])
    last = _read(result.restored[row], result.after, row, label)
    if result.attempted[row] and not result.kept[row]:
        last = replace(last, caption=f"{last.caption} {FIRST_STANDS}")
    shots = [_read(given.images.images[row], result.before, row, label), last]
    if given.clean is not None:
        shots.append(picture(given.clean.images[row], f"label {names[label]}" if label is not None else ""))
    found = result.damage.names[row].replace("_", " ")
    title = given.kinds[row].replace("_", " ") if given.kinds else found
    if title != found:
        title += ", not recognised" if result.damage.kind[row] < 0 else f", taken for {found}"
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
    if not story.doubtful:
        return Section("For a person", (Text("No picture is doubtful."),))
    answers = story.answers
    waiting = result.needs_review.copy()
    waiting[list(answers.decisions) if answers else []] = False
    rows = [
        QueuedPicture(
            picture(story.given.images.images[row]),
            result.after.ids[row],
            names[result.after.predicted_labels[row]],
            float(result.after.confidence[row]),
            result.reasons[row],
        )
        for row in np.flatnonzero(waiting)
    ]
    calibration = story.pipeline.calibration
    lead = (
        f"{story.doubtful:,} of {story.n:,} readings are less sure than the confidence from which on "
        f"readings were {percent(calibration.target_accuracy, 1)} right on {calibration.n:,} damaged "
        "validation pictures"
    )
    if calibration.confidence is not None:
        lead += (
            f", kind by kind, as the lower end of a {percent(calibration.confidence)} bound for all of them"
        )
    lead += "."
    parts: list[SectionPart] = [Text(f"{answers.sentence()}.")] if answers else []
    if rows:
        parts.append(queue(rows, show=QUEUE_SHOWN, caption="The review queue"))
    return Section("For a person", tuple(parts), lead)


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
