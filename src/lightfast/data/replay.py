"""Decisions replayed over a set of pictures: its next version, and what could not be applied, by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lightfast.base.errors import UnknownName
from lightfast.data.decisions import Decision, latest
from lightfast.data.images import ImageSet


@dataclass(frozen=True)
class DecisionConflict:
    """A picture on which two people said different things: the label of each, the one that holds last."""

    picture: str
    said: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, eq=False)
class Replayed:
    """What some decisions make of a set.

    Attributes:
        images: the next version, with the set as its parent; itself where nothing changed.
        changed: pictures that have another label now.
        agreed: pictures whose label a person looked at and left.
        negatives: (picture, the label that it has not), of pictures that nobody gave another label: they
            stand in no class, and are left out of `images`.
        conflicts: where people disagreed.
    """

    images: ImageSet
    changed: tuple[str, ...]
    agreed: int
    negatives: tuple[tuple[str, str], ...]
    conflicts: tuple[DecisionConflict, ...]


def replay(images: ImageSet, decisions: Sequence[Decision]) -> Replayed:
    """The next version of a labelled set: later decisions win, in the order given.

    Decisions about pictures that the set does not have, or that have other pixels now, are not for it: see
    `misplaced`. With two classes "not this" is the other one. Raises UnknownName for a label that is no
    class.
    """
    labels, names = images.require_labels(), images.class_names
    rows = {key: row for row, key in enumerate(zip(images.ids, images.content_hashes, strict=True))}
    mine = [one for one in decisions if (one.picture, one.content) in rows]
    _check_names(mine, names)
    said = {rows[key]: _decided(one, names, names[labels[rows[key]]]) for key, one in latest(mine).items()}
    given, negatives = dict[int, str](), dict[int, str]()
    for row, (label, was) in sorted(said.items()):
        if label is None:
            negatives[row] = was
        elif label != was:
            given[row] = label
    return Replayed(
        _next(images, given, negatives, len(mine)),
        tuple(images.ids[row] for row in given),
        len(said) - len(given) - len(negatives),
        tuple((images.ids[row], label) for row, label in negatives.items()),
        _conflicts(mine),
    )


def _next(images: ImageSet, given: Mapping[int, str], left_out: Collection[int], count: int) -> ImageSet:
    """The next version, or the set itself where nothing changes."""
    if not given and not left_out:
        return images
    step = {"verb": "relabel", "decisions": count, "changed": len(given), "left_out": len(left_out)}
    result = images.relabel(given, step=step)
    return result.take(np.setdiff1d(np.arange(len(images)), list(left_out))) if left_out else result


def _decided(one: Decision, names: Sequence[str], before: str) -> tuple[str | None, str]:
    """(the label that holds now, None: known only not to be what it was called; the label before)."""
    if one.decided_label is not None:
        return one.decided_label, before
    was = one.given_label or before
    return _other(names, was), was


def misplaced(sets: Sequence[ImageSet], decisions: Sequence[Decision]) -> tuple[tuple[str, str], ...]:
    """(picture, why) of every picture that somebody decided about and that none of the sets has."""
    ids = {name for images in sets for name in images.ids}
    keys = {key for images in sets for key in zip(images.ids, images.content_hashes, strict=True)}
    return tuple(
        (name, "its pixels are others now" if name in ids else "there is no such picture now")
        for name, content in latest(decisions)
        if (name, content) not in keys
    )


def _other(names: Sequence[str], label: str) -> str | None:
    """The class that is left of two."""
    left = [name for name in names if name != label]
    return left[0] if len(names) == 2 and len(left) == 1 else None


def _check_names(decisions: Sequence[Decision], names: Sequence[str]) -> None:
    for one in decisions:
        if one.decided_label is not None and one.decided_label not in names:
            raise UnknownName(f"class for {one.picture!r}", one.decided_label, names)


def _conflicts(decisions: Sequence[Decision]) -> tuple[DecisionConflict, ...]:
    said: dict[tuple[str, str], dict[str, str | None]] = defaultdict(dict)
    for one in decisions:
        # Taken out first, so that the person who decided last stands last.
        said[one.picture, one.content].pop(one.reviewer, None)
        said[one.picture, one.content][one.reviewer] = one.decided_label
    return tuple(
        DecisionConflict(name, tuple(people.items()))
        for (name, _), people in said.items()
        if len(set(people.values())) > 1
    )
