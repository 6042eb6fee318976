"""What a result file says of itself: `about` writes it, `facts_of` reads it, of older files, too."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightfast.report.provenance import provenance

ROOT = Path(__file__).resolve().parents[1]
FACTS = ("command", "seed", "n", "spread", "cpu", "bf16", "python", "packages", "commit", "load", "date")
"""What each result has to say: how it was made; how many it counted; which interval or spread stands beside
its figures; the processor and whether it computes bfloat16; versions; the commit of this project ("+" where
the tree had changed); the load average when it was written; the day.
"""
PLACES = ("made", "provenance", "machine")
_ELSEWHERE = {
    "seed": ("seeds",),
    "n": ("pictures", "points", "sims", "draws"),
    "spread": ("intervals",),
    "cpu": ("processor",),
    "load": ("load_average", "load_before"),
}
_BESIDE = {"n": ("n", "pictures", "files"), "spread": ("interval", "intervals", "lowest")}


def about(
    data_version: str = "",
    seed: int | None = None,
    timings: Mapping[str, float] | None = None,
    command: Sequence[str] | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """The record of a result: `provenance`, and what decides how far a figure holds.

    Args:
        facts: `n` and `spread` where the result itself has no such field; `clock` ("processor time, one
            thread"), `threads`, `peer` and whatever else tells how it was measured.
    """
    words = command or ["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]
    told = provenance(data_version, seed, timings, words)
    flags = _cpu_flags()
    bf16 = None if flags is None else bool({"avx512_bf16", "amx_bf16", "bf16"} & flags)
    return {**told, "bf16": bf16, "commit": commit(), "load": round(os.getloadavg()[0], 2), **facts}


def commit() -> str:
    """The commit of this checkout, with "+" where files differ from it; "unknown" outside of git."""
    try:
        head, changed = (
            subprocess.run(
                ["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
            ).stdout
            for words in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--", "src"])
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head.strip() + ("+" if changed.strip() else "")


def facts_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `FACTS` that a result states, in its head or in that of a part; `n` and `spread` also beside
    its figures. What it does not say is left out, and a seed of None (nothing was drawn) is not.
    """
    heads = _heads(result)
    found: dict[str, Any] = {}
    for name in FACTS:
        told = _values(heads, (name, *_ELSEWHERE.get(name, ())))
        if name != "seed":
            told = [value for value in told if value is not None]
        if told:
            found[name] = told[0]
    if isinstance(result.get("machine"), str):
        found.setdefault("cpu", result["machine"])
    for name, keys in _BESIDE.items():
        if name not in found and _holds(result, keys):
            found[name] = "beside each figure"
    return found


def _values(heads: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[Any]:
    return [head[key] for key in keys for head in heads if key in head]


def lacking(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of `FACTS` that a result does not state."""
    found = facts_of(result)
    return tuple(name for name in FACTS if name not in found)


def _heads(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The result and its records of how it was made, then those of its parts."""
    parts = [result, *(part for part in result.values() if isinstance(part, Mapping))]
    records = [part.get(place) for part in parts for place in PLACES]
    return [result, *(record for record in records if isinstance(record, Mapping))]


def _holds(value: Any, keys: Sequence[str]) -> bool:
    """Whether anything in a result has one of these keys, or one that ends in `_` and one of them."""
    if isinstance(value, Mapping):
        return any(str(key).rpartition("_")[2] in keys or _holds(one, keys) for key, one in value.items())
    return isinstance(value, list) and any(_holds(one, keys) for one in value)


def _cpu_flags() -> set[str] | None:
    listing = Path("/proc/cpuinfo")
    if not listing.is_file():
        return None
    for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return set(value.split())
    return None
