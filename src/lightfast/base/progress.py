"""How long work tells the caller where it stands: a callable, passed down;
silent unless the caller gives one.
"""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Receives progress; `done == total` ends the line called `label`."""

    def __call__(self, label: str, done: int, total: int, detail: str = "") -> None:
        """`label` names the work, `done` of `total` steps are finished,
        `detail` is a short free text (loss, accuracy).
        """


def silent(label: str, done: int, total: int, detail: str = "") -> None:
    """The reporter that says nothing."""
