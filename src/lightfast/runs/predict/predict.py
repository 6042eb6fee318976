"""`tag_run`: any number of pictures read by a run or an exported file, as a stream:
what is read is written at once.
"""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lightfast.base.errors import DataError, StorageError
from lightfast.base.files import storage_errors, write_text
from lightfast.base.plain import OPTIONAL
from lightfast.data.dataset import Entry, Unreadable
from lightfast.data.decode.examined import damage_note, remark_notes
from lightfast.data.decode.unreadable import printable
from lightfast.data.ingest import Ingest
from lightfast.data.lists.listing import Listing, picture_entries
from lightfast.data.sources.resolve import SourceResolver
from lightfast.data.strokes import holds_strokes
from lightfast.evaluate.predictions import SEEN
from lightfast.models.device import surely_cpu
from lightfast.models.stroke_files import holds_stroke_classifier
from lightfast.runs.folder import load_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.review import (
    PredictReview,
    ReviewCollector,
    check_review,
    collector_for,
    queue_beside,
)
from lightfast.runs.predict.strokes import load_array, require_strokes, require_strokes_alone
from lightfast.tagging.card import ModelCard
from lightfast.tagging.rows import (
    NEEDS_REVIEW,
    PredictionColumns,
    RowOptions,
    row_format,
    row_writer,
    rows_of,
)
from lightfast.tagging.runtime import Tagger, load_tagger
from lightfast.tagging.stream import Tagged

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint

MODEL_FILE = "model.onnx"
UNREADABLE_ENDING = ".unreadable.csv"


@dataclass
class _Tally:
    """What is known of the pictures so far."""

    n: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    unreadable: list[Unreadable] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)
    seen: int = 0

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Count the rows of a batch."""
        self.n += len(columns["id"])
        self.seen += sum(columns.get(SEEN, ()))
        self.classes.update(chain(*columns.get("tags", [columns["predicted_label"]])))

    def said(self) -> tuple[str, ...]:
        """Notes on the files that were read, on those left out for damage, and on the pictures that the model
        has seen.
        """
        reasons = (one.reason for one in self.unreadable)
        known = (
            f"{self.seen:,} of {self.n:,} pictures were seen by the model in training (column {SEEN}): how "
            "often it is right on them says nothing of others",
        ) * (self.seen > 0)
        return (*remark_notes(self.remarks), *damage_note(reasons), *known)


@dataclass(frozen=True, kw_only=True)
class PredictResult:
    """What `predict` found.

    Attributes:
        n: pictures read.
        classes: how many pictures each label was given.
        class_names, task, model, seed: of the classifier.
        unreadable: every file that could not be read.
        seconds, pictures_per_second: wall time and speed.
        out: the file that was written.
        unreadable_file: OUT.unreadable.csv (path and reason), when there are any.
        notes: what the reader has to know, one sentence each.
        predictions: one row a picture; None where they went to `out`.
        review: with a rule, how many pictures a person should look at, and why those.
    """

    n: int
    classes: Mapping[str, int]
    class_names: tuple[str, ...]
    task: str
    model: str
    seed: int | None
    unreadable: Sequence[Unreadable]
    seconds: float
    pictures_per_second: float
    out: Path | None
    unreadable_file: str | None
    notes: tuple[str, ...]
    predictions: Sequence[Mapping[str, Any]] | None = field(metadata=OPTIONAL)
    review: PredictReview | None = field(default=None, metadata=OPTIONAL)


def tag_run(
    run: str,
    paths: Sequence[str],
    options: RunOptions,
    *,
    row_options: RowOptions = RowOptions(),  # noqa: B008 - frozen
) -> PredictResult:
    """Read pictures with a run and write one row a picture as they come, in bounded memory.

    Args:
        run: run folder (its network is exported once, into RUN/model.onnx where that can be written),
            `hf-hub:ID`, or an `.onnx` that `export` wrote.
        paths: picture files, folders (searched through), tables of pictures, archives, addresses, `.npz`
            files, catalogue names.
        options: `out` is the file to write; without it the rows are in the result. `device` cuda computes
            with torch there.
        row_options: what is said of a picture, and how it is written. With `review` the run's validation
            predictions tell the threshold, and OUT.queue.csv (`queue`) names the pictures for a person.

    Stopped on the way, OUT.part holds the rows so far, a whole file. Raises DataError when no picture at all
    can be read, SettingsError for a rule that cannot be met.
    """
    said = row_options
    if options.out is not None:
        # Asked for before anything is computed: a wrong form or place must not cost an export.
        row_format(Path(options.out), said.form)
        said = replace(said, queue=said.queue or queue_beside(Path(options.out), said.review))
    options.require_out(folder=False)
    check_review(said.review, run, said.queue)
    if holds_stroke_classifier(run):
        return _tag_drawings(run, paths, options, said)
    with tagger_for(run, options) as tagger:
        review = None
        if said.review is not None:
            review = collector_for(said.review, tagger.card, _chosen_by(run, tagger.card), said.queue)
        return tag_with(tagger, paths, options, row_options=said, review=review)


def _tag_drawings(run: str, paths: Sequence[str], options: RunOptions, said: RowOptions) -> PredictResult:
    """`tag_run` of a run that learnt from strokes."""
    # Only here is torch needed.
    from lightfast.runs.predict.drawings import read_drawings, stroke_tagger

    require_strokes_alone(paths, SourceResolver(options.report, options.tables))
    tagger, classifier = stroke_tagger(run, said)
    blocks = (
        block
        for path in paths
        for block in read_drawings(classifier, tagger, path, options, every_stroke=said.every_stroke)
    )
    return tag_with(tagger, (), options, row_options=said, drawings=blocks)


def _chosen_by(run: str, card: ModelCard) -> Path:
    """The folder whose validation predictions are those of the model: the run, or that of an exported file
    that was made from the checkpoint there.
    """
    folder = Path(run)
    if not run.lower().endswith(".onnx"):
        return folder
    own = card.source_digest and card.source_digest == checkpoint_digest(folder.parent)
    return folder.parent if own else folder


def tag_with(
    tagger: Tagger,
    paths: Sequence[str],
    options: RunOptions,
    *,
    row_options: RowOptions = RowOptions(),  # noqa: B008 - frozen
    review: ReviewCollector | None = None,
    drawings: Iterable[Tagged] = (),
) -> PredictResult:
    """`tag_run` with a tagger, and what collects pictures for a person, that are loaded; `drawings` were read
    already and come first.
    """
    card, known, said = tagger.card, tagger.seen is not None, row_options
    out = None if options.out is None else Path(options.out)
    sayings, tally = PredictionColumns(card, said.top, said.client), _Tally()
    marks = (*[NEEDS_REVIEW] * (review is not None), *[SEEN] * known)
    rows: list[dict[str, Any]] = []
    listing, arrays = _listed(card, paths, options, said)
    tally.unreadable += listing.unreadable

    def keep(columns: Mapping[str, Sequence[Any]], _probs: object) -> None:
        rows.extend(rows_of(columns, ("id", "path", *sayings.names, *marks)))

    started = time.perf_counter()
    try:
        writer = row_writer(out, row_format(out, said.form), sayings, marks) if out else nullcontext(keep)
        with writer as write:
            for batch in chain(
                drawings, _read(tagger, listing, arrays, options, (tally, review is not None))
            ):
                columns = _columns(batch, sayings, listing.resolver, review)
                tally.add(columns)
                write(columns, batch.probs)
            if not tally.n:
                raise _nothing(tally.unreadable)
    finally:
        listed = None if out is None else _list_unreadable(out, tally.unreadable)
    seconds, asked = time.perf_counter() - started, review.written() if review else None
    told = () if asked is None else (asked.sentence(tally.n),)
    return PredictResult(
        n=tally.n,
        classes={name: tally.classes[name] for name in card.class_names},
        class_names=card.class_names,
        task=card.task,
        model=card.model,
        seed=card.seed,
        unreadable=tally.unreadable,
        seconds=round(seconds, 3),
        pictures_per_second=round(tally.n / max(seconds, 1e-9), 1),
        out=out,
        unreadable_file=listed,
        notes=(*tagger.notes, *listing.notes, *tally.said(), *told),
        predictions=rows if out is None else None,
        review=asked,
    )


def _columns(
    batch: Tagged, sayings: PredictionColumns, resolver: SourceResolver, review: ReviewCollector | None
) -> dict[str, list[Any]]:
    """What is said of a batch; what goes to a person is kept for the queue."""
    ids = [printable(one.id) for one in batch.entries]
    places = [printable(resolver.display_text(str(one.path))) for one in batch.entries]
    columns = {"id": ids, "path": places, **sayings.columns(batch.probs)}
    if review is not None:
        pictures = list(zip(ids, places, strict=True))
        columns[NEEDS_REVIEW] = review.marked(pictures, batch.probs, batch.hashes)
    if batch.seen is not None:
        columns[SEEN] = batch.seen.tolist()
    return columns


@contextmanager
def tagger_for(run: str, options: RunOptions) -> Generator[Tagger, None, None]:
    """What reads pictures for a run: ONNX Runtime on the CPU; torch on a graphics card; a forest as it is."""
    # An exported file that lies in its run's folder knows what that run has seen.
    exported = run.lower().endswith(".onnx")
    seen = load_seen(Path(run).parent if exported else Path(run))
    if exported:
        yield replace(load_tagger(run), seen=seen)
        return
    on_disk = not run.startswith("hf-hub:")
    fresh = _fresh_export(Path(run)) if on_disk and surely_cpu(options.device) else None
    if fresh is not None:
        yield replace(fresh, seen=seen)
        return
    # Only here is torch needed: the exported file of a run is read without it.
    from lightfast.evaluate.predict import pred_probs
    from lightfast.export.graph import model_card
    from lightfast.models.device import resolve_device
    from lightfast.models.forest import Forest
    from lightfast.models.load import load_checkpoint

    device = resolve_device(options.device)
    classifier = load_checkpoint(run, device)
    if isinstance(classifier.network, Forest) or device.type != "cpu":
        card = model_card(classifier, checkpoint_digest(Path(run)) if on_disk else "")
        yield Tagger(card, lambda images: pred_probs(classifier, images), 1, run, seen=seen)
        return
    with tempfile.TemporaryDirectory() as temporary:
        tagger = _exported(classifier, Path(run) if on_disk else None, Path(temporary))
        yield replace(tagger, seen=seen)


def _exported(classifier: Checkpoint, run: Path | None, temporary: Path) -> Tagger:
    """The classifier as RUN/model.onnx; where that cannot be kept, as a file for now."""
    from lightfast.export.graph import export_graph

    if run is None:
        return load_tagger(export_graph(classifier, temporary / MODEL_FILE))
    try:
        return load_tagger(export_graph(classifier, run / MODEL_FILE, checkpoint_digest(run)))
    except StorageError as error:
        note = (
            f"the network was exported for this time only ({error.without_cure}); reading with the file of "
            f"lightfast export {run}, with `out`, spares that"
        )
        return replace(load_tagger(export_graph(classifier, temporary / MODEL_FILE)), notes=(note,))


def checkpoint_digest(run: Path) -> str:
    """Hex SHA-256 over the files of a run's checkpoint, "" where there are none."""
    folder = run / "checkpoint" if (run / "checkpoint").is_dir() else run
    files = [folder / name for name in ("checkpoint.json", "weights.safetensors")]
    if not all(path.is_file() for path in files):
        return ""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _fresh_export(run: Path) -> Tagger | None:
    """RUN/model.onnx, when it was made from the checkpoint that stands there now."""
    path, digest = run / MODEL_FILE, checkpoint_digest(run)
    tagger = load_tagger(path) if digest and path.is_file() else None
    return tagger if tagger is not None and tagger.card.source_digest == digest else None


def _sorted(paths: Sequence[str], options: RunOptions) -> tuple[list[str], list[str], SourceResolver]:
    """(sources of files, arrays and names of data sets, where they are)."""
    resolver = SourceResolver(options.report, options.tables, options.fetch)
    with resolver.display_errors():
        arrays = [
            text
            for text in paths
            if Path(text).suffix.lower() == ".npz"
            or holds_strokes(path := resolver.resolve(text))
            or not os.path.lexists(path)
        ]
    return [text for text in paths if text not in arrays], arrays, resolver


def _listed(
    card: ModelCard, paths: Sequence[str], options: RunOptions, said: RowOptions
) -> tuple[Listing, Iterable[Ingest]]:
    """(the picture files, what arrays and names of data sets hold: one read after the other, so that never
    two are held).
    """
    files, named, resolver = _sorted(paths, options)
    listing = picture_entries(files, options.report, resolver) if files else Listing((), resolver=resolver)
    if said.every_stroke and paths:
        require_strokes(named, listing.resolver)
    return listing, (load_array(one, card, options, every_stroke=said.every_stroke) for one in named)


def _read(
    tagger: Tagger,
    listing: Listing,
    arrays: Iterable[Ingest],
    options: RunOptions,
    wanted: tuple[_Tally, bool],
) -> Iterator[Tagged]:
    """Files, then arrays; `wanted` is what counts them, and whether their content hashes are asked for."""
    done, total, (tally, hashed) = 0, len(listing.entries), wanted
    for batch in options.tag_files(tagger, listing.entries, options.damaged, hashed=hashed):
        tally.unreadable += map(listing.resolver.display_unreadable, batch.unreadable)
        tally.remarks.update(batch.remarks)
        done += len(batch.entries) + len(batch.unreadable)
        if batch.entries:
            yield batch
        options.report("tagging", done, total, f"{done:,} of {total:,}")
    for given in arrays:
        tally.unreadable += given.unreadable
        for start in range(0, len(given.images), tagger.batch * tagger.threads):
            rows = slice(start, start + tagger.batch * tagger.threads)
            entries = tuple(Entry(Path(name), name, 0) for name in given.images.ids[rows])
            pictures = np.ascontiguousarray(given.images.images[rows])
            hashes = tagger.hashes_of(pictures, wanted=hashed)
            yield Tagged(entries, tagger.probs(pictures), seen=tagger.seen_among(hashes), hashes=hashes)


def _nothing(unreadable: Sequence[Unreadable]) -> DataError:
    first = f", the first is {unreadable[0].path}: {unreadable[0].reason}" if unreadable else ""
    return DataError(
        f"none of the {len(unreadable)} files could be read{first}",
        cure="Check that they are whole picture files that you may read.",
    )


def _list_unreadable(out: Path, unreadable: Sequence[Unreadable]) -> str | None:
    """Write OUT.unreadable.csv; an old one goes when there is nothing to list."""
    path = out.with_name(out.name + UNREADABLE_ENDING)
    if not unreadable:
        with storage_errors(path):
            path.unlink(missing_ok=True)
        return None
    text = StringIO()
    csv.writer(text).writerows([("path", "reason"), *((one.path, one.reason) for one in unreadable)])
    return str(write_text(path, text.getvalue()))
