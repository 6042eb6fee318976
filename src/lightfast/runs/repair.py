"""`repair_run`: detect damage, restore, read again, and put the doubtful pictures before a person."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.base.files import atomic, make_folder, write_bytes, write_json
from lightfast.base.plain import as_json
from lightfast.base.png import png
from lightfast.base.randomness import generator
from lightfast.corrupt.suite import SUITES
from lightfast.data.decisions import ReviewQueue
from lightfast.data.images import ImageSet, sample
from lightfast.evaluate.image_quality import psnr, ssim
from lightfast.evaluate.metrics import score
from lightfast.models.load import load_classifier
from lightfast.pages.repair import RepairReport, repair_test, write_repair_page
from lightfast.report.provenance import provenance
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Repair, repair
from lightfast.runs.folder import METRICS_FILE, REPORT_FILE, load_run, record_evaluation, without_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled_or_not
from lightfast.runs.repair_kit import pipeline_for_run

READINGS_FILE, QUEUE_FILE, RESTORED_FOLDER = "readings.parquet", "queue.csv", "restored"
DAMAGED_CLEAN_SHARE = 0.125
# Columns of queue.csv → what `ReviewItem` calls them.
_OWN_NAMES = {"final_label": "predicted_label", "final_confidence": "confidence"}


@dataclass(frozen=True, eq=False)
class Damaged:
    """Pictures to repair; `clean` and `kinds` (one damage name a picture) are
    known where we damaged them ourselves.
    """

    images: ImageSet
    clean: ImageSet | None = None
    kinds: tuple[str, ...] = ()


def repair_run(
    run: str,
    source: str,
    options: RunOptions,
    *,
    suite: str | None = None,
    damage: str | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Repair the pictures of `source` and read them again with the run's classifier.

    RUN/repair (detector, restorer, rules) is used; when it is missing, or made for another suite, it is
    trained first on the training pictures of the run. No label of the pictures is looked at before the final
    count.

    Args:
        run: run folder.
        source: pictures with or without labels; labelled ones that the run was trained on are left out.
        options: `out` is the folder to write, RUN/repaired by default.
        suite: damages that the kit has learnt; None takes the kit that is there, and trains one for mnist-c
            where there is none.
        damage: damage the pictures first, by the mixture of this suite at its own severities (to measure on
            clean labelled pictures).
        limit: at most this many pictures, drawn by seed.

    Returns: n, damage (kind → pictures), attempted, kept, doubtful, notes, unreadable, seconds, run, out;
        with labels also the keys of `Evaluation.as_json` for the final predictions, before (the same keys),
        paired (McNemar); where the clean pictures are known psnr and ssim.
    """
    started = time.perf_counter()
    folder = Path(run)
    load_run(folder)
    target = Path(options.out) if options.out is not None else folder / "repaired"
    if target.resolve() == folder.resolve():
        raise CheckpointError(
            f"{target} is the run itself", cure="Give another folder with --out; RUN/repaired is the default."
        )
    for wanted in filter(None, (suite, damage)):
        SUITES.get(wanted)
    make_folder(target)
    classifier = load_classifier(run, options.device)
    given = load_labelled_or_not(source, classifier, options)
    images, notes = (
        without_seen(folder, given.images) if given.images.labels is not None else (given.images, ())
    )
    damaged = damage_pictures(sample(images, limit, options.seed), damage, options.seed)
    pipeline, note = pipeline_for_run(folder, classifier, suite, options)
    if images.labels is not None:
        record_evaluation(folder, damaged.images.version, options.command or f"repair {images.name}")
    result = repair(pipeline, damaged.images)
    metrics = {
        **repair_metrics(result, damaged),
        "run": run,
        "out": str(target),
        "data": images.name.split("/")[0],
        "data_version": damaged.images.version,
        "seed": options.seed,
        "suite": suite,
        "damaged_by": damage,
        "unreadable": [asdict(one) for one in given.unreadable],
        "notes": [text for text in (*given.notes, *notes, note) if text],
        "seconds": round(time.perf_counter() - started, 3),
    }
    write_repair(target, result, damaged)
    facts = provenance(damaged.images.version, options.seed, {"repair": metrics["seconds"]}, options.words)
    story = RepairReport(result, damaged.images, damaged.clean, damaged.kinds, pipeline)
    write_repair_page(target / REPORT_FILE, story, metrics, facts)
    write_json(target / METRICS_FILE, metrics)
    return metrics


def damage_pictures(
    images: ImageSet, suite: str | None, seed: int, clean_share: float = DAMAGED_CLEAN_SHARE
) -> Damaged:
    """Each picture damaged in one way of `suite`, at the suite's own severities, or left clean;
    all as they are without a suite.
    """
    if suite is None:
        return Damaged(images)
    mix = DamageMix.of_suite(suite, clean_share=clean_share)
    rng = generator(seed, "repair-damage", suite)
    drawn = mix.draw(len(images), rng)
    step = {"verb": "damage", "suite": suite, "seed": seed, "clean_share": clean_share}
    damaged = images.derived(mix.apply(images.images, drawn, rng), step=step, name=f"{images.name}/{suite}")
    kinds, _ = mix.targets(drawn)
    return Damaged(damaged, images, tuple(mix.kinds[kind] for kind in kinds))


def repair_metrics(result: Repair, damaged: Damaged) -> dict[str, Any]:
    """What is counted of a repair; the figures of accuracy only where there are labels."""
    names, counts = np.unique(result.damage.names, return_counts=True)
    metrics: dict[str, Any] = {
        "n": len(result.before),
        "damage": {str(name): int(count) for name, count in zip(names, counts, strict=True)},
        "attempted": int(result.attempted.sum()),
        "kept": int(result.kept.sum()),
        "doubtful": int(result.needs_review.sum()),
    }
    if damaged.kinds:
        metrics["detector_accuracy"] = float(
            np.mean([said == true for said, true in zip(result.damage.names, damaged.kinds, strict=True)])
        )
    if damaged.clean is not None:
        metrics |= picture_quality(damaged.clean.images, damaged.images.images, result)
    if result.before.labels is not None:
        metrics |= {
            **score(result.after).as_json(),
            "before": score(result.before).as_json(),
            "paired": as_json(repair_test(result)),
        }
        sure = ~result.needs_review
        metrics["accuracy_of_the_sure"] = float(result.after.correct[sure].mean()) if sure.any() else None
    return metrics


def picture_quality(clean: NDArray[np.uint8], degraded: NDArray[np.uint8], result: Repair) -> dict[str, Any]:
    """Mean PSNR (dB, of pictures that differ from the clean one) and SSIM before and after,
    over the pictures that were restored.
    """
    rows = np.flatnonzero(result.attempted)
    quality: dict[str, Any] = {}
    for key, measure in (("psnr", psnr), ("ssim", ssim)):
        for stage, pictures in (("before", degraded), ("after", result.restored)):
            values = measure(clean[rows], pictures[rows], 255) if len(rows) else np.empty(0)
            finite = values[np.isfinite(values)]
            quality.setdefault(key, {"n": len(rows)})[stage] = float(finite.mean()) if len(finite) else None
    return quality


def prediction_table(result: Repair) -> pd.DataFrame:
    """One row a picture: what was detected, both predictions, and whether a person should look."""
    names = np.array(result.after.class_names, dtype=object)
    columns: dict[str, Any] = {"id": list(result.before.ids)}
    if result.before.labels is not None:
        columns["given_label"] = names[result.before.labels]
    return pd.DataFrame(
        columns
        | {
            "damage": result.damage.names,
            "severity": result.damage.severity,
            "first_label": names[result.before.predicted_labels],
            "first_confidence": result.before.confidence,
            "final_label": names[result.after.predicted_labels],
            "final_confidence": result.after.confidence,
            "restored": result.attempted,
            "kept": result.kept,
            "doubtful": result.needs_review,
            "reason": list(result.reasons),
        }
    )


def write_repair(target: Path, result: Repair, damaged: Damaged) -> None:
    """Write readings.parquet, queue.csv (least confident first) and, for pictures that came in damaged,
    restored/ as PNG files.
    """
    frame = prediction_table(result)
    with atomic(target / READINGS_FILE) as temporary:
        frame.to_parquet(temporary, index=False)
    # No given label in the queue: a person should see the picture, not the answer.
    needs_review = frame.drop(columns=["doubtful", "given_label"], errors="ignore").iloc[
        np.flatnonzero(result.needs_review)
    ]
    queue = needs_review.iloc[np.argsort(needs_review["final_confidence"].to_numpy(), kind="stable")]
    queue = queue.rename(columns=_OWN_NAMES)
    ReviewQueue.of_frame(queue).save(
        target / QUEUE_FILE, dict(zip(queue.columns, needs_review.columns, strict=True))
    )
    if damaged.clean is None:
        for row in np.flatnonzero(result.attempted):
            stem = re.sub(r"[^\w.-]+", "_", str(Path(result.before.ids[row]).with_suffix("")))[-80:]
            write_bytes(target / RESTORED_FOLDER / f"{row:06d}-{stem}.png", png(result.restored[row]))
