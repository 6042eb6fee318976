"""Decisions replayed over a set of pictures: its next version, and what could not be applied, by name."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lightfast.base.errors import UnknownName
from lightfast.data.decisions import Decision, latest
from lightfast.data.images import ImageSet
from lightfast.data.ruled_out import RuledOut, not_these


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
        negatives: (picture, a label that it has not), of pictures that nobody gave another label: they
            stand in no class, and are left out of `images`. A picture of which several people, or one after
            the other, ruled out several classes has one entry each.
        left_out: how many pictures those are.
        ruled_out: these pictures with what they are not, for a training; None where there are none.
        conflicts: where people disagreed.
    """

    images: ImageSet
    changed: tuple[str, ...]
    agreed: int
    negatives: tuple[tuple[str, str], ...]
    conflicts: tuple[DecisionConflict, ...]
    left_out: int = 0
    ruled_out: RuledOut | None = None


def replay(images: ImageSet, decisions: Sequence[Decision]) -> Replayed:
    """The next version of a labelled set: later decisions win, in the order given.

    Decisions about pictures that the set does not have, or that have other pixels now, are not for it: see
    `misplaced`. "Not this" counts beside the same said of other classes; where that leaves one class, it is
    that one. Raises UnknownName for a label that is no class.
    """
    labels, names = images.require_labels(), images.class_names
    rows = {key: row for row, key in enumerate(zip(images.ids, images.content_hashes, strict=True))}
    mine = [one for one in decisions if (one.picture, one.content) in rows]
    _check_names(mine, names)
    words = [(rows[key], words) for key, words in _last_words(mine)]
    said = {row: _decided(words_of, names, names[labels[row]]) for row, words_of in words}
    given, negatives = dict[int, str](), dict[int, tuple[str, ...]]()
    for row, (label, was) in sorted(said.items()):
        if label is None:
            negatives[row] = was
        elif label != names[labels[row]]:
            given[row] = label
    return Replayed(
        _next(images, given, negatives, len(mine)),
        tuple(images.ids[row] for row in given),
        len(said) - len(given) - len(negatives),
        tuple((images.ids[row], label) for row, several in negatives.items() for label in several),
        _conflicts(mine),
        len(negatives),
        _ruled_out(images, negatives),
    )


def _next(images: ImageSet, given: Mapping[int, str], left_out: Collection[int], count: int) -> ImageSet:
    """The next version, or the set itself where nothing changes."""
    if not given and not left_out:
        return images
    step = {"verb": "relabel", "decisions": count, "changed": len(given), "left_out": len(left_out)}
    result = images.relabel(given, step=step)
    return result.take(np.setdiff1d(np.arange(len(images)), list(left_out))) if left_out else result


def _last_words(decisions: Sequence[Decision]) -> list[tuple[tuple[str, str], list[Decision]]]:
    """(picture, the decisions about it that hold): the last one, or all "not this" since the last label."""
    found: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    for one in decisions:
        hold = found[one.picture, one.content]
        if one.decided_label is not None or (hold and hold[-1].decided_label is not None):
            hold.clear()
        hold.append(one)
    return list(found.items())


def _decided(
    said: Sequence[Decision], names: Sequence[str], before: str
) -> tuple[str | None, tuple[str, ...]]:
    """(the label that holds now, None: known only for what it is not; what it is not)."""
    if said[-1].decided_label is not None:
        return said[-1].decided_label, ()
    ruled_out = tuple(dict.fromkeys(one.given_label or before for one in said))
    left = [name for name in names if name not in ruled_out]
    return (left[0] if len(left) == 1 else None), ruled_out


def _ruled_out(images: ImageSet, negatives: Mapping[int, Sequence[str]]) -> RuledOut | None:
    pairs = [(str(row), name) for row, several in negatives.items() for name in several]
    kept, _ = not_these(pairs, images.class_names)
    if not kept:
        return None
    bare = images.take([int(row) for row in kept])
    bare = dataclasses.replace(bare, labels=None, class_names=()).with_hashes(bare.known_hashes)
    return RuledOut(bare, np.stack(list(kept.values())))


def misplaced(
    sets: Sequence[ImageSet], decisions: Sequence[Decision], beside: RuledOut | None = None
) -> tuple[tuple[str, str], ...]:
    """(picture, why) of every picture that somebody decided about and that none of the sets has; `beside`:
    those of which the data say only what they are not.
    """
    ids = {name for images in sets for name in images.ids}
    keys = {key for images in sets for key in zip(images.ids, images.content_hashes, strict=True)}
    bare = set(beside.images.ids) if beside else set[str]()

    def why(name: str) -> str:
        if name in ids:
            return "its pixels are others now"
        if name in bare:
            return (
                "it has no label here, only what it is not: give all decisions to the version before this one"
            )
        return "there is no such picture now"

    return tuple((name, why(name)) for name, content in latest(decisions) if (name, content) not in keys)


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
