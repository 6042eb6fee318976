"""Restored and read again at more than one place: what the re-reading of a repair is averaged over.

A restorer meets noise, glass or a turned digit by chance better or worse; moved by a pixel it errs elsewhere,
and the mean of the readings errs less (test-time augmentation, Krizhevsky et al. 2012; of restorers: Timofte
et al. 2016).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import UnknownName
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import pred_probs
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import restore
from lightfast.restore.pairs import DamageMix
from lightfast.restore.rules import rehearsed
from lightfast.statistics.intervals import SIGNIFICANT, mcnemar_p_value

ONE_VIEW, SHIFT_VIEWS = "one", "shift"
REREAD_VIEWS = (ONE_VIEW, SHIFT_VIEWS)
"""A damaged picture is restored and read as it is; or also moved by a pixel up, down, left and right."""
AUTO_VIEWS = "auto"
"""In place of one of `REREAD_VIEWS`: whichever validation pictures choose."""
_PER_KIND = 500
"""Validation pictures of every kind that the choice is made on, at most."""
_MOVES = {ONE_VIEW: ((0, 0),), SHIFT_VIEWS: ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))}
_DETAIL = "reread_views"
VIEWS_COUNTED = f"{_DETAIL}_val"
"""Detail of a restorer whose views were chosen: what was counted."""


def views_of_restorer(restorer: Checkpoint) -> str:
    """Of `REREAD_VIEWS`, what repaired pictures are read over; "one" where nothing was chosen."""
    return str(restorer.details.get(_DETAIL, ONE_VIEW))


def with_reread_views(restorer: Checkpoint, views: str) -> Checkpoint:
    """A copy of a restorer behind which re-readings are averaged over `views`; UnknownName for others."""
    if views not in REREAD_VIEWS:
        raise UnknownName("views", views, REREAD_VIEWS)
    # What was counted is of a choice: views that were named leave it open to be made.
    rest = {name: told for name, told in restorer.details.items() if name != VIEWS_COUNTED}
    return restorer.replace(details={**rest, _DETAIL: views})


def restored_and_read(
    classifier: Checkpoint, restorer: Checkpoint, images: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """uint8 (N, H, W, C) → (restored pictures of the same shape, probabilities float32 (N, K) that the
    classifier gives them), the mean over the restorer's views; the pictures are those of the unmoved view.
    """
    moves = _MOVES[views_of_restorer(restorer)]
    shown = restore(restorer, images)
    probs = pred_probs(classifier, shown)
    for move in moves[1:]:
        probs = probs + pred_probs(classifier, restore(restorer, moved(images, *move)))
    return shown, (probs / len(moves)).astype(np.float32)


def moved(images: NDArray[np.uint8], down: int, across: int) -> NDArray[np.uint8]:
    """(N, H, W, C) moved by so many pixels (negative: up, left), the edge continued."""
    height, width = images.shape[1:3]
    far = max(abs(down), abs(across))
    padded = np.pad(images, ((0, 0), (far, far), (far, far), (0, 0)), mode="edge")
    return padded[:, far - down : far - down + height, far - across : far - across + width]


def choose_reread_views(
    classifier: Checkpoint, restorer: Checkpoint, val_images: ImageSet, mix: DamageMix, *, seed: int = 0
) -> Checkpoint:
    """The restorer with the views whose re-readings of `val_images`, at most 500 damaged by every kind
    of `mix`, are right more often; "shift" only where that is shown (McNemar), since it restores five times.

    What was counted stands in its details: `reread_views_val` with n, right by one view and by both readings.
    """
    rng = generator(seed, "reread-views")
    few = val_images.take(rng.permutation(len(val_images))[:_PER_KIND])
    degraded, labels, _ = rehearsed(few, mix, rng)
    right = {
        views: restored_and_read(classifier, with_reread_views(restorer, views), degraded)[1].argmax(axis=1)
        == labels
        for views in REREAD_VIEWS
    }
    gained = int((right[SHIFT_VIEWS] & ~right[ONE_VIEW]).sum())
    lost = int((right[ONE_VIEW] & ~right[SHIFT_VIEWS]).sum())
    # The p-value is two-sided; which side is asked here.
    better = gained > lost and float(mcnemar_p_value(gained, lost)) < 2 * SIGNIFICANT
    chosen = with_reread_views(restorer, SHIFT_VIEWS if better else ONE_VIEW)
    counted = {"n": len(labels), **{views: int(hits.sum()) for views, hits in right.items()}}
    return chosen.replace(details={**chosen.details, VIEWS_COUNTED: counted})
