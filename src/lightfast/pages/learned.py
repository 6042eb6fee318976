"""Blocks of a run's page about how it learned from photographs: what was tried and why,
and which pictures are nearly the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from lightfast.base.plain import OPTIONAL
from lightfast.evaluate.hierarchy import HierarchyScore
from lightfast.report.page import Folded, Section, SectionPart, Table, Text
from lightfast.report.tables import duration, percent, share_cell
from lightfast.train.label_quality import LabelIssueRow

_SHOWN = 200
"""Groups of near duplicates at most on a page; all of them stand in ingest.json."""
_OPEN = 10
"""Label issues that are read without unfolding a list."""
_REMEDIES = {
    "none": "leaving them out, or counting every picture as its label is trusted, read validation pictures "
    "no better: all of them were learned from",
    "drop": "they were left out of the fit",
    "weigh": "every picture counted in the fit as its label is trusted",
}


@dataclass(frozen=True, eq=False)
class Learned:
    """How a network on a pretrained backbone learned.

    Attributes:
        transfer: facts of the fit (`train.transfer`). learned: the same in words.
        auto: what `model` auto tried and why it chose (`experiments.auto`); None for a named model.
    """

    transfer: Mapping[str, Any]
    learned: str
    auto: Mapping[str, Any] | None = field(default=None, metadata=OPTIONAL)

    @property
    def why(self) -> str:
        """Why this way, or which."""
        return self.auto["why"] if self.auto else self.learned


@dataclass(frozen=True, eq=False)
class FoundLabelIssues:
    """The training pictures whose labels a robust fit holds for wrong.

    Attributes:
        rows: one a picture, the lowest label quality first.
        remedy: what was done about them: "none", "drop" or "weigh".
        mode: of the fit; behind "head" nothing else was learned.
        file: where all of them stand.
    """

    JSON_PROPERTIES: ClassVar = ("n",)

    rows: tuple[LabelIssueRow, ...]
    remedy: str
    mode: str
    file: Path

    @property
    def n(self) -> int:
        """How many."""
        return len(self.rows)

    def sentence(self) -> str:
        """How many, and what was done about them."""
        if not self.rows:
            return "no training label looks wrong"
        said = (
            f"{self.n:,} training label{'s look' if self.n > 1 else ' looks'} wrong; {_REMEDIES[self.remedy]}"
        )
        return said if self.mode == "head" else f"{said} (the head alone: the fine-tune behind it took all)"


def label_issue_sections(found: FoundLabelIssues | None) -> list[Section]:
    """The pictures whose labels look wrong, the worst open, more folded; nothing where nobody looked."""
    if found is None:
        return []
    rows = tuple(
        (one.id, one.given_label, one.suggested_label, f"{one.label_quality:.3f}") for one in found.rows
    )
    note = (
        "Label quality is how probable the given label is beside the best other class, said by linear heads "
        "that were not fitted on the picture itself (with mirrored copies perhaps on its mirror image). "
        f"All of them: {found.file.name}."
    )
    columns, parts = ("picture", "given label", "suggestion", "label quality"), []
    if rows:
        parts.append(Table(columns, rows[:_OPEN], "The lowest label quality first", (note,)))
    if len(rows) > _OPEN:
        more = rows[_OPEN:_SHOWN]
        parts.append(Folded(f"{len(more):,} more", (Table(columns, more, ""),)))
    return [Section("Labels that look wrong", tuple(parts), _sentence(found.sentence()))]


def learned_sections(found: Learned | None) -> list[Section]:
    """One section for a network on a pretrained backbone; nothing for others."""
    if found is None:
        return []
    auto = found.auto
    if auto is None:
        return [Section("How it learned", (), _sentence(found.learned))]
    rows = tuple(
        (row["name"], percent(row["accuracy"]), f"{row['loss']:.3f}", duration(row["seconds"]), row["note"])
        if row["loss"] is not None
        else (row["name"], "", "", "", row["note"])
        for row in auto["tried"]
    )
    where = f"On {auto['n_val']:,} validation pictures"
    if "folds" in auto:
        where = f"On {auto['n']:,} labelled pictures in {auto['folds']} parts, each read by heads of the rest"
    note = (
        f"{where}; the loss is the mean cross-entropy at the temperature "
        f"that suits the way best. Budget {duration(auto['budget_seconds'])}, used "
        f"{duration(auto['seconds'])}."
    )
    table = Table(("way", "accuracy", "loss", "time", ""), rows, "What was tried", (note,))
    parts = (table, Text(_sentence(found.learned)))
    return [Section("How it learned", parts, f"Chosen: {_sentence(found.why)}")]


def hierarchy_sections(score: HierarchyScore | None) -> list[Section]:
    """How far from the truth the mistakes are, in the tree of the labels; nothing without a taxonomy."""
    if score is None:
        return []
    rows = tuple(
        (str(row.level), str(row.labels), share_cell(row.accuracy, row.interval)) for row in score.levels
    )
    table = Table(
        ("level", "labels", "accuracy"),
        rows,
        "Accuracy by level of the taxonomy, the top being 1",
        ("95 % Wilson intervals.",),
    )
    if score.mistake_distance is None:
        return [Section("In the taxonomy", (table,), "No picture was read wrongly.")]
    low, high = score.mistake_distance_interval or (0.0, 0.0)
    lead = (
        f"A mistake is {score.mistake_distance:.2f} steps from the truth on average [{low:.2f} to "
        f"{high:.2f}], of {score.farthest} at most; {score.mistakes:,} of {score.n:,} pictures were read "
        "wrongly."
    )
    return [Section("In the taxonomy", (table,), lead)]


def near_parts(groups: Sequence[Sequence[str]]) -> tuple[SectionPart, ...]:
    """The groups of near duplicates, folded; nothing where none were found."""
    if not groups:
        return ()
    rows = tuple((str(number), ", ".join(group)) for number, group in enumerate(groups[:_SHOWN], start=1))
    more = (f"{len(groups) - _SHOWN:,} more in ingest.json.",) if len(groups) > _SHOWN else ()
    table = Table(("group", "pictures"), rows, "Each group stands on one side of the split", more)
    return (Folded(f"{len(groups):,} group{'s' * (len(groups) > 1)} of near duplicates", (table,)),)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
