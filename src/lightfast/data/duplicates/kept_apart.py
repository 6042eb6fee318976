"""Pictures without a label, beside the splits: never a copy of what is tested on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from lightfast.data.dataset import LoadedData, concatenate
from lightfast.data.duplicates.search import find_near_duplicates
from lightfast.data.images import ImageSet
from lightfast.data.ruled_out import RuledOut
from lightfast.data.splits import Splits


def with_ruled_out(splits: Splits, loaded: LoadedData) -> Splits:
    """The splits of `loaded` with its `ruled_out`, but for copies and near duplicates (by their hashes alone)
    of pictures that a model is chosen on or tested by.
    """
    ruled_out = loaded.ruled_out
    if ruled_out is None or splits.train.labels is None:
        return splits
    held = [part for part in (splits.val, splits.test) if len(part)]
    apart = ruled_out.without_copies_of(*held)
    if held and len(apart):
        apart = _without_near(apart, held, loaded)
    lost = len(ruled_out) - len(apart)
    said = f"{lost:,} picture(s) without a label are also in the val or test part: left out"
    notes = (*splits.notes, *[said] * (lost > 0))
    return dataclasses.replace(splits, ruled_out=apart if len(apart) else None, notes=notes)


def _without_near(ruled_out: RuledOut, held: Sequence[ImageSet], loaded: LoadedData) -> RuledOut:
    labels, names = np.zeros(len(ruled_out), dtype=np.int64), held[0].class_names
    beside = dataclasses.replace(ruled_out.images, labels=labels, class_names=names)
    beside = beside.with_hashes(ruled_out.images.known_hashes)
    both = concatenate([dataclasses.replace(part, groups=None) for part in (beside, *held)])
    groups = find_near_duplicates(LoadedData(both, sizes=loaded.sizes)).groups
    copies = {row for group in groups if max(group) >= len(ruled_out) for row in group}
    return ruled_out.take([row for row in range(len(ruled_out)) if row not in copies])
