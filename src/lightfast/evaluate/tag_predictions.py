"""Any number of labels a picture: what a model says of each, and what the pictures carry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.evaluate.predictions import PredictionRows
from lightfast.evaluate.probability_cures import labels_cure

if TYPE_CHECKING:
    import pandas as pd

_METADATA = b"lightfast.tags"


@dataclass(frozen=True, eq=False)
class TagPredictions(PredictionRows):
    """N pictures read by one multi-label model.

    Attributes:
        pred_probs: float32 (N, K) in 0..1, each label on its own.
        thresholds: float64 (K,): a label is given from this probability on; above 1 = never.
        class_names: K names, in the order of the columns.
        ids: one text a picture.
        tags: bool (N, K), what the pictures carry, or None.
        name: what the predictions are called in tables.
        seed: seed of the model that made them, or None.
    """

    pred_probs: NDArray[np.float32]
    thresholds: NDArray[np.float64]
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    tags: NDArray[np.bool_] | None = None
    name: str = "predictions"
    seed: int | None = None

    KEY, KIND, GIVEN = _METADATA, "tag predictions", ("given", "tags")
    RECORD = (*PredictionRows.RECORD, "thresholds")

    def __post_init__(self) -> None:
        probs = self._checked_rows()
        thresholds = np.asarray(self.thresholds, dtype=np.float64)
        # A comparison with NaN is false, so NaN is caught as well.
        wrong = np.flatnonzero(~((probs >= 0) & (probs <= 1)).all(axis=1))
        if wrong.size:
            raise DataError(
                f"{self.name}: pred_probs of row {wrong[0]}",
                expected="numbers in 0..1",
                got=str(probs[wrong[0]])[:80],
                cure=labels_cure(probs),
            )
        if thresholds.shape != (self.num_classes,) or not (thresholds >= 0).all():
            raise DataError(
                f"{self.name}: thresholds",
                expected=f"{self.num_classes} numbers of at least 0, one a class",
                got=str(thresholds)[:80],
            )
        tags = None if self.tags is None else np.asarray(self.tags)
        if tags is not None and (tags.shape != probs.shape or tags.dtype != np.bool_):
            raise DataError(
                f"{self.name}: tags", expected=f"bool {probs.shape}", got=f"{tags.dtype} {tags.shape}"
            )
        self._set(pred_probs=probs.astype(np.float32), thresholds=thresholds, tags=tags)

    @cached_property
    def predicted_tags(self) -> NDArray[np.bool_]:
        """bool (N, K): which labels each picture gets."""
        return self.pred_probs >= self.thresholds

    def require_tags(self) -> NDArray[np.bool_]:
        """The tags, or a DataError that says they are missing."""
        if self.tags is None:
            raise DataError(
                f"{self.name} has no tags: it cannot be scored", cure="Predict on labelled pictures."
            )
        return self.tags

    def to_frame(self) -> pd.DataFrame:
        """One row a picture: id, given_tags and correct (all labels right; when labelled), tags
        (most probable first) and their probs.
        """
        import pandas as pd

        names = np.array(self.class_names, dtype=object)
        order = np.argsort(-self.pred_probs, axis=1, kind="stable")
        ranked = [row[own[row]] for row, own in zip(order, self.predicted_tags, strict=True)]
        columns: dict[str, Any] = {"id": list(self.ids)}
        if self.tags is not None:
            columns["given_tags"] = [list(names[row]) for row in self.tags]
        columns["tags"] = [list(names[row]) for row in ranked]
        columns["probs"] = [probs[row].tolist() for probs, row in zip(self.pred_probs, ranked, strict=True)]
        if self.tags is not None:
            columns["correct"] = (self.tags == self.predicted_tags).all(axis=1)
        return pd.DataFrame(columns)
