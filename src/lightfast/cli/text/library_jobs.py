"""Jobs of a library, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from lightfast.library.jobs import Job
from lightfast.report.tables import duration


def job_lines(found: Job) -> list[str]:
    """One job in a few lines."""
    lines = [f"job        {found.id} ({found.kind})", f"state      {found.state}{_asked(found)}"]
    if found.said:
        lines.append(f"last       {found.said}{_steps(found)}")
    if found.seconds_left is not None:
        lines.append(f"left       {duration(found.seconds_left)}")
    if found.attempts > 1:
        lines.append(f"begun      {found.attempts} times")
    if found.error:
        lines.append(f"error      {found.error}")
    return lines


def jobs_lines(rows: Sequence[Job]) -> list[str]:
    """A line a job."""
    if not rows:
        return ["no jobs"]
    return [
        f"{one.id}  {one.state:<9}  {one.kind:<8}  {one.made_at:%Y-%m-%d %H:%M}{_now(one)}" for one in rows
    ]


def _asked(found: Job) -> str:
    return ", asked to stop" if found.cancel and found.state == "running" else ""


def _steps(found: Job) -> str:
    return f" {found.done:,} of {found.total:,}" if found.total else ""


def _now(found: Job) -> str:
    if found.state == "running":
        left = f", {duration(found.seconds_left)} left" if found.seconds_left is not None else ""
        return f"  {found.said}{_steps(found)}{left}{_asked(found)}"
    return f"  {found.error}" if found.error else ""
