"""One result a verb: what all of them share is filled in here, and here they are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lightfast.base.files import make_folder, write_json
from lightfast.base.plain import as_json
from lightfast.data.decode.unreadable import printable
from lightfast.data.splits import Splits
from lightfast.report.envelope import Envelope
from lightfast.report.provenance import provenance
from lightfast.runs.folder import METRICS_FILE, REPORT_FILE, finish
from lightfast.runs.options import RunOptions

if TYPE_CHECKING:
    from lightfast.data.images import ImageSet
    from lightfast.runs.contenders import PairedPictures

ResultT = TypeVar("ResultT", bound=Envelope)


class Given(Protocol):
    """What was read: its unreadable files and notes."""

    @property
    def unreadable(self) -> Sequence[Any]:
        """(path, reason) of every file that could not be read."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What was done on the way in."""
        ...


def envelope(
    given: Given,
    images: ImageSet | PairedPictures,
    options: RunOptions,
    started: float,
    notes: Sequence[str] = (),
    steps: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """The fields of `Envelope` for a result about `images`.

    Args:
        given: what was read: its unreadable files and notes.
        started: `time.perf_counter()` at the beginning of the verb.
        notes: what else is to be said.
        steps: seconds of each step, in place of the time since `started`.
    """
    total = {"total": round(time.perf_counter() - started, 3)}
    seconds = {name: round(value, 3) for name, value in steps.items()} if steps else total["total"]
    return {
        "data": images.name.split("/")[0],
        "data_version": images.version,
        "seed": options.seed,
        "unreadable": given.unreadable,
        "notes": (*given.notes, *notes),
        "seconds": seconds,
        "provenance": provenance(images.version, options.seed, steps or total, options.words),
    }


def sizes_of(splits: Splits) -> dict[str, int]:
    """Pictures a part."""
    return {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}


def run_settings(made_by: str, source: str, splits: Splits, options: RunOptions) -> dict[str, Any]:
    """The content of run.json without what was fitted: who wrote it, and what is needed to read the pictures
    of `source` once more and split them alike.
    """
    path, train = Path(source).expanduser(), splits.train
    beside = {} if splits.ruled_out is None else {"ruled_out_version": splits.ruled_out.version}
    return {
        "made_by": made_by,
        "source": printable(path.resolve()) if path.exists() else source,
        "data": train.name.split("/")[0],
        "data_version": train.version,
        **beside,
        "parts": sizes_of(splits),
        "seed": options.seed,
        "split_seed": options.seed,
        "image_size": list(options.image_size) if options.image_size else None,
        "damaged": options.damaged,
        "root": str(options.root.expanduser().resolve()) if options.root else None,
        "label_separator": options.label_separator,
        "image_shape": list(train.image_shape),
        "near_duplicates": options.near_duplicates,
        "data_folder": str(options.data_folder) if options.data_folder else None,
        "class_names": list(train.class_names),
        "command": options.command,
    }


def written(folder: Path | None, result: ResultT, page: Callable[[Path, ResultT], Path]) -> ResultT:
    """Write report.html and metrics.json of `result` into `folder`, which is made; None: nothing."""
    if folder is not None:
        make_folder(folder)
        page(folder / REPORT_FILE, result)
        write_json(folder / METRICS_FILE, as_json(result))
    return result


def finished(folder: Path, result: ResultT, page: Callable[[Path, ResultT], Path]) -> ResultT:
    """`written`, and the run in `folder` is marked as finished."""
    written(folder, result, page)
    finish(folder)
    return result
