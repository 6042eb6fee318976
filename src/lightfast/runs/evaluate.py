"""`evaluate_run`: a run folder and labelled pictures in, predictions and figures out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.base.files import make_folder
from lightfast.corrupt.suite import SUITES
from lightfast.data.images import ImageSet, sample
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predict import predict, predict_tags
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.robustness import Robustness, robustness
from lightfast.evaluate.tag_predictions import TagPredictions
from lightfast.evaluate.tags import score_tags
from lightfast.evaluate.thresholds import Thresholds
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_classifier
from lightfast.pages.classes import ScoredLabels
from lightfast.pages.run import EvaluateResult, write_evaluation_page
from lightfast.pages.tags import ScoredTags
from lightfast.runs.folder import PREDICTIONS_FILE, TOUCH_FILE, load_seen, record_scoring, without_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled
from lightfast.runs.record import envelope, written


def evaluate_run(
    run: str,
    source: str,
    options: RunOptions,
    *,
    suite: str | None = None,
    severities: Sequence[int] | None = None,
    limit: int | None = None,
) -> EvaluateResult:
    """Score a run on labelled pictures; with `suite` also under its corruptions.

    Pictures that the run was trained or chosen on are left out, with a note. Every scoring is recorded in
    RUN/evaluations.jsonl; where RUN cannot be written, in OUT/evaluations.jsonl, with a note.

    Args:
        run: run folder, or `hf-hub:ID`.
        source: folder, manifest, `.npz` or catalogue name; of official parts the test part is read.
        options: with `out`, predictions.parquet, metrics.json and report.html are written there.
        suite, severities: a suite of corruptions, at its own severities or at these.
        limit: pictures that the corruptions are measured on; None = all.
    """
    started = time.perf_counter()
    if options.out is not None and Path(options.out).resolve() == Path(run).resolve():
        raise CheckpointError(f"{options.out} is the run itself", cure="Give another folder: `out`.")
    if suite is not None:
        SUITES.get(suite)
    options.require_out()
    classifier = load_classifier(run, options.device)
    given = load_labelled(source, classifier, options)
    images, left_out = without_seen(Path(run), given.images)
    if classifier.task == "multi-label" and suite is not None:
        raise SettingsError(
            "`suite` measures one label a picture; this run gives any number", cure="Leave it out."
        )
    scored = scored_by(classifier, images, unseen=load_seen(Path(run)) is not None)
    command = options.command or f"evaluate {images.name}"
    scoring = record_scoring(run, images.version, command, options.beside(TOUCH_FILE))
    robust: Robustness | None = None
    if suite is not None:
        chosen = sample(images, limit, options.seed)
        robust = robustness(
            classifier, chosen, suite, severities=severities, seed=options.seed, report=options.report
        )
    result = EvaluateResult(
        **envelope(given, images, options, started, (*left_out, *scoring.notes)),
        touched_before=scoring.before,
        run=run,
        checkpoint=classifier,
        scored=scored,
        robustness=robust,
    )
    if options.out is not None:
        folder = make_folder(Path(options.out))
        scored.predictions.save(folder / PREDICTIONS_FILE)
        written(folder, result, write_evaluation_page)
    return result


def scored_by(
    classifier: Checkpoint,
    images: ImageSet,
    thresholds: Thresholds | None = None,
    kept: Path | None = None,
    *,
    unseen: bool = True,
) -> ScoredLabels | ScoredTags:
    """What a classifier predicts of labelled pictures, and its score.

    Args:
        thresholds: how those of a multi-label classifier were chosen.
        kept: a file of its predictions of these pictures, in place of predicting again.
        unseen: whether it is known that the classifier was fitted and chosen on none of them.
    """
    if classifier.task == "multi-label":
        tags = TagPredictions.load(kept) if kept else predict_tags(classifier, images)
        taxonomy = Taxonomy.from_json(classifier.taxonomy) if classifier.taxonomy else None
        return ScoredTags(tags, score_tags(tags), thresholds, taxonomy)
    labels = Predictions.load(kept) if kept else predict(classifier, images)
    if unseen:
        labels = labels.unseen()
    return ScoredLabels(labels, score(labels), images)
