"""What every result says of its pictures and its making."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lightfast.base.plain import HIDDEN


@dataclass(frozen=True, eq=False, kw_only=True)
class Envelope:
    """The part that all results of verbs share; each verb's result is a subclass with what it found.

    Attributes:
        data: name of the data set. data_version: `ImageSet.version` of the pictures that the figures are of.
        seed: of splits, weights, draws.
        unreadable: (path, reason) of every file that could not be read.
        notes: what the reader has to know, one sentence each.
        seconds: wall time; a mapping step → seconds where a verb has several.
        touched_before: how often these very pictures were scored by this run before; None: nothing is
            counted.
        provenance: see `report.provenance.provenance`; stands on the page, not in the JSON.
    """

    data: str
    data_version: str
    seed: int | None = None
    unreadable: Sequence[Any] = ()
    notes: tuple[str, ...] = ()
    seconds: float | Mapping[str, float] = 0.0
    touched_before: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict, metadata=HIDDEN)

    @property
    def steps(self) -> Mapping[str, float]:
        """`seconds` by step; one step `total` where a verb has no others."""
        return self.seconds if isinstance(self.seconds, Mapping) else {"total": self.seconds}
