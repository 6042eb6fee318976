"""`select_run`: what to label next, from nothing, from some labels, or with what a run says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.base.files import make_folder
from lightfast.curate.embed import Embedder, backbone_embedder, checkpoint_embedder, embed_pictures
from lightfast.curate.live_head import LiveHead
from lightfast.curate.select import AUTO, Known, Selection, require_strategy, select_next, strategies
from lightfast.data.decisions import DecisionLog, ReviewItem, ReviewQueue, latest
from lightfast.data.images import ImageSet
from lightfast.data.ingest import Ingest
from lightfast.data.partly import UNLABELLED, PartlyLabelled, without_labels
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.transfer import backbone_of, identifier_of
from lightfast.pages.select import SHOWN_CHOSEN, SelectResult, write_select_page
from lightfast.runs.folder import RUN_FILE, seen_rows
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare_partly
from lightfast.runs.record import envelope, written

BACKBONE = "lite0"
NEXT_FILE = "queue.csv"


@dataclass(frozen=True)
class SelectOptions:
    """What is wanted of `select_run`.

    Attributes:
        count: pictures to label next.
        strategy: "auto" or a name of `strategies()`.
        run: run folder or `hf-hub:ID` whose features and probabilities are used; None: those of a pretrained
            backbone, and of a head on it where there are labels.
        decisions: a decision log whose labels count as well.
        ignore_labels: as if nothing were labelled, whatever folders and tables say.
    """

    count: int
    strategy: str = AUTO
    run: str | None = None
    decisions: Path | None = None
    ignore_labels: bool = False


@dataclass(frozen=True, eq=False)
class _Opinion:
    """What is said of the pictures: probabilities (N, K) and how good they are; None where nobody says."""

    class_names: tuple[str, ...]
    probs: NDArray[np.float32] | None = None
    head: LiveHead | None = None


def select_run(source: str, options: RunOptions, select_options: SelectOptions) -> SelectResult:
    """Choose what to label next among the pictures of `source`, never two near duplicates.

    Args:
        source: a folder of pictures, with class folders for some of them or none; a table whose column
            `label` is empty for some; an `.npz` with -1 among its labels; a catalogue name.
        options: `out` is the folder to write (queue.csv, report.html, metrics.json); None writes nothing.
        select_options: how many, and how.

    Raises InputError for what cannot be chosen from.
    """
    started = time.perf_counter()
    if select_options.count < 1:
        raise SettingsError(f"count {select_options.count}", expected="at least 1 picture")
    require_strategy(select_options.strategy)
    _require_own(options)
    checkpoint = _classifier(select_options.run, options)
    side = None if checkpoint is not None else backbone_of(identifier_of(BACKBONE)).side
    given, groups, notes = prepare_partly(source, options, checkpoint, side)
    images = given.data.train
    if select_options.ignore_labels:
        given = without_labels(given)
    given, more = _with_decisions(given, select_options.decisions, checkpoint is not None)
    _require_unlabelled(given)
    labels, told = _with_seen(given.labels, select_options.run, images)
    embedder = checkpoint_embedder(checkpoint) if checkpoint is not None else backbone_embedder(BACKBONE)
    opinion, features = _opinion(given, groups, images, embedder, checkpoint, options)
    known = Known(labels, groups, opinion.probs, opinion.class_names)
    found = select_next(
        features, select_options.count, known, strategy=select_options.strategy, seed=options.seed
    )
    queue = _queue(images, found, opinion)
    facts = envelope(
        Ingest(images, given.data.unreadable, given.data.notes),
        images,
        options,
        started,
        (*notes, *more, *told, *found.notes),
    )
    path = _save(queue, options.out)
    result = SelectResult(
        **facts,
        **_said(found, opinion),
        run=select_options.run,
        n=len(images),
        labelled=int((labels != UNLABELLED).sum()),
        class_names=opinion.class_names,
        chosen=queue.items,
        queue=path,
        pictures=[images.images[row] for row in found.rows[:SHOWN_CHOSEN].tolist()],
    )
    return written(options.out, result, write_select_page)


def _require_unlabelled(given: PartlyLabelled) -> None:
    if (given.labels != UNLABELLED).all():
        what = f"nothing left to select: all {len(given.labels):,} pictures are labelled"
        cure = "Add pictures without labels, or give `ignore_labels` where folders are albums and no classes."
        raise DataError(what, cure=cure)


def _classifier(run: str | None, options: RunOptions) -> Checkpoint | None:
    if run is None:
        return None
    from lightfast.models.load import load_classifier

    checkpoint = load_classifier(run, options.device)
    if checkpoint.task == "multilabel":
        cure = "Leave `run` out: a pretrained network then chooses."
        raise CheckpointError(f"{run} gives several labels a picture", expected="one", cure=cure)
    return checkpoint


def _with_decisions(
    given: PartlyLabelled, path: Path | None, fixed: bool
) -> tuple[PartlyLabelled, tuple[str, ...]]:
    """(with the labels of the log, notes); `fixed`: classes of a run, to which none can be added."""
    if path is None:
        return given, ()
    if not Path(path).is_file():
        raise DataError(f"no such decision log: {path}", cure="Give the file that decisions were added to.")
    log = DecisionLog(path).read()
    images, labels, names = given.data.train, given.labels.copy(), list(given.class_names)
    rows = {
        (name, content): row
        for row, (name, content) in enumerate(zip(images.ids, images.content_hashes, strict=True))
    }
    gone, negative, taken = 0, 0, 0
    for (picture, content), decision in latest(log.records).items():
        row = rows.get((picture, content))
        if row is None:
            gone += 1
        elif decision.decided_label is None:
            negative += 1
            labels[row] = UNLABELLED
        else:
            if decision.decided_label not in names:
                if fixed:
                    what = f"{path}: class {decision.decided_label!r} of {picture}"
                    raise SettingsError(what, expected=f"a class of the run ({', '.join(names)})")
                names.append(decision.decided_label)
            labels[row] = names.index(decision.decided_label)
            taken += 1
    notes = [f"{taken:,} labels were taken from {path.name}", *log.notes(path)]
    notes += [f"{gone:,} decisions are about pictures that are not there any more"] * bool(gone)
    notes += [f"{negative:,} pictures were decided not to be what they were called"] * bool(negative)
    return PartlyLabelled(given.data, labels, tuple(names)), tuple(notes)


def _with_seen(
    labels: NDArray[np.int64], run: str | None, images: ImageSet
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """(labels in which what the run was trained on counts as labelled, notes)."""
    if run is None or run.startswith("hf-hub:"):
        return labels, ()
    seen = seen_rows(Path(run), images) & (labels == UNLABELLED)
    if not seen.any():
        return labels, ()
    # Any class: it only says that the picture has one.
    note = f"{int(seen.sum()):,} pictures without a label were seen by the run in training: not offered"
    return np.where(seen, 0, labels), (note,)


def _opinion(
    given: PartlyLabelled,
    groups: NDArray[np.int64],
    images: ImageSet,
    embedder: Embedder,
    checkpoint: Checkpoint | None,
    options: RunOptions,
) -> tuple[_Opinion, NDArray[np.float32]]:
    """(what is said of the pictures, their features)."""
    features = embed_pictures(images, embedder, report=options.report).vectors
    if checkpoint is not None:
        from lightfast.evaluate.predict import probs_of

        return _Opinion(checkpoint.class_names, probs_of(checkpoint, images.images)), features
    if len(np.unique(given.labels[given.labels != UNLABELLED])) < 2:
        return _Opinion(given.class_names), features
    head = LiveHead.start(features, given.class_names, given.labels, groups).refit()
    return _Opinion(given.class_names, head.probs(), head), features


def _queue(images: ImageSet, found: Selection, opinion: _Opinion) -> ReviewQueue:
    def item(row: int, reason: str) -> ReviewItem:
        if opinion.probs is None:
            return ReviewItem(images.ids[row], "", 0.0, reason)
        best = int(opinion.probs[row].argmax())
        confidence = float(opinion.probs[row, best])
        return ReviewItem(images.ids[row], opinion.class_names[best], confidence, reason)

    rows = found.rows.tolist()
    content = np.array([images.content_hashes[row] for row in rows])
    return ReviewQueue(tuple(map(item, rows, found.reasons)), {"content": content})


def _said(found: Selection, opinion: _Opinion) -> dict[str, Any]:
    entry = strategies().get(found.strategy)
    fit = None if opinion.head is None else opinion.head.fit
    accuracy = None if fit is None else fit.accuracy
    return {
        "strategy": found.strategy,
        "summary": entry.summary,
        "source": entry.source,
        "near_copies": found.near_copies,
        "accuracy": accuracy and accuracy.value,
        "accuracy_interval": accuracy and tuple(accuracy.interval),
        "accuracy_n": 0 if accuracy is None else accuracy.n,
    }


def _save(queue: ReviewQueue, out: Path | None) -> Path | None:
    return None if out is None else queue.save(make_folder(Path(out)) / NEXT_FILE)


def _require_own(options: RunOptions) -> None:
    """Refuse a folder that cannot be written, and one that holds a run."""
    options.require_out()
    out = options.out
    if out is not None and ((Path(out) / RUN_FILE).exists() or (Path(out) / "checkpoint").exists()):
        raise CheckpointError(f"{out} holds a run", cure="Give another folder as `out`.")
