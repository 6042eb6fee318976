"""Pictures that are there more than once: exact copies and near duplicates, within a part and across parts,
under one label or several.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lightfast.data.images import ImageSet


@dataclass(frozen=True)
class CopyGroup:
    """Pictures that show the same.

    Attributes:
        rows: their row numbers, sorted.
        exact: whether all have the same pixels; else at least two are near duplicates.
        conflict: whether they carry different labels (or tags).
        leak: whether they stand in several parts.
        reason: in words.
    """

    rows: tuple[int, ...]
    exact: bool
    conflict: bool
    leak: bool
    reason: str

    @property
    def kind(self) -> str:
        """What is wrong, the gravest first: "identical, two labels", "near duplicate, two labels", "leak",
        "exact copy" or "near duplicate".
        """
        if self.conflict:
            return f"{'identical' if self.exact else 'near duplicate'}, two labels"
        return "leak" if self.leak else "exact copy" if self.exact else "near duplicate"


_GRAVEST = ("identical, two labels", "near duplicate, two labels", "leak", "exact copy", "near duplicate")


def find_copies(
    images: ImageSet, near: Sequence[Sequence[int]], parts: Sequence[str]
) -> tuple[CopyGroup, ...]:
    """Every group of copies, the gravest kind first, then the larger groups.

    Args:
        images: N pictures with their content hashes.
        near: groups of rows of near duplicates, exact copies of members included (`NearDuplicates.groups`).
        parts: the name of the part of every row.
    """
    same: dict[str, list[int]] = defaultdict(list)
    for row, content in enumerate(images.content_hashes):
        same[content].append(row)
    grouped = {row for rows in near for row in rows}
    exact = [rows for rows in same.values() if len(rows) > 1 and rows[0] not in grouped]
    found = [_group(images, rows, parts, exact=True) for rows in exact]
    found += [_group(images, sorted(rows), parts, exact=False) for rows in near]
    return tuple(sorted(found, key=lambda one: (_GRAVEST.index(one.kind), -len(one.rows), one.rows)))


def _group(images: ImageSet, rows: Sequence[int], parts: Sequence[str], *, exact: bool) -> CopyGroup:
    labels = sorted({_label(images, row) for row in rows})
    places = sorted({parts[row] for row in rows})
    what = "the same pixels" if exact else "the same picture with small changes"
    said = f"{len(rows)} files show {what}"
    if images.labels is not None or images.tags is not None:
        said += f", labelled {' and '.join(labels)}" if len(labels) > 1 else f", all labelled {labels[0]}"
    said += f", in the parts {' and '.join(places)}" * (len(places) > 1)
    return CopyGroup(tuple(rows), exact, len(labels) > 1, len(places) > 1, said)


def _label(images: ImageSet, row: int) -> str:
    if images.tags is not None:
        named = [name for name, held in zip(images.class_names, images.tags[row], strict=True) if held]
        return " + ".join(named) or "nothing"
    return "" if images.labels is None else images.class_names[images.labels[row]]
