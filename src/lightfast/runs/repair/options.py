"""What `repair` may be told beside its kit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lightfast.base.errors import SettingsError


@dataclass(frozen=True)
class RepairOptions:
    """What is repaired, by whose kit, and what people have answered.

    Attributes:
        damage: damage the pictures first, by the mixture of this suite at its own severities (to measure on
            clean labelled pictures).
        limit: at most this many pictures, drawn by seed.
        kit_folder, learn_on: of a published classifier, which has no folder and no pictures of its own: where
            its detector and restorer are kept (None = `out`), and the labelled pictures that they learn on
            (None = the train and val parts of the source).
        answers: a queue (.csv or .parquet) in whose column `decided_label` people have written.
        reviewer: who answered, where the file does not say it.
    """

    damage: str | None = None
    limit: int | None = None
    kit_folder: Path | None = None
    learn_on: str | None = None
    answers: Path | None = None
    reviewer: str | None = None

    def __post_init__(self) -> None:
        if self.reviewer is not None and self.answers is None:
            raise SettingsError("`reviewer` says who gave the answers", cure="Give them too: `answers`.")

    def check_run(self, run: str) -> None:
        """Refuse what only a published classifier needs for a run (SettingsError)."""
        for name in ("kit_folder", "learn_on"):
            if getattr(self, name) is not None:
                raise SettingsError(
                    f"`{name}` is for hf-hub:ID: the kit of {run} learns on the run's own pictures and is "
                    "kept in it",
                    cure="Leave it out.",
                )
