"""What commands share: options from parameters, progress on a terminal, results as JSON or as lines.

Only here is printed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightfast.base.errors import SettingsError
from lightfast.base.parallel import Executor, in_parallel
from lightfast.base.progress import Reporter, silent
from lightfast.cli.flags import with_flags

if TYPE_CHECKING:
    from lightfast.cluster.connect import Machines
    from lightfast.runs.options import NearChoice, RunOptions

DEBUG = "LIGHTFAST_DEBUG"


def run_options(
    out: Path | None,
    seed: int,
    device: str,
    report: Reporter = silent,
    *,
    resume: bool = False,
    image_size: str | None = None,
    damaged: Literal["refuse", "read"] = "refuse",
    root: Path | None = None,
    label_separator: str | None = None,
    near_duplicates: NearChoice = "group",
    cluster: Machines | None = None,
) -> RunOptions:
    """The options of a verb on run folders, as typed; what a `cluster` offers takes its place in them."""
    from lightfast.runs.options import RunOptions
    from lightfast.tagging.stream import tag_files

    return RunOptions(
        # A machine elsewhere does not stand in this folder.
        out=out.absolute() if out is not None and cluster is not None else out,
        seed=seed,
        device=device,
        resume=resume,
        image_size=_size(image_size),
        damaged=damaged,
        root=root,
        label_separator=label_separator,
        near_duplicates=near_duplicates,
        report=report,
        command=shlex.join(["lightfast", *sys.argv[1:]]),
        executor=executor_of(cluster),
        tag_files=tag_files if cluster is None else cluster.tagging(),
    )


def executor_of(cluster: Machines | None) -> Executor:
    """Who runs independent trainings: the cluster's machines, or processes here."""
    return in_parallel if cluster is None else cluster.executor


@contextlib.contextmanager
def on_cluster(address: str | None) -> Iterator[Machines | None]:
    """The cluster of --cluster, left at the end; None where none was asked for."""
    if address is None:
        yield None
        return
    from lightfast.cluster.connect import connect_cluster

    with connect_cluster(address) as cluster:
        yield cluster


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdigit() and int(side) > 0 for side in sides):
        expected = "HEIGHTxWIDTH in pixels, or one number for a square"
        raise SettingsError("--image-size", expected=expected, got=text, cure="E.g. --image-size 32x32.")
    return int(sides[0]), int(sides[-1])


def parse_numbers(option: str, text: str | None) -> list[float]:
    """The numbers of a comma-separated option."""
    try:
        return [float(part.strip().replace("_", "")) for part in (text or "").split(",") if part.strip()]
    except ValueError as error:
        raise SettingsError(
            option,
            expected="numbers with commas between them",
            got=text or "",
            cure=f"E.g. {option} 100,1000.",
        ) from error


def parse_seconds(option: str, text: str) -> float:
    """A time such as 90s, 5m, 1.5h (a bare number counts as seconds), in seconds."""
    unit = {"s": 1, "m": 60, "h": 3600}.get(text.strip()[-1:].lower())
    try:
        value = float(text.strip().rstrip("smhSMH")) * (unit or 1)
    except ValueError:
        value = -1.0
    if not 1 <= value < 1e7:
        raise SettingsError(
            option,
            expected="a time of at least a second, such as 90s, 5m or 1h",
            got=text,
            cure=f"E.g. {option} 5m.",
        )
    return value


@contextlib.contextmanager
def progress_bars() -> Iterator[Reporter]:
    """Progress bars with the time left on a terminal's stderr, silence elsewhere.

    What libraries print meanwhile goes to stderr.
    """
    with contextlib.redirect_stdout(sys.stderr):
        if not sys.stderr.isatty():
            yield silent
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskID,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        # Narrow, so that 80 columns hold the time left and the figures of the last epoch.
        columns = (
            TextColumn("{task.description:<11}"),
            BarColumn(10),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            TextColumn("{task.fields[detail]}"),
        )
        with Progress(*columns, console=Console(stderr=True)) as bars:
            tasks: dict[str, TaskID] = {}

            def report(label: str, done: int, total: int, detail: str = "") -> None:
                if label not in tasks or (bars.tasks[tasks[label]].finished and done < total):
                    tasks[label] = bars.add_task(label, total=total or None, detail=detail)
                bars.update(tasks[label], completed=done, total=total or None)
                if detail:
                    bars.update(tasks[label], detail=detail)

            yield report


def print_result(found: Any, as_json: bool, lines: Iterable[str]) -> None:
    """The result as one JSON object, or `lines` for people;
    what could not be read and what was done on the way goes to stderr.
    """
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.columns import unreadable_lines

    result = plain(found)

    if as_json:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))
    else:
        print(*lines, sep="\n")
        notes = (f"note: {with_flags(note, sys.argv[1:])}\n" for note in result.get("notes", ()))
        print(*notes, sep="", end="", file=sys.stderr)
    if "warnings" not in result:
        print(
            *(f"{line}\n" for line in unreadable_lines(result.get("unreadable", ()))),
            sep="",
            end="",
            file=sys.stderr,
        )


def report_failure(message: str, code: int) -> int:
    """Say on one line of stderr what went wrong; with LIGHTFAST_DEBUG the traceback before it."""
    if os.environ.get(DEBUG):
        traceback.print_exc()
    print(f"lightfast: {' '.join(message.split())}", file=sys.stderr)
    return code
