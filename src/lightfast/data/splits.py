"""Train, validation and test parts by content: the same pixels never stand on two sides, whatever their file names and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.randomness import derive
from lightfast.data.images import ImageSet
from lightfast.data.loaded import LoadedData


@dataclass(frozen=True, eq=False)
class Splits:
    """Three parts with no picture in common: `train` to fit, `val` to choose, `test` to report once. `notes` says what was left out."""

    train: ImageSet
    val: ImageSet
    test: ImageSet
    notes: tuple[str, ...] = ()


def split(images: ImageSet, *, val: float = 0.1, test: float = 0.2, seed: int = 0) -> Splits:
    """Divide `images` into train, val and test, class by class.

    Which side a picture goes to depends on (seed, its pixels, the other pictures of its class), not on the order of the rows. Exact
    duplicates stay together, also those with different labels (they count for their commonest label). A class of n pictures gives
    round(share * n), at least 1, to each side whose share is above 0; large groups of duplicates that would overshoot stay in train.
    Rows keep their order. Without labels all pictures count as one class.

    Raises DataError naming a class with fewer distinct pictures than sides, SettingsError for shares that leave nothing to train on.
    """
    sides = _sides(images, (test, val), seed, ("test", "val"))
    train, tested, chosen = (images.take(np.flatnonzero(sides == side), name=f"{images.name}/{name}")
                             for side, name in ((0, "train"), (1, "test"), (2, "val")))
    return Splits(train=train, val=chosen, test=tested)


def split_off(images: ImageSet, share: float, seed: int = 0, names: tuple[str, str] = ("train", "val")) -> tuple[ImageSet, ImageSet]:
    """(the rest, `share` of the pictures of each class), under the rules of `split`; e.g. an official train part into train and val."""
    sides = _sides(images, (share,), seed, names[1:])
    base = images.name.removesuffix(f"/{names[0]}")
    rest, off = (images.take(np.flatnonzero(sides == side), name=f"{base}/{name}") for side, name in enumerate(names))
    return rest, off


def without_overlap(train: ImageSet, test: ImageSet) -> tuple[ImageSet, int]:
    """(`train` without the pictures whose pixels are also in `test`, how many were dropped)."""
    held = set(test.content_hashes)
    kept = [row for row, content in enumerate(train.content_hashes) if content not in held]
    dropped = len(train) - len(kept)
    return (train.take(kept) if dropped else train), dropped


def split_loaded(loaded: LoadedData, *, val: float = 0.1, test: float = 0.2, seed: int = 0) -> Splits:
    """Splits that respect the official parts: what is missing is split off train, and what test or val also hold leaves train.

    `test` is used only where there is no official test part, `val` only where there is no official val part.
    """
    if loaded.test is None and loaded.val is None:
        return split(loaded.train, val=val, test=test, seed=seed)
    notes: list[str] = []
    train, tested, chosen = loaded.train, loaded.test, loaded.val
    for name, held in (("test", tested), ("val", chosen)):
        if held is not None:
            train, dropped = without_overlap(train, held)
            notes += [f"{dropped} training pictures that are also in the {name} part were left out"] * (dropped > 0)
    if tested is not None and chosen is not None:
        chosen, dropped = without_overlap(chosen, tested)
        notes += [f"{dropped} validation pictures that are also in the test part were left out"] * (dropped > 0)
    if tested is None:
        train, tested = split_off(train, test, seed, ("train", "test"))
    if chosen is None:
        train, chosen = split_off(train, val, seed)
    return Splits(train=train, val=chosen, test=tested, notes=tuple(notes))


def _sides(images: ImageSet, shares: Sequence[float], seed: int, names: Sequence[str]) -> NDArray[np.int64]:
    """The side of every row: 0 for train, i + 1 for `shares[i]`."""
    if not all(0 <= share < 1 for share in shares) or sum(shares) >= 1:
        said = ", ".join(f"{name}={share:g}" for name, share in zip(names, shares, strict=True))
        expected = "numbers from 0 to 1 that leave something to train on"
        raise SettingsError(f"shares {said}", expected=expected, cure="For instance val=0.1, test=0.2.")
    distinct, group, group_label = content_groups(images)
    sizes = np.bincount(group, minlength=len(distinct))
    order = np.argsort(np.array([derive(seed, "split", str(content)) for content in distinct], dtype=np.int64), kind="stable")
    side_of_group = np.zeros(len(distinct), dtype=np.int64)
    for label in range(max(images.num_classes, 1)):
        groups = order[group_label[order] == label]
        name = images.class_names[label] if images.class_names else "all pictures"
        side_of_group[groups] = _assigned(sizes[groups].tolist(), shares, f"{images.name}: class {name!r}")
    return side_of_group[group]


def content_groups(images: ImageSet) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.int64]]:
    """(distinct content hashes (G,), the group 0..G-1 of every picture (N,), one label a group (G,): its commonest, the lowest of equals).

    Without labels all groups have label 0.
    """
    labels = np.zeros(len(images), dtype=np.int64) if images.labels is None else images.labels
    distinct, group = np.unique(np.array(images.content_hashes, dtype="U32"), return_inverse=True)
    return distinct, group, _commonest_labels(group, labels)


def _commonest_labels(group: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """One label a group of identical pictures: the commonest, the lowest of equals."""
    pairs, counts = np.unique(np.stack([group, labels]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -counts, pairs[0]))
    _, first = np.unique(pairs[0][order], return_index=True)
    return pairs[1][order][first]


def _assigned(sizes: list[int], shares: Sequence[float], where: str) -> list[int]:
    """The side of every group of one class, given the groups' sizes in their drawn order."""
    targets = [max(1, round(share * sum(sizes))) if share > 0 else 0 for share in shares]
    needed = 1 + sum(target > 0 for target in targets)
    if len(sizes) < needed:
        raise DataError(f"{where} is too small to split", expected=f"at least {needed} distinct pictures, one a side", got=str(len(sizes)),
                        cure="Add pictures of it, leave the class out, or set a share to 0.")
    sides = [0] * len(sizes)
    free = list(range(len(sizes)))
    for side, target in enumerate(targets, start=1):
        if not target:
            continue
        needed -= 1
        chosen = _filled(free, sizes, target, len(free) - needed) or [min(free, key=lambda index: sizes[index])]
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
