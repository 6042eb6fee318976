"""Where a result comes from: data, seed, versions, times. No host names, no user's paths."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any

from lightfast.base.parallel import usable_cores

PACKAGES = (
    "lightfast",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "scikit-learn",
    "opencv-python-headless",
)


def provenance(
    data_version: str,
    seed: int | None,
    timings: Mapping[str, float] | None = None,
    command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The record that a report and a result file carry.

    Args:
        data_version: `ImageSet.version` of the data (or several, in one text).
        seed: seed of the run, or None.
        timings: name of a step → seconds.
        command: the words of the command line; of paths only the last name is kept.

    Returns plain JSON values: data_version, seed, command, date (UTC), seconds, python, platform,
    cpu, packages.
    """
    return {
        "data_version": data_version,
        "seed": seed,
        "command": shown_command(command) if command else None,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": {name: round(seconds, 2) for name, seconds in (timings or {}).items()},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": f"{cpu_name()}, {usable_cores()} cores",
        "packages": package_versions(),
    }


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Installed versions of the packages that decide the numbers; those not installed are left out."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def shown_command(words: Sequence[str]) -> str:
    """The command line without folders: "/home/me/run" → "run", "--out=/tmp/x" → "--out=x"."""
    return " ".join(_without_folders(str(word)) for word in words)


def cpu_name() -> str:
    """The processor's name as the system tells it."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model") and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def _without_folders(word: str) -> str:
    option, sign, value = word.partition("=")
    if sign and option.startswith("-"):
        return f"{option}={_without_folders(value)}"
    rooted = word.startswith(("/", "~", "..")) or (len(word) > 2 and word[1] == ":" and word[2] in "\\/")
    return PurePath(word.replace("\\", "/")).name or "/" if rooted else word
