"""Pictures changed by a network that learns through a frozen classifier (the perturbations study,
its Table 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lightfast.base.errors import SettingsError
from lightfast.base.plain import as_json as plain
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.predictions import Predictions
from lightfast.models.device import resolve_device
from lightfast.report.page import Cell, Table
from lightfast.report.tables import MINUS, percent, points_cell, share_cell
from lightfast.statistics.intervals import wilson
from lightfast.studies.perturbations.data import not_run, pictures_of
from lightfast.studies.perturbations.figures import figure_sections
from lightfast.studies.perturbations.networks import (
    CLEAN_STATE,
    DEGRADED,
    DENOISER,
    NONE,
    OUR_WAY,
    PAPER_WAY,
    TITLES,
    SubjectResult,
    score_subject,
    train_parts,
)
from lightfast.studies.perturbations.subjects import subjects
from lightfast.studies.registry import SCALES, STUDIES, Study, StudyOptions, StudyResult

PUBLISHED_NOTE = (
    "Published: VGG16 at the papers' own sizes; ours: the classifier named, so compare the differences, not "
    "the levels."
)


def run_perturbations(options: StudyOptions) -> StudyResult:
    """Train the classifiers, learn the enhancers through them, read the test pictures once with each.

    Raises SettingsError at scale "paper" without a GPU; DataError when, at scale "cpu" or "paper", no
    photographs are at hand.
    """
    if options.scale == "paper" and resolve_device(options.device).type == "cpu":
        raise SettingsError(
            "study perturbations --scale paper trains VGG16 and needs a GPU",
            cure="Use --scale cpu, or a CUDA machine.",
        )
    pictures = pictures_of(options)
    chosen = [one for one in subjects(options.scale) if one.data in pictures]
    train_parts(options, chosen, pictures)
    reads = [score_subject(options, one, pictures) for one in chosen]
    tables = [
        main_table(reads, not_run(pictures, options.scale)),
        ways_table(reads),
        degraded_table(reads),
        kinds_table(reads),
    ]
    tables += [transfer_table(reads)] if any(one.transfer for one in reads) else []
    tables += [leak_table(reads)] if any(one.leak for one in reads) else []
    figures = {
        "scale": options.scale,
        "seed": options.seed,
        "data_version": "+".join(one.splits.train.version for one in reads),
        "subjects": [as_json(one) for one in reads],
    }
    return StudyResult(
        "Pictures changed for a frozen classifier",
        tuple(tables),
        figures,
        _notes(options, reads),
        _seconds(reads),
        figure_sections(reads),
    )


def pair(read: SubjectResult, way: str, state: str = CLEAN_STATE, against: str = NONE) -> PairedTest:
    """McNemar's test of `against` and `way` on the same test pictures."""
    return mcnemar(read.predictions[against, state], read.predictions[way, state])


def main_table(reads: Sequence[SubjectResult], missing: Sequence[tuple[str, str]]) -> Table:
    """The paper's Table 4.1 beside ours."""
    rows: list[tuple[Cell | str, ...]] = []
    for read in reads:
        way, subject = read.ours(CLEAN_STATE), read.subject
        test = pair(read, way)
        published = (
            "–"
            if subject.published is None
            else " → ".join(f"{100 * value:.1f}" for value in subject.published)
        )
        rows.append(
            (
                subject.title,
                percent(read.train_accuracy, 1),
                published,
                share_of(read, NONE),
                share_of(read, way),
                points_cell(test.difference, test.difference_interval),
                f"{test.n:,}",
                _verdict(read, way),
            )
        )
    rows += [(title, "–", published, "not run", "not run", "–", "–", "–") for title, published in missing]
    columns = ("frozen classifier", "on its own", "paper", "alone", "with ours", "points", "n", "gate")
    note = (
        "On its own: accuracy on the pictures that the classifier was trained on. Differences: paired on the "
        "same test pictures, 95 % Newcombe interval. The gate decides on validation pictures, before any "
        "test picture is read, and refuses where they show no gain; they chose λ and the epoch as well, so "
        "that it judges a little kindly. Where two of our enhancers were learnt, one of them from clean "
        "pictures only, the better one on clean validation pictures is shown."
    )
    return Table(
        columns, tuple(rows), "Clean test pictures: the paper's Table 4.1 beside ours", (PUBLISHED_NOTE, note)
    )


def share_of(read: SubjectResult, way: str, state: str = CLEAN_STATE) -> Cell:
    """Accuracy of a way with its interval."""
    return accuracy_cell(read.predictions[way, state])


def accuracy_cell(predictions: Predictions) -> Cell:
    """Accuracy with its Wilson interval."""
    right = predictions.correct
    return share_cell(float(right.mean()), wilson(int(right.sum()), len(right)))


def ways_table(reads: Sequence[SubjectResult]) -> Table:
    """The paper's way and ours, before the same classifiers."""
    rows = []
    for read in reads:
        for way in read.subject.plans:
            test, details = pair(read, way), read.enhancers[way].details
            count, new = read.learnt_on(way)
            rows.append(
                (
                    read.subject.title,
                    TITLES[way],
                    f"{count:,}",
                    f"{new:,}",
                    f"{details['strength']:g}",
                    share_of(read, way),
                    points_cell(test.difference, test.difference_interval),
                    _verdict(read, way),
                )
            )
    columns = ("frozen classifier", "enhancer", "learnt on", "new", "λ", "clean test", "points", "gate")
    return Table(
        columns,
        tuple(rows),
        "Ways to change the pictures",
        (
            "New: labelled pictures that the classifier was not trained on; a part of a gain is their worth.",
            "λ weighs 1 − SSIM against the clean picture; 0: nothing holds the change back, as in the paper. "
            "Chosen on validation pictures.",
        ),
    )


def _verdict(read: SubjectResult, way: str) -> str:
    return "passes" if read.gates[way].passed else "refused"


def degraded_table(reads: Sequence[SubjectResult]) -> Table:
    """Noise, blur, low contrast, JPEG: none, a plain denoiser, the enhancers."""
    rows = []
    for read in reads:
        for way in (NONE, DENOISER, *read.subject.plans):
            gain = Cell("") if way == NONE else _gain(read, way, NONE)
            more = Cell("") if way in (NONE, DENOISER) else _gain(read, way, DENOISER)
            rows.append((read.subject.title, TITLES[way], share_of(read, way, DEGRADED), gain, more))
    note = (
        "The plain denoiser: the same network, all training pictures, the same damage, by pixels alone, "
        "without the classifier."
    )
    columns = ("frozen classifier", "before it", "degraded test", "points to none", "points to the denoiser")
    return Table(
        columns,
        tuple(rows),
        "Degraded test pictures",
        (
            note,
            "Each picture is damaged in one way (Gaussian noise, Gaussian blur, low contrast or JPEG, "
            "severity 2 to 4, standard tables), the same for all rows.",
        ),
    )


def _gain(read: SubjectResult, way: str, against: str) -> Cell:
    test = pair(read, way, DEGRADED, against)
    return points_cell(test.difference, test.difference_interval)


def kinds_table(reads: Sequence[SubjectResult]) -> Table:
    """Every damage on its own."""
    rows = []
    for read in reads:
        kinds = np.array(read.kinds)
        for kind in dict.fromkeys(read.kinds):
            there = np.flatnonzero(kinds == kind)
            none, plain, ours = (
                read.predictions[way, DEGRADED].take(there) for way in (NONE, DENOISER, OUR_WAY)
            )
            test = mcnemar(none, ours)
            rows.append(
                (
                    read.subject.title,
                    kind.replace("_", " "),
                    accuracy_cell(none),
                    accuracy_cell(plain),
                    accuracy_cell(ours),
                    points_cell(test.difference, test.difference_interval),
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
            own = pair(read, read.ours(state), state)
            for title, states in read.transfer.items():
                test = mcnemar(*states[state])
                kept = (
                    percent(test.difference / own.difference, 0).replace("-", MINUS)
                    if own.difference > 0
                    else "–"
                )
                rows.append(
                    (
                        f"{read.subject.title} → {title}",
                        state,
                        accuracy_cell(states[state][0]),
                        accuracy_cell(states[state][1]),
                        points_cell(test.difference, test.difference_interval),
                        points_cell(own.difference),
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
            leaked = accuracy_cell(read.leak)
            rows.append(
                (
                    read.subject.title,
                    share_of(read, NONE),
                    share_of(read, PAPER_WAY),
                    Cell(f"LEAK {leaked.text}", leaked.detail, "bad"),
                    Cell(f"LEAK {points_cell(test.difference).text}", "", "bad"),
                )
            )
    columns = (
        "frozen classifier",
        "classifier",
        "honest",
        "trained on the test pictures as well",
        "made by the leak, points",
    )
    note = (
        "The paper's (full) rows read 96.0, 98.7 and 99.0 %. A figure marked LEAK was measured on pictures "
        "that the enhancer was trained on: it says nothing about new pictures."
    )
    return Table(
        columns, tuple(rows), 'The paper\'s "(full)" protocol, a leak, beside the honest figure', (note,)
    )


def as_json(read: SubjectResult) -> dict[str, Any]:
    """Plain JSON values of everything measured of a subject."""
    ways = {}
    for way in read.enhancers:
        details = read.enhancers[way].details
        gate = read.gates.get(way)
        count, new = read.learnt_on(way)
        ways[way] = {
            "clean": plain(pair(read, way)),
            "degraded": plain(pair(read, way, DEGRADED)),
            "learnt_on": count,
            "new_to_the_classifier": new,
            "strength": details.get("strength"),
            "tried": details.get("tried", []),
            "gate": gate.as_json() if gate else None,
        }
        if way != DENOISER:
            ways[way]["degraded_against_denoiser"] = plain(pair(read, way, DEGRADED, DENOISER))
    transfer = {
        title: {state: plain(mcnemar(*found)) for state, found in states.items()}
        for title, states in read.transfer.items()
    }
    leak = (
        None
        if read.leak is None
        else {"leak": True, **plain(mcnemar(read.predictions[PAPER_WAY, CLEAN_STATE], read.leak))}
    )
    return {
        "name": read.subject.name,
        "title": read.subject.title,
        "published": read.subject.published,
        "model": read.subject.row.model,
        "n_train": len(read.splits.train),
        "n_val": len(read.splits.val),
        "n_test": len(read.splits.test),
        "train_accuracy": read.train_accuracy,
        "shown": {state: read.ours(state) for state in (CLEAN_STATE, DEGRADED)},
        "ways": ways,
        "transfer": transfer,
        "leak": leak,
        "data_version": read.splits.train.version,
        "test_version": read.splits.test.version,
    }


def _seconds(reads: Sequence[SubjectResult]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for read in reads:
        for name, checkpoint in {"classifier": read.classifier, **read.enhancers}.items():
            found[f"{read.subject.name}, {name}"] = float(checkpoint.details.get("fit_seconds", 0.0))
    return found


def _notes(options: StudyOptions, reads: Sequence[SubjectResult]) -> tuple[str, ...]:
    parts = ", ".join(
        f"{read.subject.title}: {len(read.splits.train):,} training, {len(read.splits.val):,} validation and "
        f"{len(read.splits.test):,} test pictures"
        for read in reads
    )
    notes = [
        f"{parts}. λ, the epochs and the gate are decided on validation pictures; each test picture is read "
        "once by each combination."
    ]
    if options.scale == "quick":
        notes.append(
            "Scale quick: small networks on few pictures, which show that the study runs. Its figures say "
            "nothing."
        )
    if options.scale == "cpu":
        notes.append(
            "Lite0: EfficientNet-Lite0 at 96 pixels, pretrained on ImageNet. Head: its backbone frozen, a "
            "linear layer on top; elsewhere all of it was fine-tuned."
        )
    if options.scale != "paper":
        notes.append("Scale paper (VGG16, on a GPU) was not run.")
    return tuple(notes)


STUDIES.add(
    "perturbations",
    Study(
        "perturbations",
        "pictures changed for a frozen classifier",
        run_perturbations,
        "perturbations paper",
        ("cifar10", "intel-scenes", "stl10"),
        SCALES,
    ),
)
