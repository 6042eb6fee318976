"""One result a verb: what all of them share is filled in here, and here they are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.data.images import ImageSet
from lightfast.report.envelope import Envelope
from lightfast.report.provenance import provenance
from lightfast.runs.folder import METRICS_FILE, REPORT_FILE, finish
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import LoadedImages, Prepared

ResultT = TypeVar("ResultT", bound=Envelope)


def envelope(
    given: Prepared | LoadedImages,
    images: ImageSet,
    options: RunOptions,
    started: float,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The fields of `Envelope` for a result about `images`.

    Args:
        given: what was read: its unreadable files and notes.
        started: `time.perf_counter()` at the beginning of the verb.
        notes: what else is to be said.
    """
    seconds = round(time.perf_counter() - started, 3)
    return {
        "data": images.name.split("/")[0],
        "data_version": images.version,
        "seed": options.seed,
        "unreadable": given.unreadable,
        "notes": (*given.notes, *notes),
        "seconds": seconds,
        "provenance": provenance(images.version, options.seed, {"total": seconds}, options.words),
    }


def written(folder: Path, result: ResultT, page: Callable[[Path, ResultT], Path]) -> ResultT:
    """Write report.html and metrics.json of `result` into `folder`."""
    page(folder / REPORT_FILE, result)
    write_json(folder / METRICS_FILE, as_json(result))
    return result


def finished(folder: Path, result: ResultT, page: Callable[[Path, ResultT], Path]) -> ResultT:
    """Write report.html and metrics.json of `result` into `folder`, and mark the run there as finished."""
    written(folder, result, page)
    finish(folder)
    return result
