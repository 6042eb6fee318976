"""One picture through the repair kit of a run: what is wrong with it, and how it is read before and after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.data.decode.decode import decode_file
from lightfast.data.images import ImageSet
from lightfast.models.load import load_classifier
from lightfast.restore.pipeline import Pipeline, repair
from lightfast.runs.folder import REPAIR_FOLDER
from lightfast.runs.library.model_card import require_repair_kit

_TOP = 3


@dataclass(frozen=True, eq=False)
class PictureRepair:
    """What the kit made of one picture.

    Attributes:
        damage: what the detector says: a kind, "clean" or "unknown"; `severity` 0 (clean) to 5.
        sure: the detector's highest probability, 0..1.
        attempted: whether it was restored; `kept`: whether the restored picture is the one that counts.
        needs_review: whether a person is to look, with the `reason`, or "".
        before, after: (label, probability), the three most probable, of the first and of the final reading.
        picture, restored: uint8 (H, W, C), as the network saw it, and after the repair.
    """

    damage: str
    severity: int
    sure: float
    attempted: bool
    kept: bool
    needs_review: bool
    reason: str
    before: tuple[tuple[str, float], ...]
    after: tuple[tuple[str, float], ...]
    picture: NDArray[np.uint8]
    restored: NDArray[np.uint8]


def kit_of_run(run: str, device: str) -> Pipeline:
    """The repair kit that stands in a run folder, whatever it was made for; raises NotFoundError."""
    require_repair_kit(run)
    return Pipeline.load(Path(run) / REPAIR_FOLDER, load_classifier(run, device))


def repair_picture(pipeline: Pipeline, path: Path) -> PictureRepair:
    """Detect, restore and read again the picture in a file. Raises UnreadablePicture."""
    height, width, channels = pipeline.classifier.image_shape
    image = decode_file(path, (height, width), channels)
    found = repair(pipeline, ImageSet(image[None], ids=(path.name,)))
    return PictureRepair(
        damage=found.damage.names[0],
        severity=int(found.damage.severity[0]),
        sure=float(found.damage.kind_probs[0].max()),
        attempted=bool(found.attempted[0]),
        kept=bool(found.kept[0]),
        needs_review=bool(found.needs_review[0]),
        reason=found.reasons[0],
        before=_most_probable(found.before.class_names, found.before.pred_probs[0]),
        after=_most_probable(found.after.class_names, found.after.pred_probs[0]),
        picture=image,
        restored=found.restored[0],
    )


def _most_probable(names: tuple[str, ...], probs: NDArray[np.float32]) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-probs, kind="stable")[:_TOP]
    return tuple((names[at], float(probs[at])) for at in order)
