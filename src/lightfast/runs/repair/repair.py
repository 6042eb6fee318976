"""`repair_run`: detect damage, restore, read again, and put the doubtful pictures before a person."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.base.files import atomic, write_bytes
from lightfast.base.png import png
from lightfast.base.randomness import generator
from lightfast.corrupt.suite import SUITES
from lightfast.data.answers import DECIDED, REVIEWER, require_answers
from lightfast.data.decisions import ReviewQueue
from lightfast.data.images import ImageSet, sample
from lightfast.data.ingest import Ingest
from lightfast.evaluate.image_quality import psnr, ssim
from lightfast.evaluate.metrics import score
from lightfast.models.load import load_classifier
from lightfast.pages.repair import (
    BesideClean,
    Damaged,
    RepairReport,
    RepairResult,
    RepairScores,
    RestoredQuality,
    write_repair_page,
)
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline, Repair, repair
from lightfast.runs.folder import TOUCH_FILE, Scoring, load_run, record_scoring, without_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled_or_not
from lightfast.runs.record import envelope, written
from lightfast.runs.repair.answers import answer_columns, keep_answered, with_answers
from lightfast.runs.repair.hub import LearnOn, hub_kit_folder, is_published, pipeline_for_hub, without_learned
from lightfast.runs.repair.kit import pipeline_for_run
from lightfast.runs.repair.options import RepairOptions
from lightfast.runs.repair.plan import KitChoice

TABLE_FILE, QUEUE_FILE, RESTORED_FOLDER = "readings.parquet", "queue.csv", "restored"
# Columns of queue.csv → what `ReviewItem` calls them.
_OWN_NAMES = {"final_label": "predicted_label", "final_confidence": "confidence"}


def repair_run(
    run: str,
    source: str,
    options: RunOptions,
    *,
    kit: KitChoice = KitChoice(),  # noqa: B008 - frozen
    repair_options: RepairOptions = RepairOptions(),  # noqa: B008 - frozen
) -> RepairResult:
    """Repair the pictures of `source` and read them again with the run's classifier.

    RUN/repair (detector, restorer, rules) is used; when it is missing, or made for another suite, it is
    trained first on the training pictures of the run, and kept in OUT/repair where RUN cannot be written. No
    label of the pictures is looked at before the final count.

    Args:
        run: run folder, or `hf-hub:ID`: its kit learns on the train and val parts of `source`, or on
            `repair_options.learn_on`, and is kept in `out`, or in `repair_options.kit_folder`.
        source: pictures with or without labels; labelled ones that the run or the kit was trained on are left
            out.
        options: `out` is the folder to write, RUN/repaired by default.
        kit: damages that the kit has learnt, its restorer, and the seconds that its training may take; what
            is left open takes the kit that is there, and trains one for mnist-c where there is none.
        repair_options: what is repaired, and what people have answered.

    Returns: what was found; its `as_json` is the content of metrics.json.
    """
    started = time.perf_counter()
    target = _target(run, options, repair_options)
    for wanted in filter(None, (kit.suite, repair_options.damage)):
        SUITES.get(wanted)
    options.require_out(target)
    if repair_options.answers is not None:
        require_answers(repair_options.answers)
    reader = _reader(run, source, kit, options, repair_options)
    given, damaged = reader.given, reader.damaged
    scoring = Scoring()
    if damaged.images.labels is not None:
        command = options.command or f"repair {damaged.images.name}"
        scoring = record_scoring(run, damaged.images.version, command, target / TOUCH_FILE)
    report, answered = with_answers(target, repair_report(reader.pipeline, damaged), repair_options)
    kept = write_repair(target, report)
    notes = (*reader.notes, *scoring.notes, *answered, *kept)
    result = RepairResult(
        **envelope(given, damaged.images, options, started, notes),
        touched_before=scoring.before,
        report=report,
        run=run,
        out=target,
        suite=kit.suite,
        damaged_by=repair_options.damage,
    )
    return written(target, result, write_repair_page)


def _target(run: str, options: RunOptions, repair_options: RepairOptions) -> Path:
    """The folder to write; refuses what is no run, and a folder that is the run itself."""
    if is_published(run):
        hub_kit_folder(run, options, repair_options)
        return options.folder("repair")
    folder = Path(run)
    load_run(folder)
    repair_options.check_run(run)
    target = Path(options.out) if options.out is not None else folder / "repaired"
    if target.resolve() == folder.resolve():
        raise CheckpointError(
            f"{target} is the run itself", cure="Give another folder as `out`; RUN/repaired is the default."
        )
    return target


@dataclass(frozen=True, eq=False)
class _Reader:
    """A pipeline, and the pictures that it has not learned on."""

    pipeline: Pipeline
    given: Ingest
    damaged: Damaged
    notes: tuple[str, ...]


def _reader(
    run: str, source: str, kit: KitChoice, options: RunOptions, repair_options: RepairOptions
) -> _Reader:
    """What repairs, and what is repaired: of a published classifier the kit comes first, since it decides the
    size of the pictures; of a run the pictures, since reading them costs less than a kit.
    """
    classifier, home, made, note = load_classifier(run, options.device), Path(run), None, ()
    if is_published(run):
        home = hub_kit_folder(run, options, repair_options)
        learn_on = LearnOn(repair_options.learn_on or source, repair_options.learn_on is not None, home)
        made, note = pipeline_for_hub(run, classifier, kit, learn_on, options)
        classifier = made.classifier
    given = load_labelled_or_not(source, classifier, options)
    images, notes = given.images, ()
    if images.labels is not None:
        images, notes = (without_learned if is_published(run) else without_seen)(home, images)
    images = sample(images, repair_options.limit, options.seed)
    damaged = damage_pictures(images, repair_options.damage, options.seed)
    if made is None:
        made, note = pipeline_for_run(home, classifier, kit, options)
    return _Reader(made, given, damaged, (*notes, *note))


def damage_pictures(images: ImageSet, suite: str | None, seed: int) -> Damaged:
    """Each picture damaged in one way of `suite`, at the suite's own severities, or left clean;
    all as they are without a suite.
    """
    if suite is None:
        return Damaged(images)
    mix = DamageMix.of_suite(suite)
    rng = generator(seed, "repair-damage", suite)
    drawn = mix.draw(len(images), rng)
    step = {"verb": "damage", "suite": suite, "seed": seed, "clean_share": mix.clean_share}
    damaged = images.derived(mix.apply(images.images, drawn, rng), step=step, name=f"{images.name}/{suite}")
    kinds, _ = mix.targets(drawn)
    return Damaged(damaged, images, tuple(mix.kinds[kind] for kind in kinds))


def repair_report(pipeline: Pipeline, damaged: Damaged) -> RepairReport:
    """Repair pictures and count what came of it; the figures of accuracy only where there are labels."""
    result, clean, scores = repair(pipeline, damaged.images), None, None
    said = np.array(result.damage.names)
    names, counts = np.unique(said, return_counts=True)
    if damaged.clean is not None:
        named = float(np.mean(said == np.array(damaged.kinds)))
        clean = BesideClean(named, *(_quality(one, damaged.clean, damaged, result) for one in (psnr, ssim)))
    if result.before.labels is not None:
        scores = RepairScores(score(result.after), score(result.before), result.paired, result.sure_accuracy)
    return RepairReport(
        n=len(said),
        damage=dict(zip(names.tolist(), counts.tolist(), strict=True)),
        attempted=int(result.attempted.sum()),
        kept=int(result.kept.sum()),
        doubtful=int(result.needs_review.sum()),
        beside_clean=clean,
        scores=scores,
        repair=result,
        given=damaged,
        pipeline=pipeline,
    )


def _quality(
    measure: Callable[..., NDArray], clean: ImageSet, damaged: Damaged, result: Repair
) -> RestoredQuality:
    rows, means = np.flatnonzero(result.attempted), []
    for pictures in (damaged.images.images, result.restored):
        values = measure(clean.images[rows], pictures[rows], 255) if len(rows) else np.empty(0)
        finite = values[np.isfinite(values)]
        means.append(float(finite.mean()) if len(finite) else None)
    return RestoredQuality(len(rows), *means)


def prediction_table(result: Repair) -> pd.DataFrame:
    """One row a picture: what was detected, both predictions, and whether a person should look."""
    before, after, names = result.before, result.after, np.array(result.after.class_names, dtype=object)
    given = {} if before.labels is None else {"given_label": names[before.labels]}
    return pd.DataFrame(
        {
            "id": before.ids,
            **given,
            "damage": result.damage.names,
            "severity": result.damage.severity,
            "first_label": names[before.predicted_labels],
            "first_confidence": before.confidence,
            "final_label": names[after.predicted_labels],
            "final_confidence": after.confidence,
            "restored": result.attempted,
            "kept": result.kept,
            "doubtful": result.needs_review,
            "reason": result.reasons,
        }
    )


def write_repair(target: Path, report: RepairReport) -> tuple[str, ...]:
    """Write readings.parquet, queue.csv (least confident first) and, for pictures that came in damaged,
    restored/ as PNG files. Returns notes: what an earlier queue held that is not in this one.
    """
    result, answered = report.repair, answer_columns(report)
    frame = prediction_table(result)
    decided = {name: answered[name] for name in (DECIDED, REVIEWER)} if report.answers else {}
    with atomic(target / TABLE_FILE) as temporary:
        frame.assign(**decided).to_parquet(temporary, index=False)
    # No given label in the queue: a person should see the picture, not the answer.
    needs_review = frame.drop(columns=["doubtful", "given_label"], errors="ignore").assign(**answered)
    needs_review = needs_review.iloc[np.flatnonzero(result.needs_review)]
    queue = needs_review.iloc[np.argsort(needs_review["final_confidence"].to_numpy(), kind="stable")]
    kept = keep_answered(target / QUEUE_FILE, queue)
    queue = queue.rename(columns=_OWN_NAMES)
    ReviewQueue.of_frame(queue).save(
        target / QUEUE_FILE, dict(zip(queue.columns, needs_review.columns, strict=True))
    )
    if report.given.clean is None:
        for row in np.flatnonzero(result.attempted):
            stem = re.sub(r"[^\w.-]+", "_", str(Path(result.before.ids[row]).with_suffix("")))[-80:]
            write_bytes(target / RESTORED_FOLDER / f"{row:06d}-{stem}.png", png(result.restored[row]))
    return kept
