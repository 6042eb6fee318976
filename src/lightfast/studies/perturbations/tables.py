"""The tables of the perturbations study: the paper's Table 4.1, the ways, degraded pictures, transfer,
the leak.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.report.page import Cell, Table
from lightfast.report.tables import MINUS, MISSING, percent, points_cell
from lightfast.studies.perturbations.networks import (
    CLEAN_STATE,
    DEGRADED,
    DENOISER,
    NONE,
    OUR_WAY,
    OWN_LARGE,
    OWN_SMALL,
    PAPER_MSE,
    PAPER_WAY,
    REFIT,
    REFITS,
    TITLES,
    SubjectResult,
)
from lightfast.studies.rows import accuracy_cell, gain_cell

_PAPER_DIFFERS = {
    PAPER_WAY: "epochs, batch and step size not told",
    PAPER_MSE: "MSE first, as its chapter 3 begins (BCE: section 3.3); epochs, batch and step size not told",
    OWN_SMALL: "its layers' widths, epochs, batch and step size not told",
    OWN_LARGE: "its layers' widths, epochs, batch and step size not told",
}
PUBLISHED_NOTE = (
    "Published: VGG16 at the papers' own sizes; ours: the classifier named, so compare the differences, not "
    "the levels."
)
RETRAIN_NOTE = (
    "The head refitted: no enhancer, but the classifier's last layer fitted anew on all training pictures. "
    "Who may retrain compares an enhancer that had new labels with this row, not with the classifier alone."
)


def study_tables(reads: Sequence[SubjectResult], missing: Sequence[tuple[str, str]]) -> list[Table]:
    """All of them, those without rows left out."""
    transferred, leaked = (any(getattr(one, name) for one in reads) for name in ("transfer", "leak"))
    return [
        main_table(reads, missing),
        *(table(reads) for table in (ways_table, degraded_table, kinds_table)),
        *([transfer_table(reads)] if transferred else []),
        *([leak_table(reads)] if leaked else []),
    ]


def pair(read: SubjectResult, way: str, state: str = CLEAN_STATE, against: str = NONE) -> PairedTest:
    """McNemar's test of `against` and `way` on the same test pictures."""
    return mcnemar(read.predictions[against, state], read.predictions[way, state])


def main_table(reads: Sequence[SubjectResult], missing: Sequence[tuple[str, str]]) -> Table:
    """The paper's Table 4.1 beside ours: first what learnt on the classifier's own pictures alone; then,
    where an enhancer had new ones, that one and what the head gains from them without any enhancer.
    """
    rows: list[tuple[Cell | str, ...]] = []
    for read in reads:
        more = read.taught_more
        rows += [_main_row(read, way) for way in (read.honest, *([more, REFIT] if more else []))]
    blank = (MISSING,) * 3
    rows += [
        (title, MISSING, published, *blank, "not run", "not run", *blank, MISSING)
        for title, published in missing
    ]
    columns = ("frozen classifier", "on its own", "paper", "before it", "learnt on", "new", "alone", "with")
    columns += ("points", "n", "gate", "differs from the paper")
    note = (
        "On its own: accuracy on the pictures that the classifier was trained on. New: labelled pictures "
        "that it was not trained on. Differences: paired on the same test pictures, 95 % Newcombe interval. "
        "The gate decides on validation pictures, before any test picture is read, and refuses where they "
        "show no gain; they chose λ and the epoch as well, so that it judges a little kindly. Of several "
        "enhancers of ours with new pictures the better one on clean validation pictures is shown."
    )
    caption = "Clean test pictures: the paper's Table 4.1 beside ours"
    return Table(columns, tuple(rows), caption, (PUBLISHED_NOTE, note, RETRAIN_NOTE))


def _main_row(read: SubjectResult, way: str) -> tuple[Cell | str, ...]:
    test, subject, (count, new) = pair(read, way), read.subject, read.learnt_on(way)
    return (
        subject.title,
        percent(read.train_accuracy[NONE], 1),
        " → ".join(f"{100 * value:.1f}" for value in subject.published or ()) or MISSING,
        TITLES[way],
        f"{count:,}",
        f"{new:,}",
        share_of(read, NONE),
        share_of(read, way),
        gain_cell(test),
        f"{test.n:,}",
        _verdict(read, way),
        differs_text(read, way),
    )


def share_of(read: SubjectResult, way: str, state: str = CLEAN_STATE) -> Cell:
    """Accuracy of a way with its interval."""
    return accuracy_cell(read.predictions[way, state].correct)


def ways_table(reads: Sequence[SubjectResult]) -> Table:
    """The paper's way and ours, before the same classifiers."""
    rows = []
    for read in reads:
        for way in read.subject.plans:
            details = read.enhancers[way].details
            count, new = read.learnt_on(way)
            rows.append(
                (
                    read.subject.title,
                    TITLES[way],
                    f"{count:,}",
                    f"{new:,}",
                    f"{details['strength']:g}",
                    percent(read.train_accuracy[way], 1),
                    share_of(read, way),
                    gain_cell(pair(read, way)),
                    differs_text(read, way),
                    _verdict(read, way),
                )
            )
    columns = (
        "frozen classifier",
        "enhancer",
        "learnt on",
        "new",
        "λ",
        "train, both",
        "clean test",
        "points",
    )
    columns += ("differs from the paper", "gate")
    return Table(
        columns,
        tuple(rows),
        "Ways to change the pictures",
        (
            "Train, both: accuracy of enhancer and classifier together on (at most 2,000 of) the "
            "classifier's "
            "training pictures; in the paper 99.0 to 100 %. Its own(1-1), on CIFAR-10, was discarded "
            "without a "
            "figure; own(4-4), on STL-10, read 66.7 and 66 % where its classifier alone read 81.9 %.",
            "New: labelled pictures that the classifier was not trained on; a part of a gain is their worth.",
            "λ weighs 1 − SSIM against the clean picture; 0: nothing holds the change back, as in the paper. "
            "Chosen on validation pictures.",
        ),
    )


def differs_text(read: SubjectResult, way: str) -> str:
    """What is not the paper's in the row of a way."""
    count, new = read.learnt_on(way)
    if way in REFITS:
        return f"not in the paper: a control; fitted on {count:,} pictures, {new:,} of them new"
    pictures = (
        f"{count:,} pictures, {new:,} of them new to the classifier" if new else "its own pictures alone"
    )
    kind = _PAPER_DIFFERS.get(way, "not the paper's way")
    reader = "" if read.subject.row.model == "vgg16" else f"{read.subject.title} in the place of VGG16; "
    return f"{reader}{kind}; learnt on {pictures}"


def _verdict(read: SubjectResult, way: str) -> str:
    return MISSING if way in REFITS else "passes" if read.gates[way].passed else "refused"


def degraded_table(reads: Sequence[SubjectResult]) -> Table:
    """Noise, blur, low contrast, JPEG: none, a plain denoiser, the enhancers."""
    rows = []
    for read in reads:
        for way in (NONE, DENOISER, *read.subject.plans, *REFITS):
            gain = Cell("") if way == NONE else gain_cell(pair(read, way, DEGRADED))
            more = Cell("") if way in (NONE, DENOISER) else gain_cell(pair(read, way, DEGRADED, DENOISER))
            new = "0" if way == NONE else f"{read.learnt_on(way)[1]:,}"
            shown = share_of(read, way, DEGRADED)
            rows.append((read.subject.title, TITLES[way], new, shown, gain, more))
    note = (
        "The plain denoiser: the same network, all training pictures, the same damage, by pixels alone, "
        "without the classifier."
    )
    columns = ("frozen classifier", "before it", "new", "degraded test", "points to none")
    columns += ("points to the denoiser",)
    return Table(
        columns,
        tuple(rows),
        "Degraded test pictures",
        (
            note,
            "Each picture is damaged in one way (Gaussian noise, Gaussian blur, low contrast or JPEG, "
            "severity 2 to 4, standard tables), the same for all rows.",
            "New: pictures that the classifier was not trained on; the denoiser reads none of their labels.",
            RETRAIN_NOTE,
        ),
    )


def kinds_table(reads: Sequence[SubjectResult]) -> Table:
    """Every damage on its own."""
    rows = []
    for read in reads:
        kinds = np.array(read.kinds)
        for kind in dict.fromkeys(read.kinds):
            there = np.flatnonzero(kinds == kind)
            sides = [read.predictions[way, DEGRADED].take(there) for way in (NONE, DENOISER, OUR_WAY)]
            test = mcnemar(sides[0], sides[2])
            rows.append(
                (
                    read.subject.title,
                    kind.replace("_", " "),
                    *(accuracy_cell(side.correct) for side in sides),
                    gain_cell(test),
                    f"{test.n:,}",
                )
            )
    return Table(
        ("frozen classifier", "damage", "none", "plain denoiser", "ours", "points to none", "n"),
        tuple(rows),
        "Each damage by itself",
    )


def transfer_table(reads: Sequence[SubjectResult]) -> Table:
    """Our enhancers before classifiers that they never saw."""
    rows = []
    for read in reads:
        for state in (CLEAN_STATE, DEGRADED):
            own = pair(read, read.ours(state), state).difference
            for title, states in read.transfer.items():
                test = mcnemar(*states[state])
                kept = percent(test.difference / own, 0).replace("-", MINUS) if own > 0 else MISSING
                rows.append(
                    (
                        f"{read.subject.title} → {title}",
                        state,
                        *(accuracy_cell(side.correct) for side in states[state]),
                        gain_cell(test),
                        points_cell(own),
                        kept,
                    )
                )
    columns = ("learnt through → put before", "pictures", "without", "with", "points", "where learnt", "kept")
    note = (
        "Kept: the gain as a share of the gain before the classifier that the enhancer was learnt through; "
        "clean pictures by the enhancer of the first table, degraded ones by that which learnt from such."
    )
    return Table(columns, tuple(rows), "Transfer to classifiers never seen", (note,))


def leak_table(reads: Sequence[SubjectResult]) -> Table:
    """The paper's "(full)" rows: a leak, beside the honest figure of the same plan."""
    rows = []
    for read in reads:
        if read.leak is not None:
            test = mcnemar(read.predictions[PAPER_WAY, CLEAN_STATE], read.leak)
            leaked = accuracy_cell(read.leak.correct)
            marked = (
                Cell(f"LEAK {leaked.text}", leaked.detail, "bad"),
                Cell(f"LEAK {points_cell(test.difference).text}", "", "bad"),
            )
            rows.append((read.subject.title, share_of(read, NONE), share_of(read, PAPER_WAY), *marked))
    learnt = ("trained on the test pictures as well", "made by the leak, points")
    columns = ("frozen classifier", "classifier", "honest", *learnt)
    note = (
        "The paper's (full) rows read 96.0, 98.7 and 99.0 %. A figure marked LEAK was measured on pictures "
        "that the enhancer was trained on: it says nothing about new pictures."
    )
    caption = 'The paper\'s "(full)" protocol, a leak, beside the honest figure'
    return Table(columns, tuple(rows), caption, (note,))
