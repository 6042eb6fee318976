"""`background_run`: does a run look at the thing in a picture, or at what stands behind it?"""

from __future__ import annotations

import time
from pathlib import Path

from lightfast.base.errors import CheckpointError
from lightfast.data.images import sample
from lightfast.explain.background import check_background
from lightfast.models.load import load_classifier
from lightfast.pages.background import BackgroundResult, write_background_page
from lightfast.runs.folder import TOUCH_FILE, record_scoring, without_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled
from lightfast.runs.record import envelope, written


def background_run(
    run: str, source: str, options: RunOptions, *, limit: int | None = None
) -> BackgroundResult:
    """Read every foreground on the background of another picture of its class, and of another class.

    Pictures that the run was trained or chosen on are left out; the scoring is recorded in
    RUN/evaluations.jsonl, as every one of labelled pictures.

    Args:
        run: run folder, or `hf-hub:ID`, of one label a picture.
        source: folder, manifest, `.npz` or catalogue name; of official parts the test part is read.
        options: with `out`, metrics.json and report.html are written there.
        limit: at most so many pictures, drawn by the seed.

    Raises DataError where nothing can be told from its background, CheckpointError for a run of several
    labels a picture.
    """
    started = time.perf_counter()
    if options.out is not None and Path(options.out).resolve() == Path(run).resolve():
        raise CheckpointError(f"{options.out} is the run itself", cure="Give another folder: `out`.")
    options.require_out()
    classifier = load_classifier(run, options.device)
    if classifier.task != "multi-class":
        raise CheckpointError(
            "this run gives any number of labels a picture",
            expected="one label a picture",
            cure="Look at single pictures: lightfast explain.",
        )
    given = load_labelled(source, classifier, options)
    images, left_out = without_seen(Path(run), given.images)
    images = sample(images, limit, options.seed)
    check = check_background(classifier, images, seed=options.seed, report=options.report)
    command = options.command or f"background {images.name}"
    scoring = record_scoring(run, images.version, command, options.beside(TOUCH_FILE))
    result = BackgroundResult(
        **envelope(given, images, options, started, (*left_out, *scoring.notes)),
        touched_before=scoring.before,
        check=check,
        run=run,
        sentence=check.sentence(),
        class_names=classifier.class_names,
    )
    return written(options.out, result, write_background_page)
