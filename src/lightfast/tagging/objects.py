"""Several objects in one picture: what each place is tagged, and one list of tags with boxes out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError, UnknownName
from lightfast.data.decode.decode import resize_batch
from lightfast.tagging.proposals import area, checked_picture, propose, shared_area

TagFunction = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""uint8 (N, H, W, 3) → probabilities (N, K) in 0..1."""

_CONTAINED = 0.8


@dataclass(frozen=True)
class ObjectSettings:
    """How objects are looked for and when one counts.

    Attributes:
        limit: places a picture that are tagged, at most.
        threshold: probability in 0..1 from which on a label counts.
        thresholds: the same, one a class; empty = `threshold` for all.
        other: the class that means "nothing of the list", or None.
        margin: by how much a label's probability in a place must exceed that of `other` there.
        overlap: of two places with one label whose intersection over union is larger, the less probable one
            is dropped.
        context: a place is widened by this share of its sides before it is tagged.
    """

    limit: int = 40
    threshold: float = 0.5
    thresholds: tuple[float, ...] = ()
    other: str | None = None
    margin: float = 0.1
    overlap: float = 0.3
    context: float = 0.1

    def __post_init__(self) -> None:
        for name in ("threshold", "margin", "overlap", "context"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise SettingsError(f"objects: {name}", expected="a share in 0..1", got=str(value))
        if self.limit < 1:
            raise SettingsError("objects: limit", expected="at least 1 place", got=str(self.limit))


@dataclass(frozen=True, eq=False)
class Objects:
    """What stands in one picture.

    Attributes:
        labels: one a found object, the most probable first; a label may occur more than once.
        probabilities: of these labels, 0..1.
        boxes: int64 (M, 4), x0, y0, x1, y1 in pixels, x1 and y1 outside.
        whole: label → probability of the picture tagged as a whole, where above the threshold.
    """

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    boxes: NDArray[np.int64]
    whole: dict[str, float]

    @property
    def tags(self) -> dict[str, float]:
        """Label → highest probability, of the whole picture and of the objects; the most probable first."""
        merged = dict(self.whole)
        for label, probability in zip(self.labels, self.probabilities, strict=True):
            merged[label] = max(probability, merged.get(label, 0.0))
        return dict(sorted(merged.items(), key=lambda entry: (-entry[1], entry[0])))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values: tags (merged), whole, and objects with label, probability and box."""
        rows = zip(self.labels, self.probabilities, self.boxes.tolist(), strict=True)
        return {
            "tags": self.tags,
            "whole": self.whole,
            "objects": [
                {"label": label, "probability": probability, "box": box} for label, probability, box in rows
            ],
        }


def crops(
    image: NDArray[np.uint8], boxes: NDArray[np.integer], image_size: tuple[int, int], context: float = 0.1
) -> NDArray[np.uint8]:
    """The places of a picture as pictures of one size: uint8 (M, H, W, 3).

    A box is widened by `context`, then to the proportions of `image_size` as far as the picture reaches; what
    still differs is cut as `data.decode.decode.resize_batch` cuts.
    """
    height, width = image_size
    wide = _widened(np.asarray(boxes, dtype=np.float64), image.shape[:2], width / height, context)
    cut = [resize_batch(image[None, y0:y1, x0:x1], image_size, 3) for x0, y0, x1, y1 in wide]
    return np.concatenate([np.empty((0, height, width, 3), dtype=np.uint8), *cut])


def find_objects(
    image: NDArray[np.uint8],
    tagger: TagFunction,
    class_names: Sequence[str],
    object_settings: ObjectSettings | None = None,
    image_size: tuple[int, int] = (224, 224),
) -> Objects:
    """Tag a picture as a whole and place by place, and merge both.

    Args:
        image: uint8 (H, W, 3).
        tagger: a classifier; it is called once with the whole picture and all places.
        class_names: K names in the order of its columns.
        object_settings: limits and thresholds.
        image_size: (H, W) that the tagger is given.

    Raises DataError when the tagger's answer does not fit,
    UnknownName when `object_settings.other` is no class.
    """
    object_settings = object_settings or ObjectSettings()
    places = propose(checked_picture(image), object_settings.limit)
    whole = resize_batch(image[None], image_size, 3)
    pictures = np.concatenate([whole, crops(image, places, image_size, object_settings.context)])
    probs = np.asarray(tagger(pictures), dtype=np.float64)
    if probs.shape != (len(pictures), len(class_names)) or not np.isfinite(probs).all():
        raise DataError(
            "objects: the tagger's answer",
            expected=f"finite probabilities ({len(pictures)}, {len(class_names)})",
            got=str(probs.shape),
            cure=f"It was given {len(pictures)} pictures of {image_size[0]} x {image_size[1]} pixels.",
        )
    return merge(places, probs[1:], probs[0], class_names, object_settings)


def merge(
    places: NDArray[np.integer],
    probs: NDArray[np.floating],
    whole: NDArray[np.floating],
    class_names: Sequence[str],
    object_settings: ObjectSettings,
) -> Objects:
    """The objects among tagged places: threshold, margin over `object_settings.other`, then per label
    non-maximum suppression.

    Args:
        places: (M, 4) boxes.
        probs: (M, K) probabilities of the places, whole: (K,) of the picture as a whole.
        class_names: K names.
        object_settings: limits and thresholds.
    """
    names, settings, boxes = (
        np.array(class_names, dtype=object),
        object_settings,
        np.asarray(places, np.int64),
    )
    others = _other(class_names, settings.other)
    bounds = np.where(np.arange(len(names)) == others, np.inf, _bounds(class_names, settings))
    floor = 0.0 if others is None else probs[:, [others]] + settings.margin
    rows, columns = np.nonzero((probs >= bounds) & (probs >= floor))
    kept = _suppressed(boxes[rows], probs[rows, columns], columns, settings.overlap)
    rows, columns = rows[kept], columns[kept]
    sure = [label for label in np.argsort(-whole, kind="stable") if whole[label] >= bounds[label]]
    return Objects(
        tuple(names[columns]),
        tuple(probs[rows, columns].astype(float).tolist()),
        boxes[rows].reshape(-1, 4),
        {class_names[int(label)]: float(whole[label]) for label in sure},
    )


def _suppressed(
    boxes: NDArray[np.int64], scores: NDArray[np.floating], labels: NDArray[np.integer], overlap: float
) -> NDArray[np.int64]:
    """Rows that stay, the most probable first: OpenCV's suppression a label,
    then no box inside a more probable one of its label.
    """
    import cv2

    if not len(boxes):
        return np.zeros(0, dtype=np.int64)
    sized = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    found = cv2.dnn.NMSBoxesBatched(
        sized.astype(float).tolist(), scores.tolist(), labels.tolist(), 0.0, max(overlap, 1e-6)
    )
    rows = np.asarray(found, dtype=np.int64).ravel()
    rows = rows[np.lexsort((rows, -scores[rows]))]
    kept: list[int] = []
    for row in rows.tolist():
        same = [other for other in kept if labels[other] == labels[row]]
        inside = shared_area(boxes[[row]], boxes[same]) / np.minimum(
            area(boxes[[row]])[:, None], area(boxes[same])[None]
        )
        if not (inside > _CONTAINED).any():
            kept.append(row)
    return np.array(kept, dtype=np.int64)


def _bounds(class_names: Sequence[str], settings: ObjectSettings) -> NDArray[np.float64]:
    """float64 (K,): the probability from which on each label counts."""
    bounds, count = settings.thresholds or (settings.threshold,) * len(class_names), len(class_names)
    if len(bounds) != count:
        raise SettingsError("objects: thresholds", expected=f"{count}, one a class", got=str(len(bounds)))
    return np.array(bounds, dtype=np.float64)


def _other(class_names: Sequence[str], name: str | None) -> int | None:
    if name is None:
        return None
    if name not in class_names:
        raise UnknownName("class", name, class_names)
    return list(class_names).index(name)


def _widened(
    boxes: NDArray[np.float64], shape: tuple[int, int], aspect: float, context: float
) -> NDArray[np.int64]:
    """Boxes with context and as far as possible of the wanted width over height, inside the picture;
    at least one pixel.
    """
    height, width = shape
    sides = (boxes[:, 2:] - boxes[:, :2]) * (1 + context)
    wanted = np.stack(
        [np.maximum(sides[:, 0], sides[:, 1] * aspect), np.maximum(sides[:, 1], sides[:, 0] / aspect)], axis=1
    )
    wanted = np.minimum(wanted, (width, height))
    low = np.clip((boxes[:, :2] + boxes[:, 2:] - wanted) / 2, 0, (width, height) - wanted)
    corners = np.concatenate([np.floor(low), np.maximum(np.ceil(low + wanted), np.floor(low) + 1)], axis=1)
    return np.minimum(corners, (width, height) * 2).astype(np.int64)
