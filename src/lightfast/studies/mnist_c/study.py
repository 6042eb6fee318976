"""Damaged digits: detect the damage, restore, read again (the MNIST-C half of the damaged-digits study).

The study's five breakouts, all fifteen kinds of MNIST-C (Mu & Gilmer 2019), damage families that the repair
never saw, what each lever of ours is worth, the paper's autoencoder beside ours, the kinds of autoencoder
that it names, and what its literature does to the reader itself. The classifier sees clean training digits
only and is frozen before anything else is trained.
"""

from __future__ import annotations

import time
from typing import Any

from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline
from lightfast.restore.views import views_of_restorer
from lightfast.studies.mnist_c import tables
from lightfast.studies.mnist_c.autoencoders import autoencoders_table
from lightfast.studies.mnist_c.figures import digits_sections
from lightfast.studies.mnist_c.levers import levers_table
from lightfast.studies.mnist_c.networks import Parts, mnist_c_plan
from lightfast.studies.mnist_c.readers import readers_table
from lightfast.studies.mnist_c.sturdier import sturdier_table
from lightfast.studies.registry import STUDIES, Study, StudyOptions, StudyResult


def run_mnist_c(options: StudyOptions) -> StudyResult:
    """The whole study; every trained part is kept in `options.out`, so a second run only measures."""
    started = time.perf_counter()
    plan = mnist_c_plan(options.scale)
    splits = options.pictures(plan.data).splits(options.seed, val=plan.val_share)
    mix = DamageMix.of_suite("mnist-c")
    parts = Parts(options, plan, splits)
    published = parts.published  # refused, where it does not fit, before anything is trained
    pipeline = parts.pipeline(mix)
    measured = {
        "breakouts": tables.breakouts(parts, pipeline),
        "kinds": tables.kinds(parts, pipeline),
        "levers": levers_table(parts),
        "readers": readers_table(options, plan),
        "held_out": tables.held_out_families(parts),
        "autoencoder": tables.autoencoder(parts, pipeline),
        "autoencoders": autoencoders_table(parts),
        "sturdier": sturdier_table(parts),
    }
    figures = {name: rows for name, (_, rows) in measured.items()} | _parts_json(parts, pipeline)
    notes = (
        f"Classifier: {parts.classifier.model}, trained on {len(splits.train):,} clean digits of "
        f"{plan.data}, then frozen.",
        "Which pictures are restored is decided by the detector; no label is looked at. The paper chose them "
        "by their true labels; its rows are made that way and say so.",
        f"The paper's breakouts are read by {options.reader}."
        if published
        else "The paper's reader (vit-base-mnist) is not run: its rows say which reader stands in its place. "
        "With its files at hand: `reader` hf-hub:FOLDER.",
        f"Test digits are read after all training is done; seed {options.seed}; 95 % intervals (Wilson; "
        "paired: Newcombe).",
    )
    return options.result(
        "mnist-c",
        "Damaged digits (MNIST-C)",
        [table for table, _ in measured.values()],
        figures,
        notes=notes,
        seconds={"total": time.perf_counter() - started},
        sections=digits_sections(parts, pipeline),
    )


def _parts_json(parts: Parts, pipeline: Pipeline) -> dict[str, Any]:
    """What the figures were made with."""
    calibration, splits = pipeline.calibration, parts.splits
    return {
        "classifier": {
            "model": parts.classifier.model,
            "temperature": parts.classifier.temperature,
            "n_train": len(splits.train),
        },
        "detector": {key: value for key, value in pipeline.detector.details.items() if key != "key"},
        "rules": {
            "margins": calibration.margins,
            "temperature": calibration.temperature,
            "review_threshold": calibration.review_threshold,
        },
        "restorer": {
            "model": pipeline.restorer.model,
            "views": views_of_restorer(pipeline.restorer),
            "views_val": pipeline.restorer.details["reread_views_val"],
        },
        "data": splits.test.name,
        "data_version": splits.train.version,
    }


STUDIES.add("mnist-c", Study("mnist-c", run_mnist_c, takes_reader=True))
