"""`corrupt_run`: a source of pictures in, damaged versions of it on disk out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightfast.base.errors import SettingsError
from lightfast.corrupt.registry import CORRUPTIONS, SeverityTable
from lightfast.corrupt.suite import SUITES, corrupt
from lightfast.data.dataset import Part
from lightfast.data.export import require_new_folder, save_folder, save_npz
from lightfast.data.images import sample
from lightfast.report.envelope import Envelope
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.record import envelope

CorruptJob = tuple[str, int, SeverityTable]
"""(corruption, severity, table of severities)."""


@dataclass(frozen=True)
class CorruptedVersion:
    """One damaged version of the pictures: how, how many, its `ImageSet.version`, where it was written."""

    corruption: str
    severity: int
    n: int
    version: str
    path: Path


@dataclass(frozen=True, eq=False, kw_only=True)
class CorruptResult(Envelope):
    """What `corrupt` wrote of the `n` pictures of `source`."""

    source: str
    n: int
    written: tuple[CorruptedVersion, ...]


def jobs_of(name: str | None, severity: int | None, suite: str | None) -> list[CorruptJob]:
    """One corruption at one severity (3 when None), or all entries of a suite at its own severities or at
    this one.

    Raises SettingsError unless exactly one of `name` and `suite` is given, UnknownName for either.
    """
    if (name is None) == (suite is None):
        raise SettingsError(
            "corrupt",
            expected="either `name` or `suite`",
            got="both" if name else "neither",
            cure="All names: lightfast corrupt with `listing`.",
        )
    if name is not None:
        return [(CORRUPTIONS.get(name).name, severity or 3, "standard")]
    return [
        (entry, strength, table)
        for entry, severities, table in SUITES.get(str(suite)).entries
        for strength in ((severity,) if severity else severities)
    ]


def corrupt_run(
    source: str,
    jobs: Sequence[CorruptJob],
    options: RunOptions,
    *,
    many: bool = False,
    part: Part = "all",
    limit: int | None = None,
) -> CorruptResult:
    """Write `source` damaged in every way of `jobs`; labels and file names stay.

    Args:
        source: folder, manifest, `.npz` or catalogue name.
        options: `out` is a new or empty folder, or a file NAME.npz; with `many` a folder that gets a folder
            NAME-SEVERITY a job.
        part: an official part, or all.
        limit: at most so many pictures, drawn by the seed, in their order.
    """
    out, started = options.folder("corrupt"), time.perf_counter()
    if many and out.suffix == ".npz":
        expected = "a folder for the versions of a suite"
        raise SettingsError(f"`out` {out}", expected=expected, got="one .npz", cure="Give a folder.")
    targets = [out / f"{name}-{severity}" if many else out for name, severity, _ in jobs]
    for target in targets:
        if target.suffix != ".npz":
            require_new_folder(target)
    options.require_out(folder=out.suffix != ".npz")
    prepared = prepare(source, options, near="none")
    images = sample(prepared.data.part(part), limit, options.seed)
    written: list[CorruptedVersion] = []
    for done, ((name, severity, table), target) in enumerate(zip(jobs, targets, strict=True), start=1):
        version = corrupt(images, name, severity, options.seed, table)
        path = (save_npz if target.suffix == ".npz" else save_folder)(target, version)
        written.append(CorruptedVersion(name, severity, len(version), version.version, path))
        options.report("damaging", done, len(jobs), name)
    facts = envelope(prepared, images, options, started)
    return CorruptResult(**facts, source=source, n=len(images), written=tuple(written))
