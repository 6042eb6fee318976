"""`compare_run`: several runs read the same pictures; what may be concluded, and what each of them costs."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.base.files import load_json
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare_many import compare
from lightfast.evaluate.predictions import Predictions
from lightfast.pages.compare import ComparedRun, CompareResult, RunCost, write_compare_page
from lightfast.runs.contenders import (
    Contender,
    file_predictions,
    load_contenders,
    pair_pictures,
    reorder_classes,
)
from lightfast.runs.folder import METRICS_FILE, TOUCH_FILE, Scoring, record_scoring
from lightfast.runs.options import RunOptions
from lightfast.runs.record import envelope, written

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint

WARM_UP = 256
"""So many pictures are read before the clock starts: the first batch pays for memory and threads."""
LONG_ENOUGH = 1.0
"""Seconds that a run is measured for at least; shorter ones are repeated."""


def compare_run(runs: Sequence[str], source: str, options: RunOptions) -> CompareResult:
    """Let every run read the same labelled pictures and test all pairs.

    A picture that one of the runs was trained or chosen on is left out for all. Every run reads at its own
    picture size, one run after another, which is also how their speed is measured; each scoring is recorded
    in RUN/evaluations.jsonl; where RUN cannot be written, in OUT/evaluations.jsonl, with a note.

    Args:
        runs: at least two run folders, `hf-hub:ID`s, or `.parquet` files that `predict` or `evaluate` wrote;
            a file fixes the pictures, which are paired by their ids.
        source: folder, manifest, `.npz` or catalogue name; of official parts the test part is read. May be
            empty when only files are compared and carry labels.
        options: with `out`, metrics.json, predictions-NAME.parquet a run and report.html are written there.

    Returns: what was found; `comparison.sentence()` says what may be concluded.

    Raises:
        SettingsError: fewer than two runs, or one named twice. DataError: class lists differ, or not all read
            the same pictures.
    """
    started = time.perf_counter()
    options.require_out()
    sides = load_contenders(runs, options)
    pairing = pair_pictures(sides, source, options)
    predictions, rows, notes = [], [], []
    for done, (side, images, seen) in enumerate(zip(sides, pairing.images, pairing.seen, strict=True)):
        options.report("reading", done, len(sides), side.name)
        one_predictions, speed = (
            _timed(side.checkpoint, images)
            if side.checkpoint and images
            else (file_predictions(side, pairing), None)
        )
        predictions.append(replace(reorder_classes(one_predictions, sides[0].class_names), name=side.name))
        scoring = Scoring()
        if images:
            command = options.command or f"compare {source}"
            scoring = record_scoring(side.run, images.version, command, options.beside(TOUCH_FILE))
        notes += scoring.notes
        rows.append(ComparedRun(side.name, side.run, _cost(side, speed), scoring.before, seen))
    options.report("reading", len(sides), len(sides))
    result = CompareResult(
        comparison=compare(predictions, seed=options.seed),
        **envelope(pairing, pairing, options, started, notes),
        runs=tuple(rows),
        predictions=predictions,
        images=pairing.shown,
    )
    written(options.out, result, write_compare_page)
    if options.out is not None:
        for one in predictions:
            one.save(options.out / f"predictions-{_file_name(one.name)}.parquet")
    return result


def _timed(checkpoint: Checkpoint, images: ImageSet) -> tuple[Predictions, float]:
    """The predictions of all pictures, and pictures a second: after a warm-up, the fastest of the repeats
    (other work only slows them).
    """
    from lightfast.evaluate.predict import predict

    predict(checkpoint, images.take(range(min(WARM_UP, len(images)))))
    times: list[float] = []
    while True:
        started = time.perf_counter()
        one_predictions = predict(checkpoint, images)
        times.append(time.perf_counter() - started)
        if sum(times) >= LONG_ENOUGH:
            return one_predictions, len(images) / min(times)


def _cost(side: Contender, speed: float | None) -> RunCost:
    checkpoint = side.checkpoint
    if checkpoint is None:
        return RunCost()
    from lightfast.models.forest import Forest
    from lightfast.models.registry import count_parameters

    folder = Path(side.run)
    told = load_json(folder / METRICS_FILE) if (folder / METRICS_FILE).is_file() else {}
    forest = isinstance(checkpoint.network, Forest)
    return RunCost(
        checkpoint.model,
        told.get("seconds", {}).get("train"),
        round(_weight_bytes(folder, checkpoint) / 1e6, 3),
        None if forest else count_parameters(checkpoint.torch_network),
        round(speed, 1) if speed else None,
    )


def _weight_bytes(folder: Path, checkpoint: Checkpoint) -> int:
    """The checkpoint's folder on disk; of a model from the hub, whose files lie in a shared cache,
    the bytes of its tensors.
    """
    if folder.is_dir():
        place = folder / "checkpoint" if (folder / "checkpoint").is_dir() else folder
        return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    return sum(
        tensor.numel() * tensor.element_size() for tensor in checkpoint.torch_network.state_dict().values()
    )


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]", "-", name).strip("-.") or "run"
