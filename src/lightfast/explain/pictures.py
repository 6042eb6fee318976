"""What `explain` knows of every picture: how it was read, whether rightly, whether the run had seen it,
and where its files lie.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lightfast.base.files import atomic
from lightfast.base.plain import FLAT, HIDDEN, as_json
from lightfast.data.images import ImageSet
from lightfast.report.overlay import overlay
from lightfast.report.tables import confidence_text

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint

FLAT_MAP = "flat map: shows nothing"
OVERLAYS, MAPS, FEATURES = "overlays", "maps", "features"
CHANNELS = 16
"""Channels of a layer that are drawn."""
TOP = 3
_STEM = 60


@dataclass(frozen=True)
class Guess:
    """A class and its probability in 0..1; JSON has six digits of it."""

    label: str
    probability: float

    @property
    def text(self) -> str:
        """Both in one line."""
        return f"{self.label} {confidence_text(self.probability)}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"label": self.label, "probability": round(self.probability, 6)}


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """How one picture was read, and where its files lie below the folder.

    Attributes:
        true_label: of several labels a picture all of them; None where none is known.
        right: whether the most probable class is (among) the true ones; None without labels.
        target: the class that the map is about.
        top: the most probable classes, up to three.
        map: the file of its map, or of the maps of every layer.
    """

    id: str
    true_label: str | tuple[str, ...] | None
    right: bool | None
    seen_in_training: bool
    target: str
    top: tuple[Guess, ...]
    map: str

    @property
    def truth(self) -> str | None:
        """The true labels in words, "" for none of the classes; None where they are not known."""
        return ", ".join(self.true_label) if isinstance(self.true_label, tuple) else self.true_label

    @property
    def known(self) -> list[str]:
        """The true label in words where it is known, and whether the run had seen the picture."""
        said = [] if self.truth is None else [f"true: {self.truth or 'none'}"]
        return said + ["seen in training"] * self.seen_in_training


@dataclass(frozen=True, kw_only=True)
class MapExplanation(Explanation):
    """With one map; `flat`: it says nothing (`explain.flat`) and is not coloured."""

    flat: bool = False
    overlay: str

    @property
    def known(self) -> list[str]:
        """What is known of every picture, and that its map is flat."""
        return super().known + [FLAT_MAP] * self.flat


@dataclass(frozen=True, kw_only=True)
class FeatureExplanation(Explanation):
    """With the maps of every layer, and their figure."""

    figure: str


@dataclass(frozen=True, eq=False)
class PredictedImages:
    """N pictures as the run reads them.

    Attributes:
        classifier, images: who read what.
        network: the model in words.
        probs: float32 (N, K), of several labels a picture each on its own.
        targets: int64 (N,), the class that each map is about.
        seen: bool (N,), whether the run was fitted or chosen on this very picture.
        common_target: the one class that all maps are about, None:
            each is about the prediction of its picture.
    """

    classifier: Checkpoint
    images: ImageSet
    network: str
    probs: NDArray[np.float32]
    targets: NDArray[np.int64]
    seen: NDArray[np.bool_]
    common_target: int | None = None

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def right(self) -> NDArray[np.bool_] | None:
        """bool (N,): whether the most probable class is the true one (is among the true ones);
        None without labels.
        """
        return right_of(self.images, self.probs)

    @cached_property
    def wrong(self) -> NDArray[np.intp]:
        """The rows read wrongly, the most confident first; none without labels."""
        rows = np.flatnonzero(np.zeros(0) if self.right is None else ~self.right)
        return rows[np.argsort(-self.probs[rows].max(axis=1), kind="stable")]

    def true_label(self, row: int) -> int | None:
        """The true class; of several the most probable; None where none is known."""
        if self.images.tags is not None:
            known = np.flatnonzero(self.images.tags[row])
            return int(known[self.probs[row, known].argmax()]) if len(known) else None
        return None if self.images.labels is None else int(self.images.labels[row])

    def explanations(self, method: str) -> tuple[Explanation, ...]:
        """One a picture, with the names that its files will have."""
        features = method == FEATURES
        kind: type[Explanation] = FeatureExplanation if features else MapExplanation
        ending, drawn, folder = ("npz", "figure", FEATURES) if features else ("npy", "overlay", OVERLAYS)
        rows: list[dict[str, Any]] = [
            self._told(row) | {"map": f"{MAPS}/{stem}.{ending}", drawn: f"{folder}/{stem}.png"}
            for row, stem in enumerate(stems_of(self.images.ids))
        ]
        return tuple(kind(**one) for one in rows)

    def _told(self, row: int) -> dict[str, Any]:
        names, images = self.classifier.class_names, self.images
        true = None if images.labels is None else names[images.labels[row]]
        if images.tags is not None:
            true = tuple(names[label] for label in np.flatnonzero(images.tags[row]))
        order = np.argsort(-self.probs[row], kind="stable")[:TOP]
        return {
            "id": images.ids[row],
            "true_label": true,
            "right": None if self.right is None else bool(self.right[row]),
            "seen_in_training": bool(self.seen[row]),
            "target": names[self.targets[row]],
            "top": tuple(Guess(names[label], float(self.probs[row, label])) for label in order),
        }

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values: what is known of all of them together."""
        return {
            "n": len(self),
            "model": self.classifier.model,
            "class_names": list(self.classifier.class_names),
            "labelled": self.right is not None,
            "wrong": None if self.right is None else len(self.wrong),
            "seen_in_training": int(self.seen.sum()),
        }


@dataclass(frozen=True, eq=False)
class ExplainedImages:
    """The predictions and their maps, which lie as files in `out`.

    Attributes:
        method, target_layer, signed: as in `explain.attribution.Attribution`.
        blur: pixels that maps are blurred by when they are drawn. seconds: what the maps took.
    """

    predicted: PredictedImages = field(metadata=FLAT)
    out: Path
    method: str
    target_layer: str | None
    signed: bool
    explanations: Sequence[Explanation]
    blur: float = field(default=0.0, metadata=HIDDEN)
    seconds: float = field(default=0.0, metadata=HIDDEN)
    JSON_PROPERTIES: ClassVar = ("seconds_per_picture", "flat_maps")

    @property
    def flat_maps(self) -> int:
        """How many maps are flat."""
        return sum(isinstance(one, MapExplanation) and one.flat for one in self.explanations)

    @property
    def seconds_per_picture(self) -> float:
        """What one map took."""
        return round(self.seconds / len(self.predicted), 4)

    def map(self, row: int) -> NDArray[np.float32]:
        """The attribution of one picture, float32 (H, W)."""
        return np.load(self.out / self.explanations[row].map, allow_pickle=False)

    def maps(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """The attributions of several, float32 (R, H, W)."""
        return np.stack([self.map(int(row)) for row in rows])

    def drawn(self, row: int, values: NDArray[np.floating] | None = None) -> NDArray[np.uint8]:
        """A picture with its map over it, or with other `values`; a flat map of its own is not coloured."""
        shown, one = self.map(row) if values is None else values, self.explanations[row]
        if values is None and isinstance(one, MapExplanation) and one.flat:
            shown = np.zeros_like(shown)
        return overlay(self.predicted.images.images[row], shown, signed=self.signed, blur=self.blur)


def right_of(images: ImageSet, probs: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """bool (N,): whether the most probable class is (among) the true ones; None without labels."""
    first = probs.argmax(axis=1)
    if images.tags is not None:
        return images.tags[np.arange(len(first)), first]
    return None if images.labels is None else first == images.labels


def stems_of(ids: Sequence[str]) -> list[str]:
    """ "0001-dog" … : a file name a picture, in order, with what of its id every file system takes."""
    digits = max(4, len(str(len(ids))))
    plain = [re.sub(r"[^\w.-]+", "_", PurePosixPath(name.replace("\\", "/")).stem)[:_STEM] for name in ids]
    return [f"{row:0{digits}d}-{name.strip('._')}".rstrip("-") for row, name in enumerate(plain, start=1)]


def save_explanations(path: Path, rows: Sequence[Explanation]) -> Path:
    """explanations.parquet: one flat row a picture."""
    import pandas as pd

    with atomic(path) as temporary:
        pd.DataFrame([_flat(as_json(row)) for row in rows]).to_parquet(temporary, index=False)
    return path


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    row["map"] = row.pop("map")
    for rank, guess in enumerate(row.pop("top"), start=1):
        row |= {f"label_{rank}": guess["label"], f"prob_{rank}": guess["probability"]}
    return {key: " | ".join(value) if isinstance(value, list) else value for key, value in row.items()}
