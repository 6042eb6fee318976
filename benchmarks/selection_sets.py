"""The sets of `selection.py` and `persons_hour.py`: features, labels, and how they are divided."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.files import make_folder
from lightfast.base.randomness import generator
from lightfast.curate.embed import backbone_embedder, embed_pictures
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import sample
from lightfast.data.ingest import load_splits

SETS = ("caltech20", "intel-scenes", "clothing", "smiles")
MOST, SHARE = 3_000, 0.7
"""Pictures of a set, drawn by seed, and the part of them that is the pool."""


@dataclass(frozen=True, eq=False)
class LabelledFeatures:
    """float32 (N, D), int64 (N,) and the class names."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]


def load_features(name: str, data: Path, kept: Path | None) -> LabelledFeatures:
    """The features of a set; with `kept` from KEPT/NAME.npz, which is written where it is missing."""
    file = None if kept is None else kept / f"{name}.npz"
    if file is not None and file.is_file():
        with np.load(file) as there:
            names = tuple(map(str, there["class_names"]))
            return LabelledFeatures(there["features"], there["labels"], names)
    images = sample(load_splits(data / name, ImageSpec((224, 224), 3)).part("all"), MOST)
    found = LabelledFeatures(
        np.asarray(embed_pictures(images, backbone_embedder()).vectors),
        images.require_labels(),
        images.class_names,
    )
    if file is not None:
        make_folder(file.parent)
        np.savez(file, features=found.features, labels=found.labels, class_names=np.array(found.class_names))
    return found


def divided(given: LabelledFeatures, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(rows of the pool, rows of the test part)."""
    order = generator(seed, "benchmark", "division").permutation(len(given.labels))
    cut = int(SHARE * len(order))
    return order[:cut], order[cut:]


def kept_rows(path: Path, names: Sequence[str], repeats: int) -> list[dict[str, Any]]:
    """The rows of an earlier result about other sets, from as many repeats: they can be measured singly."""
    there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    same = there.get("repeats") == repeats
    return [one for one in there.get("rows", ()) if same and one["data"] not in names]
