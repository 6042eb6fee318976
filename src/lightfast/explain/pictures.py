"""What `explain` knows of every picture: how it was read, whether rightly, whether the run had seen it,
and where its files lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.files import atomic
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import pred_probs, tag_probs
from lightfast.models.checkpoint import Checkpoint
from lightfast.report.overlay import overlay

OVERLAYS, MAPS = "overlays", "maps"
TOP = 3
_STEM = 60


@dataclass(frozen=True, eq=False)
class PredictedImages:
    """N pictures as the run reads them.

    Attributes:
        classifier, images: who read what.
        probs: float32 (N, K), of several labels a picture each on its own.
        targets: int64 (N,), the class that each map is about.
        seen: bool (N,), whether the run was fitted or chosen on this very picture.
        common_target: the one class that all maps are about, None: each is about the prediction of its
            picture.
    """

    classifier: Checkpoint
    images: ImageSet
    probs: NDArray[np.float32]
    targets: NDArray[np.int64]
    seen: NDArray[np.bool_]
    common_target: int | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labelled(self) -> bool:
        """Whether true labels are known."""
        return self.images.labels is not None or self.images.tags is not None

    @cached_property
    def predicted_labels(self) -> NDArray[np.int64]:
        """int64 (N,): the most probable class."""
        return self.probs.argmax(axis=1).astype(np.int64)

    @cached_property
    def right(self) -> NDArray[np.bool_] | None:
        """bool (N,): whether the most probable class is the true one (is among the true ones);
        None without labels.
        """
        if self.images.tags is not None:
            return self.images.tags[np.arange(len(self)), self.predicted_labels]
        return None if self.images.labels is None else self.predicted_labels == self.images.labels

    @cached_property
    def wrong(self) -> NDArray[np.intp]:
        """The rows read wrongly, the most confident first; none without labels."""
        if self.right is None:
            return np.array([], dtype=np.intp)
        rows = np.flatnonzero(~self.right)
        return rows[np.argsort(-self.probs[rows].max(axis=1), kind="stable")]

    def true_names(self, row: int) -> tuple[str, ...] | None:
        """The names of the true labels, or None."""
        names = self.classifier.class_names
        if self.images.tags is not None:
            return tuple(names[label] for label in np.flatnonzero(self.images.tags[row]))
        return None if self.images.labels is None else (names[self.images.labels[row]],)

    def true_label(self, row: int) -> int | None:
        """The true class; of several the most probable; None where none is known."""
        if self.images.tags is not None:
            known = np.flatnonzero(self.images.tags[row])
            return int(known[self.probs[row, known].argmax()]) if len(known) else None
        return None if self.images.labels is None else int(self.images.labels[row])

    def top(self, row: int) -> list[tuple[str, float]]:
        """The most probable classes, up to three, with their probabilities in 0..1."""
        order = np.argsort(-self.probs[row], kind="stable")[:TOP]
        return [(self.classifier.class_names[label], float(self.probs[row, label])) for label in order]


@dataclass(frozen=True, eq=False)
class ExplainedImages:
    """The predictions and their maps, which lie as files in `folder`.

    Attributes:
        method, target_layer, signed: as in `explain.attribution.Attribution`; blur: pixels that maps are
            blurred by when they are drawn.
        stems: one file name without ending a picture.
        flat: bool (N,), whether a map is the same everywhere and so says nothing.
        seconds: what the maps took.
    """

    predicted: PredictedImages
    folder: Path
    method: str
    target_layer: str | None
    signed: bool
    blur: float
    stems: tuple[str, ...]
    flat: NDArray[np.bool_]
    seconds: float

    def map(self, row: int) -> NDArray[np.float32]:
        """The attribution of one picture, float32 (H, W)."""
        return np.load(self.folder / MAPS / f"{self.stems[row]}.npy", allow_pickle=False)

    def maps(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """The attributions of several, float32 (R, H, W)."""
        return np.stack([self.map(int(row)) for row in rows])

    def drawn(self, row: int, values: NDArray[np.floating] | None = None) -> NDArray[np.uint8]:
        """A picture with its map over it, or with other `values`."""
        return overlay(
            self.predicted.images.images[row],
            self.map(row) if values is None else values,
            signed=self.signed,
            blur=self.blur,
        )

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a picture, JSON-ready: id, true_label, right, seen_in_training, target, top, flat,
        overlay, map.
        """
        return [
            {
                **described(self.predicted, row),
                "flat": bool(self.flat[row]),
                "overlay": f"{OVERLAYS}/{stem}.png",
                "map": f"{MAPS}/{stem}.npy",
            }
            for row, stem in enumerate(self.stems)
        ]


def described(predicted: PredictedImages, row: int) -> dict[str, Any]:
    """How one picture was read, JSON-ready."""
    names, right = predicted.true_names(row), predicted.right
    several = predicted.images.tags is not None
    return {
        "id": predicted.images.ids[row],
        "true_label": None if names is None else list(names) if several else names[0],
        "right": None if right is None else bool(right[row]),
        "seen_in_training": bool(predicted.seen[row]),
        "target": predicted.classifier.class_names[predicted.targets[row]],
        "top": [{"label": name, "probability": round(share, 6)} for name, share in predicted.top(row)],
    }


def probs_of(classifier: Checkpoint, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities float32 (N, K) of any classifier: of several labels a picture each on its own."""
    return (
        tag_probs(classifier, images) if classifier.task == "multi-label" else pred_probs(classifier, images)
    )


def predict_images(
    classifier: Checkpoint, images: ImageSet, seen: NDArray[np.bool_], target: int | None = None
) -> PredictedImages:
    """Read the pictures, of which the run has `seen` some; `target` is the class that all maps are about,
    None: the most probable of each.
    """
    probs = probs_of(classifier, images.images)
    targets = probs.argmax(axis=1) if target is None else np.full(len(probs), target)
    return PredictedImages(classifier, images, probs, targets.astype(np.int64), seen, target)


def stems_of(ids: tuple[str, ...]) -> tuple[str, ...]:
    """ "0001-dog" … : a file name a picture, in order, with what of its id every file system takes."""
    digits = max(4, len(str(len(ids))))
    return tuple(
        f"{number:0{digits}d}-{_plain(name)}".rstrip("-") for number, name in enumerate(ids, start=1)
    )


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", PurePosixPath(name.replace("\\", "/")).stem)[:_STEM].strip("._")


def save_array(path: Path, array: NDArray[Any]) -> Path:
    """Write one array as `.npy`, atomically."""
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
    return path


def save_explanations(path: Path, rows: list[dict[str, Any]]) -> Path:
    """explanations.parquet: one flat row a picture."""
    import pandas as pd

    with atomic(path) as temporary:
        pd.DataFrame([_flat(row) for row in rows]).to_parquet(temporary, index=False)
    return path


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    top = {
        f"{name}_{rank}": entry[key]
        for rank, entry in enumerate(row["top"], start=1)
        for name, key in (("label", "label"), ("prob", "probability"))
    }
    plain = {
        key: " | ".join(value) if isinstance(value, list) else value
        for key, value in row.items()
        if key != "top"
    }
    return {**plain, **top}
