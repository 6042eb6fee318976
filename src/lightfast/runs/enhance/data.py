"""The pictures that an enhancer learns on, is chosen on and is tested on:
never tested on what it or its classifier was fitted on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from lightfast.base.errors import DataError
from lightfast.base.files import write_bytes
from lightfast.data.dataset import LoadedData, Unreadable
from lightfast.data.images import ImageSet, sample
from lightfast.data.splits import Splits
from lightfast.models.checkpoint import Checkpoint
from lightfast.runs.folder import RUN_FILE, SEEN_FILE, load_run, seen_rows, without_seen, write_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import Prepared, aligned, prepare


@dataclass(frozen=True, eq=False)
class EnhanceData:
    """DATA as an enhancer needs it.

    Attributes:
        splits: train, val and test in the classifier's picture size and class order, free of what they may
            not hold.
        version: of the whole training part: it names the split.
        split_seed: what DATA was split by.
        own: whether this is the split that the classifier was fitted by.
        unreadable, notes: what happened on the way in.
    """

    splits: Splits
    version: str
    split_seed: int
    own: bool
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()


def load_enhance_data(
    classifier: Checkpoint, source: str, runs: Sequence[str], options: RunOptions, limit: int | None = None
) -> EnhanceData:
    """Read DATA for an enhancer before `classifier`.

    Args:
        classifier: it decides the picture size and the order of the classes.
        source: folder, manifest, `.npz` or catalogue name.
        runs: what may not be tested on what it has seen: first the run of the classifier, then that of an
            enhancer learnt before. Where the first was trained on this very data, its own split is taken:
            what it chose by (val) may be chosen by again. Otherwise pictures that one of them has seen leave
            val and test.
        options: `seed` splits data that the run does not know.
        limit: at most so many pictures of each part.

    Raises:
        DataError: no labels, or all of val or test was seen in training. CheckpointError: other classes.
    """
    prepared = prepare(source, options, classifier=classifier)
    _require_labels(prepared.data)
    _, order = aligned(prepared.data.train, classifier)
    splits, seed = _split(prepared, _told(runs[0]), options.seed)
    notes = [*prepared.notes, *splits.notes, *order]
    kept = {"train": splits.train, "val": splits.val, "test": splits.test}
    for run in runs:
        for part in ("test",) if _by_this_split(_told(run), splits) else ("test", "val"):
            name = getattr(splits, part).name
            kept[part], said = _unseen(run, kept[part])
            notes += [f"{name}: {text}" for text in said]
    version, own = splits.train.version, _by_this_split(_told(runs[0]), splits)
    kept = {name: sample(aligned(part, classifier)[0], limit, options.seed) for name, part in kept.items()}
    if not len(kept["test"]):
        raise DataError(f"{splits.test.name} holds no pictures to test on", cure="Add pictures.")
    if limit is not None:
        notes.append(f"of each part at most {limit:,} pictures were taken, drawn by seed {options.seed}")
    parts = dataclasses.replace(splits, **kept)
    return EnhanceData(parts, version, seed, own, prepared.unreadable, tuple(dict.fromkeys(notes)))


def _unseen(run: str, images: ImageSet) -> tuple[ImageSet, tuple[str, ...]]:
    """`without_seen`, with the run named: several may be asked."""
    if len(images) and seen_rows(Path(run), images).all():
        raise DataError(
            f"{images.name}: {run} was trained or chosen on every one of the {len(images):,} pictures",
            cure="A figure from them would say nothing: give other pictures.",
        )
    return without_seen(Path(run), images)


def remember_seen(folder: Path, runs: Sequence[str], *sets: ImageSet) -> Path:
    """Record what `folder` was fitted or chosen on: `sets`, and what the runs that it stands on have seen."""
    path = write_seen(folder, *sets)
    files = (path, *(Path(run) / SEEN_FILE for run in runs))
    known = [np.load(one, allow_pickle=False) for one in files if one.is_file()]
    buffer = BytesIO()
    np.save(buffer, np.unique(np.concatenate(known)), allow_pickle=False)
    return write_bytes(path, buffer.getvalue())


def _told(run: str) -> dict[str, Any]:
    return load_run(Path(run)) if (Path(run) / RUN_FILE).is_file() else {}


def _by_this_split(told: dict[str, Any], splits: Splits) -> bool:
    """Whether a run was fitted on the training part of `splits`.

    An enhanced run counts only if its classifier was too.
    """
    return told.get("data_version") == splits.train.version and told.get("own_split", True)


def _split(prepared: Prepared, told: dict[str, Any], seed: int) -> tuple[Splits, int]:
    """The split that the run was fitted by where DATA is its data, else one by `seed`; and its seed."""
    own = int(told.get("split_seed", seed))
    splits = prepared.splits(own)
    return (splits, own) if own == seed or _by_this_split(told, splits) else (prepared.splits(seed), seed)


def _require_labels(loaded: LoadedData) -> None:
    for part in loaded.parts.values():
        if part.tags is not None:
            raise DataError(
                f"{part.name} has any number of labels a picture",
                expected="one label a picture",
                cure="Give a folder of class folders, a manifest with one label a row, or an .npz "
                "with labels.",
            )
        part.require_labels()
