"""The same pictures for several runs: opened, checked for one class list, freed of what any of them has seen,
paired by id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.dataset import Unreadable
from lightfast.data.images import ImageSet
from lightfast.data.ingest import Ingest
from lightfast.evaluate.predictions import SEEN, Predictions
from lightfast.runs.folder import without_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled, prepare

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint

HUB = "hf-hub:"


@dataclass(frozen=True, eq=False)
class Contender:
    """One of the things compared: a classifier that is to read, or the predictions that a file holds.

    Attributes:
        run: as it was typed.
        name: short, and different from those of the other sides.
        class_names: the classes it knows.
        checkpoint, predictions: one of the two.
    """

    run: str
    name: str
    class_names: tuple[str, ...]
    checkpoint: Checkpoint | None = None
    predictions: Predictions | None = None


@dataclass(frozen=True, eq=False)
class PairedPictures:
    """The pictures that all sides are compared on.

    Attributes:
        name, version: of the data, as the first side reads it.
        ids, labels: of the pictures, in order; labels as class names.
        images: what each side reads; None for files of predictions.
        seen: how many pictures each side had seen in training.
        shown: the pictures as the first side reads them; None when only files without a source are compared.
        dropped: ids of these pictures: what one side has seen is left out for all.
        unreadable, notes: what happened on the way in.
    """

    name: str
    version: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    images: tuple[ImageSet | None, ...]
    seen: tuple[int, ...]
    shown: ImageSet | None = None
    dropped: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()


def load_contenders(runs: Sequence[str], options: RunOptions) -> list[Contender]:
    """Load what is to be compared.

    Raises:
        SettingsError: fewer than two runs, or one twice. CheckpointError: no run there. DataError: class
            lists differ, a file is none of predictions or names a picture twice.
    """
    sides = [_opened(run, name, options) for run, name in zip(runs, names_of(runs), strict=True)]
    first = sides[0]
    for side in sides[1:]:
        alone = [
            f"{name} (only {one.name})"
            for one, other in ((first, side), (side, first))
            for name in one.class_names
            if name not in other.class_names
        ]
        if alone:
            raise DataError(
                f"{first.name} and {side.name} know different classes",
                expected="one class list",
                got=", ".join(alone[:6]) + ", …" * (len(alone) > 6),
                cure="Compare runs trained on the same classes.",
            )
    return sides


def names_of(runs: Sequence[str]) -> list[str]:
    """A short name a run; where two would be the same, what was typed.

    Raises SettingsError for fewer than two, or one named twice.
    """
    if len(runs) < 2:
        raise SettingsError(
            "compare",
            expected="at least two runs",
            got=str(len(runs)),
            cure="Type: lightfast compare RUN RUN DATA.",
        )
    places = [run if run.startswith(HUB) else str(Path(run).expanduser().resolve()) for run in runs]
    twice = [run for run, place in zip(runs, places, strict=True) if places.count(place) > 1]
    if twice:
        raise SettingsError(
            f"{twice[0]} is named twice", expected="different runs", cure="Name each run once."
        )
    short = [_short(run) for run in runs]
    return [name if short.count(name) == 1 else run for name, run in zip(short, runs, strict=True)]


def pair_pictures(sides: Sequence[Contender], source: str, options: RunOptions) -> PairedPictures:
    """Read the pictures for every side and leave out for all what one of them has seen.

    Raises DataError when nothing is left, or when a side was not read on these very pictures ("not paired").
    """
    runs = any(side.checkpoint is not None for side in sides)
    pairing = (_read_by_runs if runs else _of_files)(sides, source, options)
    for side in sides:
        if side.predictions is not None:
            _require_paired(side, side.predictions, pairing)
    return pairing


def file_predictions(side: Contender, pairing: PairedPictures) -> Predictions:
    """The rows of a file of predictions in the order of the pairing, with its labels."""
    predictions = side.predictions
    if predictions is None:
        raise DataError(f"{side.name} holds no predictions", cure="Name a file of predictions.")
    rows = {name: row for row, name in enumerate(predictions.ids)}
    labels = np.array([predictions.class_names.index(name) for name in pairing.labels], dtype=np.int64)
    return replace(predictions.take([rows[name] for name in pairing.ids]), labels=labels)


def reorder_classes(predictions: Predictions, class_names: tuple[str, ...]) -> Predictions:
    """The same predictions with the classes in another order."""
    if predictions.class_names == class_names:
        return predictions
    columns = [predictions.class_names.index(name) for name in class_names]
    places = np.argsort(columns)
    labels = None if predictions.labels is None else places[predictions.labels]
    return replace(
        predictions, pred_probs=predictions.pred_probs[:, columns], class_names=class_names, labels=labels
    )


def _opened(run: str, name: str, options: RunOptions) -> Contender:
    if Path(run).suffix.lower() in (".csv", ".jsonl", ".json") and Path(run).is_file():
        raise DataError(
            f"{run} does not hold all probabilities",
            expected="a run folder, or predictions as Parquet",
            cure="Write them once more: lightfast predict RUN DATA, with `out=FILE.parquet`.",
        )
    if not _is_file(run):
        # Saved predictions are compared without torch.
        from lightfast.models.load import load_classifier

        checkpoint = load_classifier(run, options.device)
        return Contender(run, name, checkpoint.class_names, checkpoint)
    predictions = Predictions.load(run)
    if len(set(predictions.ids)) != len(predictions):
        raise DataError(
            f"{run} cannot be paired",
            expected="each picture once",
            got="an id twice",
            cure="Predict every picture once.",
        )
    return Contender(run, name, predictions.class_names, predictions=predictions)


def _is_file(run: str) -> bool:
    return Path(run).suffix.lower() == ".parquet"


def _short(run: str) -> str:
    if run.startswith(HUB):
        return run
    path = Path(run).expanduser().resolve()
    if not _is_file(run):
        return path.name
    return path.parent.name if path.stem == "predictions" else path.stem


def _read_by_runs(sides: Sequence[Contender], source: str, options: RunOptions) -> PairedPictures:
    given = _read_all(sides, source, options)
    read = next(iter(given.values()))
    absent = _not_in_file(sides, read.images, source)
    seen = {side.name: _seen(side, given[side.name].images) for side in sides if side.name in given}
    seen |= _seen_in_files(sides, read.images.ids)
    out = _seen_by_any(seen, absent, source)
    rows = np.flatnonzero(~(out | absent))
    kept = {name: own.images.take(rows) for name, own in given.items()}
    images = next(iter(kept.values()))
    return PairedPictures(
        images.name.split("/")[0],
        images.version,
        images.ids,
        _label_names(images),
        tuple(kept.get(side.name) for side in sides),
        _counts(sides, seen),
        images,
        tuple(read.images.ids[row] for row in np.flatnonzero(out)),
        read.unreadable,
        (
            *dict.fromkeys(note for own in given.values() for note in own.notes),
            *_left_out(absent, out, seen),
            *_unknown(sides),
        ),
    )


def _seen_in_files(sides: Sequence[Contender], ids: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Name of a file's side → bool (N,), which pictures its model has seen; no entry where it is not said."""
    found = {}
    for side in sides:
        if side.predictions is not None and side.predictions.seen is not None:
            known = dict(zip(side.predictions.ids, side.predictions.seen.tolist(), strict=True))
            found[side.name] = np.array([known.get(name, False) for name in ids], dtype=np.bool_)
    return found


def _seen_by_any(
    seen: Mapping[str, NDArray[np.bool_]], absent: NDArray[np.bool_], source: str
) -> NDArray[np.bool_]:
    """bool (N,): which pictures one of the sides has seen; DataError when none is left."""
    out = np.logical_or.reduce([np.zeros_like(absent), *seen.values()])
    if (out | absent).all():
        raise DataError(
            f"{source}: each of its {int((~absent).sum()):,} pictures was seen in training by one of the "
            "runs",
            cure="A figure from them would say nothing: give other pictures.",
        )
    return out


def _counts(sides: Sequence[Contender], seen: Mapping[str, NDArray[np.bool_]]) -> tuple[int, ...]:
    return tuple(int(seen[side.name].sum()) if side.name in seen else 0 for side in sides)


def _unknown(sides: Sequence[Contender]) -> Iterator[str]:
    """What to say of files that do not tell what their model has seen."""
    for side in sides:
        if side.predictions is not None and side.predictions.seen is None:
            yield (
                f"{side.run} does not say which pictures its model was trained or chosen on (no column "
                f"{SEEN}): any of them may be counted here, and its figures may be too good. A file that "
                "lightfast predict writes with the run folder says it"
            )


def _left_out(
    absent: NDArray[np.bool_], out: NDArray[np.bool_], seen: Mapping[str, NDArray[np.bool_]]
) -> Iterator[str]:
    def count(rows: NDArray[np.bool_]) -> str:
        return f"{int(rows.sum()):,} of {len(rows):,} pictures were left out"

    if absent.any():
        yield f"{count(absent)}: the file of predictions does not hold them"
    if out.any():
        each = ", ".join(f"{name} {int(rows.sum()):,}" for name, rows in seen.items() if rows.any())
        yield f"{count(out)} for all: a run was trained or chosen on them ({each})"


def _label_names(side: ImageSet | Predictions) -> tuple[str, ...]:
    return tuple(side.class_names[label] for label in side.require_labels())


def _not_in_file(sides: Sequence[Contender], images: ImageSet, source: str) -> NDArray[np.bool_]:
    """bool (N,): which pictures a file of predictions, where there is one, does not hold;
    refuses one of other pictures.
    """
    holder = next((side for side in sides if side.predictions is not None), None)
    if holder is None or holder.predictions is None:
        return np.zeros(len(images), dtype=bool)
    other = sorted(set(holder.predictions.ids) - set(images.ids))
    if other:
        raise _unpaired(holder, f"pictures of {source}", f"{len(other):,} others, such as {other[0]}")
    held = set(holder.predictions.ids)
    return np.array([name not in held for name in images.ids])


def _read_all(sides: Sequence[Contender], source: str, options: RunOptions) -> dict[str, Ingest]:
    """What each run reads, by name: the same pictures. Runs of one picture size and class order share it."""
    read: dict[tuple[object, ...], Ingest] = {}
    given: dict[str, Ingest] = {}
    for side in sides:
        if side.checkpoint is None:
            continue
        key = (side.checkpoint.image_shape, side.class_names, side.checkpoint.from_hub)
        if key not in read:
            read[key] = load_labelled(source, side.checkpoint, options)
        given[side.name] = read[key]
        leader, first = next(iter(given.items()))
        if read[key].images.ids != first.images.ids:
            raise DataError(
                f"{leader} and {side.name} read different pictures of {source}: not paired",
                expected=f"{len(first.images):,}",
                got=f"{len(read[key].images):,}",
                cure="Mend or remove the files that cannot be read: lightfast data check DATA.",
            )
    return given


def _seen(side: Contender, images: ImageSet) -> NDArray[np.bool_]:
    """bool (N,): which pictures the run was trained or chosen on."""
    try:
        kept = set(without_seen(Path(side.run), images)[0].ids)
    except DataError as error:
        raise DataError(f"{side.name}: {error}") from error
    return np.array([name not in kept for name in images.ids])


def _of_files(sides: Sequence[Contender], source: str, options: RunOptions) -> PairedPictures:
    """The pictures of the first file; labels from it, or from the source when there is one."""
    first = sides[0].predictions
    if first is None:
        raise DataError(f"{sides[0].name} holds no predictions", cure="Name a file of predictions.")
    empty = (None,) * len(sides)
    seen = _seen_in_files(sides, first.ids)
    absent = np.zeros(len(first), dtype=np.bool_)
    out = _seen_by_any(seen, absent, source or sides[0].run)
    kept = first.take(np.flatnonzero(~out))
    dropped = tuple(first.ids[row] for row in np.flatnonzero(out))
    notes = (*_left_out(absent, out, seen), *_unknown(sides))
    told: dict[str, Any] = {"images": empty, "seen": _counts(sides, seen), "dropped": dropped}
    if not source:
        return PairedPictures(first.name, "not read", kept.ids, _label_names(kept), **told, notes=notes)
    prepared = prepare(source, replace(options, image_size=None), near="none")
    images = prepared.data.part("all")
    rows = {name: row for row, name in enumerate(images.ids)}
    _not_in_file(sides, images, source)
    chosen = images.take([rows[name] for name in kept.ids])
    return PairedPictures(
        images.name.split("/")[0],
        chosen.version,
        kept.ids,
        _label_names(chosen),
        **told,
        shown=chosen,
        unreadable=prepared.unreadable,
        notes=(*prepared.notes, *notes),
    )


def _require_paired(side: Contender, predictions: Predictions, pairing: PairedPictures) -> None:
    """Refuse a file whose rows are not these pictures, or that carries other labels for them."""
    wanted = f"predictions of the {len(pairing.ids):,} pictures compared"
    missing = sorted(set(pairing.ids) - set(predictions.ids))
    if missing:
        raise _unpaired(side, wanted, f"none of {len(missing):,} of them, such as {missing[0]}")
    more = sorted(set(predictions.ids) - set(pairing.ids) - set(pairing.dropped))
    if more:
        raise _unpaired(side, wanted, f"{len(more):,} more, such as {more[0]}")
    unknown = sorted(set(pairing.labels) - set(side.class_names))
    if unknown:
        raise DataError(
            f"{side.name} does not know the classes {', '.join(unknown[:5])}",
            cure="Compare predictions of the same classes.",
        )
    if predictions.labels is not None:
        own = dict(zip(predictions.ids, _label_names(predictions), strict=True))
        other = [name for name, label in zip(pairing.ids, pairing.labels, strict=True) if own[name] != label]
        if other:
            raise DataError(
                f"{side.name} carries other labels for {len(other):,} pictures, such as {other[0]}",
                cure="Score all runs against one version of the labels.",
            )


def _unpaired(side: Contender, expected: str, got: str) -> DataError:
    return DataError(
        f"{side.name} was read on different pictures: not paired",
        expected=expected,
        got=got,
        cure="Name the run folders in place of the files, so that all read the same pictures.",
    )
