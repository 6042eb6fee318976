"""`corrupt_run`: a source of pictures in, damaged versions of it on disk out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightfast.base.errors import SettingsError
from lightfast.corrupt.registry import CORRUPTIONS, SeverityTable
from lightfast.corrupt.suite import SUITES, corrupt
from lightfast.data.dataset import Part
from lightfast.data.export import save_folder, save_npz
from lightfast.data.images import ImageSet, sample
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare

CorruptJob = tuple[str, int, SeverityTable]
"""(corruption, severity, table of severities)."""


def jobs_of(name: str | None, severity: int | None, suite: str | None) -> list[CorruptJob]:
    """One corruption at one severity (3 when None), or all entries of a suite at its own severities or at
    this one.

    Raises SettingsError unless exactly one of `name` and `suite` is given, UnknownName for either.
    """
    if (name is None) == (suite is None):
        raise SettingsError(
            "corrupt",
            expected="either --name or --suite",
            got="both" if name else "neither",
            cure="All names: lightfast corrupt --list",
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
    jobs: list[CorruptJob],
    options: RunOptions,
    *,
    many: bool = False,
    part: Part = "all",
    limit: int | None = None,
) -> dict[str, Any]:
    """Write `source` damaged in every way of `jobs`; labels and file names stay.

    Args:
        source: folder, manifest, `.npz` or catalogue name.
        options: `out` is a new or empty folder, or a file NAME.npz; with `many` a folder that gets a folder
            NAME-SEVERITY a job.
        part: an official part, or all.
        limit: at most so many pictures, drawn by the seed, in their order.

    Returns: source, seed, n, written (corruption, severity, n, version, path), unreadable, notes.
    """
    out = options.folder("corrupt")
    if many and out.suffix == ".npz":
        raise SettingsError(
            f"--out {out}",
            expected="a folder for the versions of a suite",
            got="one .npz",
            cure="Give a folder.",
        )
    prepared = prepare(source, options, near="none")
    images = sample(prepared.data.part(part), limit, options.seed)
    written: list[dict[str, Any]] = []
    for done, (name, severity, table) in enumerate(jobs, start=1):
        path = _save(
            out / f"{name}-{severity}" if many else out,
            version := corrupt(images, name, severity, options.seed, table),
        )
        written.append(
            {
                "corruption": name,
                "severity": severity,
                "n": len(version),
                "version": version.version,
                "path": str(path),
            }
        )
        options.report("damaging", done, len(jobs), name)
    return {
        "source": source,
        "seed": options.seed,
        "n": len(images),
        "written": written,
        "unreadable": [asdict(one) for one in prepared.unreadable],
        "notes": list(prepared.notes),
    }


def _save(target: Path, images: ImageSet) -> Path:
    return save_npz(target, images) if target.suffix == ".npz" else save_folder(target, images)
