"""Any number of labels a picture: what a model says of each, and what the pictures carry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.evaluate.predictions import checked_shape, load_prediction_table, save_prediction_table

if TYPE_CHECKING:
    import pandas as pd

_METADATA = b"lightfast.tags"


@dataclass(frozen=True, eq=False)
class TagPredictions:
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

    def __post_init__(self) -> None:
        names, ids = tuple(map(str, self.class_names)), tuple(map(str, self.ids))
        probs = checked_shape(self.pred_probs, len(names), self.name)
        thresholds = np.asarray(self.thresholds, dtype=np.float64)
        # A comparison with NaN is false, so NaN is caught as well.
        wrong = np.flatnonzero(~((probs >= 0) & (probs <= 1)).all(axis=1))
        if wrong.size:
            raise DataError(
                f"{self.name}: pred_probs of row {wrong[0]}",
                expected="numbers in 0..1",
                got=str(probs[wrong[0]])[:80],
                cure="Apply sigmoid to logits first.",
            )
        if thresholds.shape != (len(names),) or not (thresholds >= 0).all():
            raise DataError(
                f"{self.name}: thresholds",
                expected=f"{len(names)} numbers of at least 0, one a class",
                got=str(thresholds)[:80],
            )
        if len(ids) != len(probs):
            raise DataError(f"{self.name}: ids", expected=f"{len(probs)} (one a picture)", got=str(len(ids)))
        tags = None if self.tags is None else np.asarray(self.tags)
        if tags is not None and (tags.shape != probs.shape or tags.dtype != np.bool_):
            raise DataError(
                f"{self.name}: tags", expected=f"bool {probs.shape}", got=f"{tags.dtype} {tags.shape}"
            )
        for field, value in (
            ("class_names", names),
            ("ids", ids),
            ("pred_probs", probs.astype(np.float32)),
            ("thresholds", thresholds),
            ("tags", tags),
        ):
            object.__setattr__(self, field, value)

    def __len__(self) -> int:
        return len(self.pred_probs)

    @property
    def num_classes(self) -> int:
        """How many labels the model knows."""
        return len(self.class_names)

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

    def save(self, path: Path | str) -> Path:
        """Write a Parquet file, atomically: the columns of `to_frame`, and `pred_probs`
        (with tags `given`) as lists by class.
        """
        import pyarrow as pa

        table = pa.Table.from_pandas(self.to_frame(), preserve_index=False)
        matrices = {"pred_probs": (self.pred_probs, pa.float32()), "given": (self.tags, pa.bool_())}
        for column, (matrix, kind) in matrices.items():
            if matrix is not None:
                flat = pa.array(np.ascontiguousarray(matrix).ravel(), type=kind)
                table = table.append_column(column, pa.FixedSizeListArray.from_arrays(flat, self.num_classes))
        record = {
            "class_names": self.class_names,
            "thresholds": self.thresholds.tolist(),
            "name": self.name,
            "seed": self.seed,
        }
        return save_prediction_table(Path(path), table, _METADATA, record)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a file written by `save`; raises DataError naming the file when it is missing,
        damaged or something else.
        """
        table, record = load_prediction_table(
            Path(path), _METADATA, "tag predictions", "Write it with TagPredictions.save."
        )
        shape = (len(table), len(record["class_names"]))

        def matrix(column: str) -> NDArray[Any]:
            return table[column].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(shape)

        tags = matrix("given").astype(bool) if "given" in table.column_names else None
        return cls(
            matrix("pred_probs"),
            np.array(record["thresholds"]),
            tuple(record["class_names"]),
            tuple(table["id"].to_pylist()),
            tags,
            record["name"],
            record["seed"],
        )
