"""The run folder: what stands in it, who may write it, and which pictures a run has already seen.

RUN/checkpoint/ recipe.json history.jsonl predictions.parquet metrics.json report.html
    ingest.json        of files: how many pictures were read, every file that could not be with its reason,
    notes, the sizes met run.json           source, seed, data version and settings: what another verb needs
    to go on from here seen.npy           fingerprints of the pictures that the run was fitted or chosen on:
    no evaluation counts one of them evaluations.jsonl  every time that labelled pictures were scored with
    this run out_of_fold.parquet  what models that never saw them say of the training pictures (folds/ keeps
    each of these models' predictions) repair/            detector/, restorer/, rules.json
    label_issues.csv   training labels that a robust fit holds for wrong val_predictions.parquet  of the
    pictures that the run was chosen and calibrated on
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError, DataError, InputError, StorageError
from lightfast.base.files import load_json, make_folder, write_bytes, write_json, write_text
from lightfast.data.images import ImageSet, fingerprints

RUN_FILE, SEEN_FILE, TOUCH_FILE, INGEST_FILE = "run.json", "seen.npy", "evaluations.jsonl", "ingest.json"
METRICS_FILE, REPORT_FILE, PREDICTIONS_FILE = "metrics.json", "report.html", "predictions.parquet"
VAL_PREDICTIONS_FILE = "val_predictions.parquet"
PILE_FILE = "pile.csv"
"""What a library trained on, in the run that it made."""
FOLDS_FOLDER, OUT_OF_FOLD_FILE = "folds", "out_of_fold.parquet"
RECIPE_FILE, HISTORY_FILE, REPAIR_FOLDER = "recipe.json", "history.jsonl", "repair"
ROBUSTNESS_FOLDER, CURVE_FOLDER = "robustness", "curve"
"""What was measured of a run later: accuracy under damage, what more pictures would bring."""
_COMPUTED = {".training", "checkpoint", METRICS_FILE, HISTORY_FILE, FOLDS_FOLDER, REPAIR_FOLDER, "points"}
"""What an earlier run, or a part of one, has left where any of it stands."""
SETTINGS = ("data_version", "ruled_out_version", "model", "config", "recipe", "seed", "image_size")
"""What decides the result of a run: a run is resumed only with the same."""


def begin(folder: Path, settings: Mapping[str, Any], *, resume: bool, replace: str = "") -> bool:
    """Claim `folder` for a run with these settings; True when the same run already stands there finished
    (only with `resume`).

    Args:
        folder: made when it is not there.
        settings: JSON-ready content of run.json, with the keys of SETTINGS.
        resume: go on with the run that is there; its settings must be the same.
        replace: a run whose `made_by` is this may be written over.

    Raises:
        CheckpointError: the folder holds another run, or one that `resume` was not asked for. StorageError:
            it cannot be written.
    """
    require_free(folder, resume=resume, replace=replace)
    make_folder(folder)
    wanted = json.loads(json.dumps(dict(settings)))
    if (folder / RUN_FILE).is_file() and resume:
        there = load_json(folder / RUN_FILE)
        _require_same(folder, there, wanted)
        if there.get("finished") and (folder / METRICS_FILE).is_file():
            return True
    write_json(folder / RUN_FILE, {**wanted, "finished": False})
    return False


def require_free(folder: Path, *, resume: bool = False, replace: str = "") -> Path:
    """`folder`, refused as `begin` would refuse it whatever is read: verbs ask before they read pictures.

    Raises CheckpointError.
    """
    if (folder / RUN_FILE).is_file():
        there = load_json(folder / RUN_FILE)
        if not resume and not (replace and there.get("made_by") == replace):
            # Verbs that may write over their own kind go on by themselves; `--resume` is not among their
            # options.
            cure = (
                "Give another folder: `out`."
                if replace
                else "Go on with it by `resume=True`, or give another folder: `out`."
            )
            raise CheckpointError(
                f"{folder} already holds {'another kind of' if replace else 'a'} run", cure=cure
            )
    elif (folder / "checkpoint").exists():
        raise CheckpointError(f"{folder} already holds a checkpoint", cure="Give another folder: `out`.")
    return folder


@contextmanager
def claimed(folder: Path) -> Generator[None, None, None]:
    """What follows `begin`: when the input is refused inside before anything was computed, the claim goes
    too.

    The corrected command then finds the folder free, and no empty folder is left. Interrupted runs keep
    theirs, for `resume`; files that are none of a run's stay where they were.
    """
    mine = {RUN_FILE, INGEST_FILE}
    before = {path.name for path in folder.iterdir()} - mine
    try:
        yield
    except InputError:
        after = {path.name for path in folder.iterdir()} - mine
        if after <= before and not before & _COMPUTED:
            for name in mine:
                (folder / name).unlink(missing_ok=True)
            if not after:
                # A mount point or a link stays; it is empty.
                with suppress(OSError):
                    folder.rmdir()
        raise


def _require_same(folder: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key in SETTINGS:
        old, new, name = there.get(key), wanted.get(key), key.replace("_", " ")
        if key == "recipe" and isinstance(old, Mapping) and isinstance(new, Mapping):
            # Compiled or not it is the same training, and older runs do not say.
            old, new = ({**one, "compile": None} for one in (old, new))
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            first = next(entry for entry in (*old, *new) if old.get(entry) != new.get(entry))
            old, new, name = old.get(first), new.get(first), f"{name}: {first}"
        raise CheckpointError(
            f"{folder} holds a run with another {name}",
            expected=f"{old}",
            got=f"{new}",
            cure="Give the same settings, or another folder: `out`.",
        )


def finish(folder: Path) -> None:
    """Mark the run in `folder` as finished."""
    write_json(folder / RUN_FILE, {**load_json(folder / RUN_FILE), "finished": True})


def load_run(folder: Path) -> dict[str, Any]:
    """The content of run.json; raises CheckpointError when `folder` is no run folder."""
    if not (folder / RUN_FILE).is_file():
        raise CheckpointError(
            f"{folder} is no run folder: it has no {RUN_FILE}",
            cure="Make one: lightfast train DATA, with `out`.",
        )
    return load_json(folder / RUN_FILE)


def write_history(folder: Path, history: Sequence[Mapping[str, Any]]) -> Path:
    """history.jsonl: one line an epoch."""
    return write_text(folder / HISTORY_FILE, "".join(json.dumps(dict(row)) + "\n" for row in history))


def write_seen(folder: Path, *sets: ImageSet) -> Path:
    """Record the fingerprints of the pictures that a run was fitted or chosen on."""
    buffer = BytesIO()
    prints = [fingerprints(images.content_hashes) for images in sets]
    np.save(buffer, np.unique(np.concatenate(prints)), allow_pickle=False)
    return write_bytes(folder / SEEN_FILE, buffer.getvalue())


def seen_rows(folder: Path, images: ImageSet) -> NDArray[np.bool_]:
    """bool (N,): which pictures the run in `folder` was fitted or chosen on;
    none where it keeps no record.
    """
    known = load_seen(folder)
    if known is None:
        return np.zeros(len(images), dtype=np.bool_)
    return np.isin(fingerprints(images.content_hashes), known)


def load_seen(folder: Path) -> NDArray[np.uint64] | None:
    """Fingerprints of the pictures that the run in `folder` was fitted or chosen on; None where it keeps no
    record.
    """
    path = folder / SEEN_FILE
    return np.load(path, allow_pickle=False) if path.is_file() else None


def without_seen(folder: Path, images: ImageSet) -> tuple[ImageSet, tuple[str, ...]]:
    """(`images` without those that the run in `folder` was fitted or chosen on, notes);
    DataError when none is left.
    """
    seen = seen_rows(folder, images)
    if not seen.any():
        return images, ()
    if seen.all():
        raise DataError(
            f"{images.name}: this run has seen every one of the {len(images):,} pictures in training",
            cure="A figure from them would say nothing: give other pictures.",
        )
    note = (
        f"{int(seen.sum()):,} of {len(images):,} pictures were left out: the run was trained or chosen on "
        "them"
    )
    return images.take(np.flatnonzero(~seen)), (note,)


@dataclass(frozen=True)
class Scoring:
    """A scoring of a run as it was recorded.

    Attributes:
        before: how often these very pictures were scored with it before; None: it has no folder to record
            in.
        notes: where it was recorded, when not in the run, or that it was not.
    """

    before: int | None = None
    notes: tuple[str, ...] = ()


def record_evaluation(folder: Path, data_version: str, command: str) -> int:
    """Record that labelled pictures are scored with this run;
    returns how often these very pictures were scored before.
    """
    path = folder / TOUCH_FILE
    before = _times(path, data_version)
    _add(path, {"data_version": data_version, "command": command})
    return before


def record_scoring(run: str, data_version: str, command: str, beside: Path | None) -> Scoring:
    """`record_evaluation` of a run that others may keep: where it cannot be written the record goes into the
    file `beside`, which stands among the results, and that is noted. So is a scoring that nothing records.
    """
    folder = Path(run)
    if not folder.is_dir():
        return Scoring()
    try:
        return Scoring(record_evaluation(folder, data_version, command))
    except StorageError as error:
        why = error.without_cure
    before, owner = _times(folder / TOUCH_FILE, data_version), str(folder.resolve())
    if beside is None:
        return Scoring(before, (f"{why}; this scoring is recorded nowhere: a writable `out` keeps it",))
    before += _times(beside, data_version, owner)
    _add(beside, {"data_version": data_version, "command": command, "run": owner})
    return Scoring(before, (f"{why}; this scoring is recorded in {beside}",))


def _times(path: Path, data_version: str, run: str | None = None) -> int:
    """How many lines tell of a scoring of these pictures: by the run in whose folder the file lies, or by
    another one that is named there.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    told = [json.loads(line) for line in lines if line.strip()]
    return sum(one["data_version"] == data_version and one.get("run") == run for one in told)


def _add(path: Path, facts: Mapping[str, str]) -> None:
    line = json.dumps({"when": datetime.now(UTC).isoformat(timespec="seconds"), **facts})
    there = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    write_text(path, "\n".join([*there, line]) + "\n")
