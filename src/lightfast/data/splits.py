"""Train, validation and test parts by content: the same picture never stands on two sides,
whatever its file names and labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.randomness import derive_seed
from lightfast.data.dataset import PART_ORDER, LoadedData
from lightfast.data.images import ImageSet
from lightfast.data.ruled_out import RuledOut
from lightfast.data.stratify import rarest_tags, stratify

_NAMED = 10


@dataclass(frozen=True, eq=False)
class Splits:
    """Three parts with no picture in common: `train` to fit, `val` to choose, `test` to report once.

    `notes` says what was left out. `ruled_out`: pictures beside `train`, to learn from what they are not;
    none of them is in another part.
    """

    train: ImageSet
    val: ImageSet
    test: ImageSet
    notes: tuple[str, ...] = ()
    ruled_out: RuledOut | None = None


def split(images: ImageSet, *, val: float = 0.1, test: float = 0.2, seed: int = 0) -> Splits:
    """Divide `images` into train, val and test, class by class.

    Which side a picture goes to depends on (seed, its pixels, the other pictures of its class), not on the
    order of the rows. Exact duplicates and rows with one number in `images.groups` (near duplicates) stay
    together, also those with different labels (they count for their commonest label). A class of n pictures
    gives round(share * n), at least 1, to each side whose share is above 0; large groups of duplicates that
    would overshoot stay in train. Rows keep their order. Without labels all pictures count as one class.

    Pictures with any number of labels are stratified by their rarest tag (see `stratify.stratify`); those
    without any count as a class of their own. A tag of at least 2 pictures a side reaches every side; a tag
    of one stays in train, and a note says which tags lack a side.

    Raises DataError naming a class with fewer distinct pictures than sides (tags: too few pictures in all),
    SettingsError for shares that leave nothing to train on.
    """
    return _three(images, _sides(images, {"test": test, "val": val}, seed), ())


def _three(images: ImageSet, sides: NDArray[np.int64], notes: Sequence[str]) -> Splits:
    return _splits(dict(_by_side(images, sides, images.name, ("train", "test", "val"))), notes)


def _by_side(
    images: ImageSet, sides: NDArray[np.int64], base: str, names: Sequence[str]
) -> Iterator[tuple[str, ImageSet]]:
    for side, name in enumerate(names):
        yield name, images.take(np.flatnonzero(sides == side), name=f"{base}/{name}")


def split_off(
    images: ImageSet, share: float, seed: int = 0, names: tuple[str, str] = ("train", "val")
) -> tuple[ImageSet, ImageSet]:
    """(the rest, `share` of the pictures of each class), under the rules of `split`;
    e.g. an official train part into train and val.
    """
    return _two(images, _sides(images, {names[1]: share}, seed), names)


def _two(images: ImageSet, sides: NDArray[np.int64], names: tuple[str, str]) -> tuple[ImageSet, ImageSet]:
    base = images.name.removesuffix(f"/{names[0]}")
    (_, rest), (_, off) = _by_side(images, sides, base, names)
    return rest, off


def without_overlap(train: ImageSet, test: ImageSet) -> tuple[ImageSet, int]:
    """(`train` without the pictures whose pixels are also in `test`, how many were dropped).

    Where both carry `groups`, pictures that share a number with one of `test` are dropped too (near
    duplicates). Whoever sets groups numbers all parts together (`with_near_groups` does): numbers of two
    sets that were numbered apart mean nothing beside each other.
    """
    same = np.isin(np.array(train.content_hashes, dtype="U32"), np.array(test.content_hashes, dtype="U32"))
    if train.groups is not None and test.groups is not None:
        same |= np.isin(train.groups, test.groups)
    kept = np.flatnonzero(~same)
    dropped = len(train) - len(kept)
    return (train.take(kept) if dropped else train), dropped


def split_loaded(loaded: LoadedData, *, val: float = 0.1, test: float = 0.2, seed: int = 0) -> Splits:
    """Splits that respect the official parts: what is missing is split off train, and what test or val also
    hold leaves train.

    `test` is used only where there is no official test part, `val` only where there is no official val part.
    Unlike in `split`, a class with fewer distinct pictures than sides stays in train whole, and a note names
    it: one rare class must not stop a training on the others. Where fewer than two classes would reach the
    other sides, DataError names the class.
    """
    notes: list[str] = []
    parts: dict[str, Any] = dict(loaded.parts)
    if len(parts) == 1:
        return _three(loaded.train, _sides(loaded.train, {"test": test, "val": val}, seed, notes), notes)
    for part, what, held in (
        ("train", "training", "test"),
        ("train", "training", "val"),
        ("val", "validation", "test"),
    ):
        if part in parts and held in parts:
            before = parts[part]
            parts[part], dropped = without_overlap(before, parts[held])
            _require_left(before, parts[part], held)
            near = " (near duplicates counted)" if parts[part].groups is not None else ""
            note = f"{dropped} {what} pictures that are also in the {held} part were left out{near}"
            notes += [note] * (dropped > 0)
    for name, share in (("test", test), ("val", val)):
        if name not in parts:
            train = parts["train"]
            parts["train"], parts[name] = _two(
                train, _sides(train, {name: share}, seed, notes), ("train", name)
            )
    return _splits(parts, notes)


def _require_left(before: ImageSet, left: ImageSet, held: str) -> None:
    """Refuse that near duplicates in another part take every picture of a class, or all."""
    if before.groups is None or len(left) == len(before):
        return
    gone = "every picture" if not len(left) else ""
    if left.labels is not None and before.labels is not None:
        lost = np.setdiff1d(before.labels, left.labels)
        gone = gone or (f"every picture of class {before.class_names[lost[0]]!r}" if len(lost) else "")
    if gone:
        raise DataError(
            f"{before.name}: {gone} is also in the {held} part, near duplicates counted",
            expected="pictures that no other part has",
            cure="Divide the pictures anew, or do not group near duplicates: `near_duplicates=ignore`.",
        )


def _splits(parts: Mapping[str, ImageSet], notes: Sequence[str]) -> Splits:
    """The three parts, with notes for pictures with tags: which tags a part has none of."""
    scarce: list[str] = []
    for name in PART_ORDER:
        images = parts[name]
        if images.tags is not None and len(images):
            held = np.asarray(images.tags.any(axis=0)).tolist()
            absent = [tag for tag, one in zip(images.class_names, held, strict=True) if not one]
            scarce += [f"no picture of the {name} part has the tag: {_listed(absent)}"] * bool(absent)
    return Splits(parts["train"], parts["val"], parts["test"], notes=(*notes, *scarce))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def drawn_order(texts: NDArray[np.str_], seed: int, purpose: str) -> NDArray[np.int64]:
    """The places of distinct texts in an order drawn by (seed, purpose, text), wherever the texts stand."""
    return np.argsort(
        np.array([derive_seed(seed, purpose, str(text)) for text in texts], dtype=np.int64), kind="stable"
    )


def _sides(
    images: ImageSet, shares: Mapping[str, float], seed: int, small: list[str] | None = None
) -> NDArray[np.int64]:
    """The side of every row: 0 for train, i + 1 for the i-th of `shares`. Given a list `small`, a class too
    small to reach every side stays in train, and a note that names it is added there.
    """
    _check_shares(shares)
    distinct, group, group_label = content_groups(images)
    order = drawn_order(distinct, seed, "split")
    if images.tags is not None:
        return _tag_sides(images, group, order, tuple(shares.values()))[group]
    names = images.class_names or ("all pictures",)
    classes = [(name, order[group_label[order] == label]) for label, name in enumerate(names)]
    used = ["train", *(name for name, share in shares.items() if share > 0)]
    kept = () if small is None else _kept_whole(classes, used, small)
    sizes = np.bincount(group, minlength=len(distinct))
    sides = np.zeros(len(distinct), dtype=np.int64)
    for label, (name, groups) in enumerate(classes):
        if label not in kept:
            if len(groups) < len(used):
                raise _too_small(images, label, name, (len(groups), len(used)))
            sides[groups] = _assigned(sizes[groups].tolist(), tuple(shares.values()))
    return sides[group]


def _check_shares(shares: Mapping[str, float]) -> None:
    if min(shares.values()) < 0 or not sum(shares.values()) < 1:
        said = ", ".join(f"{name}={share:g}" for name, share in shares.items())
        expected = "numbers from 0 to 1 that leave something to train on"
        raise SettingsError(f"shares {said}", expected=expected, cure="For instance val=0.1, test=0.2.")


def _kept_whole(
    classes: Sequence[tuple[str, NDArray[np.int64]]], used: Sequence[str], notes: list[str]
) -> Mapping[int, str]:
    """The numbers of the classes with fewer distinct pictures than sides are `used`; a note names them.

    None where fewer than two others can be divided: a figure from the other sides would say nothing.
    """
    if sum(len(groups) >= len(used) for _, groups in classes) < 2:
        return {}
    kept = {
        label: f"{name!r} ({len(groups)})"
        for label, (name, groups) in enumerate(classes)
        if 0 < len(groups) < len(used)
    }
    who, it, are = ("class", "it", "is") if len(kept) == 1 else ("classes", "they", "are")
    if kept:
        which = f"{who} {_listed([*kept.values()])}"
        cannot = f"{it} {are} learned from but cannot be checked: add pictures"
        notes.append(f"too few distinct pictures for {', '.join(used)}: {which}; {cannot}")
    return kept


def _tag_sides(
    images: ImageSet, group: NDArray[np.int64], order: NDArray[np.int64], shares: Sequence[float]
) -> NDArray[np.int64]:
    sides = stratify(
        group_tags(images, group), np.bincount(group, minlength=len(order)), order, (1 - sum(shares), *shares)
    )
    needed = {0, *(side for side, share in enumerate(shares, start=1) if share > 0)}
    if not needed <= set(sides.tolist()):
        copies, cure = near_copies_of(images)
        raise DataError(
            f"{images.name} is too small to split",
            expected=f"at least {len(needed)} distinct pictures whose tags other pictures carry too",
            got=f"{len(order)} distinct pictures{copies}",
            cure=f"Add pictures, or set a share to 0{cure}.",
        )
    return sides


def content_groups(images: ImageSet) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.int64]]:
    """(one text a group (G,), the group 0..G-1 of every picture (N,), one label a group (G,): its commonest,
    the lowest of equals).

    A group holds the pictures that are exact copies, or that share a number in `images.groups`, or that are
    so connected through others. Its text is the content hash of its pictures, the lowest of them; groups are
    in the order of their texts. The label of pictures with tags is the rarest tag of each, or the number of
    tags for none. Without labels and tags all groups have label 0.
    """
    distinct, group = np.unique(np.array(images.content_hashes, dtype="U32"), return_inverse=True)
    if images.groups is not None and len(images):
        distinct, group = _connected(distinct, group, images.groups)
    labels = np.zeros(len(images), dtype=np.int64) if images.labels is None else images.labels
    if images.tags is not None:
        labels = rarest_tags(images.tags)
    return distinct, group, _commonest_labels(group, labels)


def group_tags(images: ImageSet, group: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool (G, K): the tags that any picture of a group carries."""
    tags = images.require_tags()
    found = np.zeros((int(group.max(initial=-1)) + 1, tags.shape[1]), dtype=bool)
    np.logical_or.at(found, group, tags)
    return found


def _connected(
    distinct: NDArray[np.str_], group: NDArray[np.int64], numbers: NDArray[np.int64]
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Contents that share a number become one group, under the lowest content."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, number = np.unique(numbers, return_inverse=True)
    count = len(distinct)
    edges = coo_array(
        (np.ones(len(group), dtype=np.int8), (group, count + number)), shape=(count + len(number),) * 2
    )
    _, parts = connected_components(edges, directed=False)
    # Contents are sorted: the first of a part is its lowest.
    _, first, merged = np.unique(parts[:count], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return distinct[np.sort(first)], rank[merged][group]


def _commonest_labels(group: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """One label a group of identical pictures: the commonest, the lowest of equals."""
    pairs, counts = np.unique(np.stack([group, labels]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -counts, pairs[0]))
    _, first = np.unique(pairs[0][order], return_index=True)
    return pairs[1][order][first]


def _too_small(images: ImageSet, label: int, name: str, counts: tuple[int, int]) -> DataError:
    """The refusal of a class with too few distinct pictures; `counts`: (those it has, those it needs)."""
    copies, cure = near_copies_of(images, label)
    return DataError(
        f"{images.name}: class {name!r} is too small to split",
        expected=f"at least {counts[1]} distinct pictures, one a side",
        got=f"{counts[0]}{copies}",
        cure=f"Add pictures of it, leave the class out, or set a share to 0{cure}.",
    )


def near_copies_of(images: ImageSet, label: int | None = None) -> tuple[str, str]:
    """(what near duplicates take from a class, or from all pictures, in words; what cures that): for the
    refusal of too few distinct pictures. Two empty texts where its pictures are near duplicates of no others.
    """
    if images.groups is None:
        return "", ""
    own = np.ones(len(images), dtype=bool)
    if label is not None and images.labels is not None:
        own = images.labels == label
    numbers, shared = np.unique(images.groups, return_inverse=True)
    distinct = np.unique(
        np.stack([shared, np.unique(np.array(images.content_hashes), return_inverse=True)[1]]), axis=1
    )
    near = (np.bincount(distinct[0], minlength=len(numbers)) > 1)[shared]
    count = int((own & near).sum())
    if not count:
        return "", ""
    others: list[str] = []
    if label is not None and images.labels is not None:
        beside = near & ~own & np.isin(shared, shared[own & near])
        others = [images.class_names[one] for one in np.unique(images.labels[beside])]
    of = f", some of them of pictures of {_listed(others)}" if others else ""
    said = f": {count:,} of its {int(own.sum()):,} pictures are near duplicates of others{of}"
    return said, ", or do not group near duplicates: `near_duplicates=ignore`"


def _assigned(sizes: list[int], shares: Sequence[float]) -> list[int]:
    """The side of every group of one class, given the groups' sizes in their drawn order."""
    targets = [max(1, round(share * sum(sizes))) if share > 0 else 0 for share in shares]
    needed = 1 + sum(target > 0 for target in targets)
    sides = [0] * len(sizes)
    free = list(range(len(sizes)))
    for side, target in enumerate(targets, start=1):
        if not target:
            continue
        needed -= 1
        chosen = _filled(free, sizes, target, len(free) - needed) or [
            min(free, key=lambda index: sizes[index])
        ]
        for index in chosen:
            sides[index] = side
        free = [index for index in free if not sides[index]]
    return sides


def _filled(free: Sequence[int], sizes: Sequence[int], target: int, most: int) -> list[int]:
    """The first groups that fit into `target` pictures, at most `most` groups."""
    chosen: list[int] = []
    for index in free:
        if len(chosen) == most or target == 0:
            break
        if sizes[index] <= target:
            chosen.append(index)
            target -= sizes[index]
    return chosen
