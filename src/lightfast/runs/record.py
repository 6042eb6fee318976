"""One result a verb: what all of them share is filled in here, and here they are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lightfast.base.files import make_folder, write_json
from lightfast.base.plain import as_json
from lightfast.data.images import ImageSet
from lightfast.data.ingest import Ingest
from lightfast.report.envelope import Envelope
from lightfast.report.provenance import provenance
from lightfast.runs.folder import METRICS_FILE, REPORT_FILE, finish
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import Prepared

if TYPE_CHECKING:
    from lightfast.runs.contenders import PairedPictures
    from lightfast.runs.fit import Job

ResultT = TypeVar("ResultT", bound=Envelope)


def envelope(
    given: Prepared | Ingest | PairedPictures | Job,
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
