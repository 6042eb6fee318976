"""Folds for cross-validation: stratified by class, grouped by content and by near duplicates."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.images import ImageSet
from lightfast.data.splits import content_groups, drawn_order, group_tags, near_copies_of
from lightfast.data.stratify import stratify


def fold_numbers(
    images: ImageSet, folds: int, seed: int = 0, *, rare: Literal["refuse", "spread"] = "refuse"
) -> NDArray[np.int64]:
    """int64 (N,): the fold 0..folds-1 of every picture.

    Exact duplicates and rows with one number in `images.groups` share a fold, also under different labels
    (they count for their commonest label), so no picture is read by a model that saw it. Every class is
    spread evenly: fold sizes of a class differ by at most its largest group of duplicates. Which fold a
    picture goes to depends on (seed, its pixels, the other pictures of its class), not on the order of the
    rows.

    Raises SettingsError for fewer than 2 folds, DataError naming a class with fewer distinct pictures of its
    own than folds; with `rare` "spread" such a class is missing from some folds instead. Classes without
    any picture are passed over. Pictures with any number of labels are stratified by their rarest tag
    (`stratify.stratify`): a tag of at least 2 pictures a fold is in every fold, and no tag is too rare.
    """
    if folds < 2:
        raise SettingsError(f"{folds} folds", expected="at least 2", cure="For instance `folds=5`.")
    present = np.unique(images.require_labels()) if images.tags is None else np.arange(0)
    distinct, group, group_label = content_groups(images)
    if len(distinct) < folds:
        copies, cure = near_copies_of(images)
        raise DataError(
            f"{images.name}: {folds} folds",
            expected=f"at least {folds} distinct pictures",
            got=f"{len(distinct)}{copies}",
            cure=f"Use fewer folds or more pictures{cure}.",
        )
    sizes = np.bincount(group, minlength=len(distinct))
    order = drawn_order(distinct, seed, "folds")
    if images.tags is not None:
        return stratify(group_tags(images, group), sizes, order, (1 / folds,) * folds)[group]
    fold_of_group = np.zeros(len(distinct), dtype=np.int64)
    totals = np.zeros(folds, dtype=np.int64)
    for label in present:
        groups = order[group_label[order] == label]
        if len(groups) < folds and rare == "refuse":
            copies, cure = near_copies_of(images, int(label))
            fewer = f"Use at most {len(groups)} folds, add" if len(groups) > 1 else "Add"
            raise DataError(
                f"{images.name}: class {images.class_names[label]!r} would be missing from a fold",
                expected=f"at least {folds} distinct pictures, one a fold",
                got=f"{len(groups)}{copies}",
                cure=f"{fewer} pictures of it, or leave the class out{cure}.",
            )
        fold_of_group[groups] = _spread(sizes[groups], totals)
        totals += np.bincount(fold_of_group[groups], weights=sizes[groups], minlength=folds).astype(np.int64)
    return fold_of_group[group]


def _spread(sizes: NDArray[np.int64], totals: NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold of each group of one class: always the fold with the fewest of the class,
    of equals the one with the fewest in all.
    """
    mine = np.zeros(len(totals), dtype=np.int64)
    chosen = np.empty(len(sizes), dtype=np.int64)
    # Large groups first, so that they can be evened out; a stable sort keeps the drawn order among equals.
    for place in np.argsort(-sizes, kind="stable"):
        fold = int(np.lexsort((totals + mine, mine))[0])
        chosen[place] = fold
        mine[fold] += sizes[place]
    return chosen
