"""Pictures changed by a network that learns through a frozen classifier (the perturbations study,
its Table 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightfast.base.errors import SettingsError
from lightfast.base.plain import as_json
from lightfast.evaluate.compare import mcnemar
from lightfast.models.device import resolve_device
from lightfast.studies.perturbations.background import background_table, backgrounds
from lightfast.studies.perturbations.data import not_run, pictures_of
from lightfast.studies.perturbations.figures import figure_sections
from lightfast.studies.perturbations.networks import (
    CLEAN_STATE,
    DEGRADED,
    DENOISER,
    NONE,
    OUR_WAY,
    PAPER_WAY,
    REFITS,
    SubjectResult,
    score_subject,
    train_parts,
)
from lightfast.studies.perturbations.subjects import subjects
from lightfast.studies.perturbations.tables import differs_text, pair, study_tables
from lightfast.studies.registry import SCALES, STUDIES, Study, StudyOptions, StudyResult
from lightfast.studies.rows import splits_json


def run_perturbations(options: StudyOptions) -> StudyResult:
    """Train the classifiers, learn the enhancers through them, read the test pictures once with each.

    Raises SettingsError at scale "paper" without a GPU; DataError when, at scale "cpu" or "paper", no
    photographs are at hand.
    """
    if options.scale == "paper" and resolve_device(options.device).type == "cpu":
        raise SettingsError(
            "study perturbations at `scale` paper trains VGG16 and needs a GPU",
            cure="Use `scale` cpu, or a CUDA machine.",
        )
    pictures = pictures_of(options)
    chosen = [one for one in subjects(options.scale) if one.data in pictures]
    train_parts(options, chosen, pictures)
    reads = [score_subject(options, one, pictures) for one in chosen]
    behind = [backgrounds(options, one) for one in reads]
    return options.result(
        "perturbations",
        "Pictures changed for a frozen classifier",
        [*study_tables(reads, not_run(pictures, options.scale)), background_table(reads, behind)],
        {
            "data_version": "+".join(one.splits.train.version for one in reads),
            "subjects": [
                {**subject_json(one), "background": found} for one, found in zip(reads, behind, strict=True)
            ],
        },
        notes=_notes(options, reads),
        seconds={
            f"{read.subject.name}, {name}": float(one.details.get("fit_seconds", 0.0))
            for read in reads
            for name, one in {"classifier": read.classifier, **read.enhancers}.items()
        },
        sections=figure_sections(reads),
    )


def subject_json(read: SubjectResult) -> dict[str, Any]:
    """Everything measured of a subject."""
    ways: dict[str, dict[str, Any]] = {}
    for way, enhancer in read.enhancers.items():
        count, new = read.learnt_on(way)
        ways[way] = {
            "clean": pair(read, way),
            "degraded": pair(read, way, DEGRADED),
            "learnt_on": count,
            "new_to_the_classifier": new,
            "strength": enhancer.details.get("strength"),
            "tried": enhancer.details.get("tried", []),
            "gate": read.gates.get(way),
        }
        if way != DENOISER:
            ways[way]["degraded_against_denoiser"] = pair(read, way, DEGRADED, DENOISER)
    transfer = {
        title: {state: mcnemar(*found) for state, found in states.items()}
        for title, states in read.transfer.items()
    }
    honest = read.predictions[PAPER_WAY, CLEAN_STATE] if read.leak else None
    refits = {
        way: {
            "learnt_on": read.learnt_on(way)[0],
            "new_to_the_classifier": read.learnt_on(way)[1],
            "clean": pair(read, way),
            "degraded": pair(read, way, DEGRADED),
            "clean_against_ours": pair(read, way, against=read.ours(CLEAN_STATE)),
            "degraded_against_ours": pair(read, way, DEGRADED, OUR_WAY),
        }
        for way in REFITS
    }
    return {
        "name": read.subject.name,
        "title": read.subject.title,
        "published": read.subject.published,
        "model": read.subject.row.model,
        **splits_json(read.splits),
        "train_accuracy": read.train_accuracy[NONE],
        "train_accuracy_of_both": {way: read.train_accuracy[way] for way in read.subject.plans},
        "differs": {way: differs_text(read, way) for way in read.subject.plans},
        "shown": {state: read.ours(state) for state in (CLEAN_STATE, DEGRADED)},
        "honest": read.honest,
        "ways": ways,
        "refits": refits,
        "transfer": transfer,
        "leak": read.leak and honest and {"leak": True, **as_json(mcnemar(honest, read.leak))},
    }


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
    if options.scale != "quick" and any(read.subject.data == "intel" for read in reads):
        notes.append(
            "The test pictures of CIFAR-10 were not read while the plans of this study were made. Those of "
            "Intel scenes were: its figures may flatter."
        )
    if options.scale != "paper":
        notes.append("Scale paper (VGG16, on a GPU) was not run.")
    return tuple(notes)


STUDIES.add("perturbations", Study("perturbations", run_perturbations, SCALES))
