"""What no classifier can learn from."""

from __future__ import annotations

import numpy as np

from lightfast.base.errors import DataError
from lightfast.data.images import ImageSet


def check_trainable(images: ImageSet) -> None:
    """Refuse what no classifier can learn from: no pictures, one picture, one class,
    a class without pictures.
    """
    targets = images.require_labels() if images.tags is None else images.tags
    if len(images) < 2:
        raise DataError(
            f"{images.name}: training pictures",
            expected="at least 2",
            got=str(len(images)),
            cure="Add more pictures, or take a larger limit.",
        )
    tagged = targets.ndim == 2
    if not tagged and images.num_classes < 2:
        raise DataError(
            f"{images.name}: classes",
            expected="at least 2",
            got=f"1 ({images.class_names[0]})",
            cure="Add a folder of counter-examples.",
        )
    there = targets.any(axis=0) if tagged else np.isin(np.arange(images.num_classes), targets)
    missing = ", ".join([images.class_names[row] for row in np.flatnonzero(~there)][:5])
    if missing:
        lacks, remedy = ("picture carries", "label") if tagged else ("pictures of", "empty class")
        raise DataError(
            f"{images.name}: no training {lacks} {missing}", cure=f"Add pictures, or remove the {remedy}."
        )
