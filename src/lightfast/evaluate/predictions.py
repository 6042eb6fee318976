"""`Predictions`: what a model says about each picture, with the labels where they are known."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError
from lightfast.base.files import atomic
from lightfast.base.plain import as_json
from lightfast.evaluate.probability_cures import columns_cure, rows_cure

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

METADATA_KEY = b"lightfast.predictions"
SEEN = "seen"
"""Column of a file of predictions: whether the model was fitted or chosen on the picture."""
# Half-precision softmax rows miss 1 by less than this.
_SUM_TOLERANCE = 5e-3


class PredictionRows:
    """What both kinds of predictions share: N rows by K classes, and the Parquet file that keeps them."""

    KEY: ClassVar[bytes]
    KIND: ClassVar[str]
    RECORD: ClassVar[tuple[str, ...]] = ("class_names", "name", "seed")
    """Fields that stand in the metadata of the file."""
    GIVEN: ClassVar[tuple[str, str]]
    """Column of the file, and the field that it keeps."""
    pred_probs: Any
    class_names: Any
    ids: Any
    name: Any

    def __len__(self) -> int:
        return len(self.pred_probs)

    @property
    def num_classes(self) -> int:
        """How many classes the model knows."""
        return len(self.class_names)

    def to_frame(self) -> pd.DataFrame:
        """One row a picture."""
        raise NotImplementedError

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _checked_rows(self) -> NDArray[np.floating]:
        """The probabilities (N, K), once there is a name a column and an id a row."""
        self._set(class_names=tuple(map(str, self.class_names)), ids=tuple(map(str, self.ids)))
        probs = checked_shape(self.pred_probs, self.num_classes, self.name)
        if len(self.ids) != len(probs):
            raise DataError(
                f"{self.name}: ids", expected=f"{len(probs)} (one a picture)", got=str(len(self.ids))
            )
        return probs

    def save(self, path: Path | str) -> Path:
        """Write a Parquet file, atomically: the columns of `to_frame`, and arrays as they are
        (`pred_probs`, `label` or `given`), by class.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(self.to_frame(), preserve_index=False)
        column, field = self.GIVEN
        for name, values in (("pred_probs", self.pred_probs), (column, getattr(self, field))):
            if values is not None:
                flat = pa.array(np.ascontiguousarray(values).ravel())
                many = values.ndim > 1
                table = table.append_column(
                    name, pa.FixedSizeListArray.from_arrays(flat, self.num_classes) if many else flat
                )
        record = {name: as_json(getattr(self, name)) for name in self.RECORD}
        metadata = {**(table.schema.metadata or {}), self.KEY: json.dumps(record).encode()}
        with atomic(Path(path)) as temporary:
            pq.write_table(table.replace_schema_metadata(metadata), temporary)
        return Path(path)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a file written by `save`; raises DataError naming the file when it is missing,
        damaged or something else.
        """
        table, record = _load_table(Path(path), cls)
        shape = (len(table), len(record["class_names"]))

        def array(name: str) -> NDArray[Any] | None:
            if name not in table.column_names:
                return None
            values = table[name].combine_chunks()
            many = values.type.num_fields > 0
            flat = (values.flatten() if many else values).to_numpy(zero_copy_only=False)
            return flat.reshape(shape) if many else flat

        column, field = cls.GIVEN
        known = {name: record[name] for name in cls.RECORD} | {field: array(column)}
        if SEEN in cls.__annotations__ and SEEN in table.column_names and not table[SEEN].null_count:
            known[SEEN] = table[SEEN].to_numpy()
        make: Any = cls
        return make(pred_probs=array("pred_probs"), ids=table["id"].to_pylist(), **known)


@dataclass(frozen=True, eq=False)
class Predictions(PredictionRows):
    """N pictures read by one model.

    Attributes:
        pred_probs: float32 (N, K) in 0..1, each row sums to 1.
        class_names: K names, in the order of the label numbers.
        ids: one text a picture, as in the `ImageSet` that was read.
        labels: int64 (N,) given labels in 0..K-1, or None.
        name: what the predictions are called in tables.
        seed: seed of the model that made them, or None.
        seen: bool (N,), which pictures the model was fitted or chosen on; None: not known.
    """

    pred_probs: NDArray[np.float32]
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    labels: NDArray[np.int64] | None = None
    name: str = "predictions"
    seed: int | None = None
    seen: NDArray[np.bool_] | None = None

    KEY, KIND, GIVEN = METADATA_KEY, "predictions", ("label", "labels")

    def __post_init__(self) -> None:
        probs = _checked_probs(self._checked_rows(), self.name)
        labels = self.labels
        if labels is not None:
            labels = checked_labels(labels, len(probs), self.num_classes, self.name)
        seen = None if self.seen is None else np.asarray(self.seen, dtype=np.bool_)
        if seen is not None and seen.shape != (len(probs),):
            raise DataError(
                f"{self.name}: seen", expected=f"shape ({len(probs)},), one a picture", got=str(seen.shape)
            )
        self._set(pred_probs=probs, labels=labels, seen=seen)

    @cached_property
    def predicted_labels(self) -> NDArray[np.int64]:
        """int64 (N,): the most probable class; of equals the first."""
        return self.pred_probs.argmax(axis=1).astype(np.int64)

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """float32 (N,): the probability of the predicted class, 0..1."""
        return self.pred_probs.max(axis=1)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """bool (N,): whether the predicted label is the given one; raises DataError without labels."""
        return self.predicted_labels == self.require_labels()

    def require_labels(self) -> NDArray[np.int64]:
        """The labels, or a DataError that says they are missing."""
        if self.labels is None:
            raise DataError(
                f"{self.name} has no labels: it cannot be scored", cure="Predict on labelled pictures."
            )
        return self.labels

    def take(self, indices: NDArray[np.integer] | Sequence[int], name: str | None = None) -> Self:
        """The rows at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        labels = None if self.labels is None else self.labels[chosen]
        seen = None if self.seen is None else self.seen[chosen]
        ids = tuple(self.ids[index] for index in chosen)
        return dataclasses.replace(
            self,
            pred_probs=self.pred_probs[chosen],
            labels=labels,
            ids=ids,
            seen=seen,
            name=name or self.name,
        )

    def unseen(self) -> Self:
        """The same, marked: the model was neither fitted nor chosen on any of these pictures."""
        return dataclasses.replace(self, seen=np.zeros(len(self), dtype=np.bool_))

    def to_frame(self, top: int = 1) -> pd.DataFrame:
        """One row a picture: id, given_label and correct (when labelled), predicted_label, confidence, then
        the next `top` - 1 guesses.

        Labels are class names. The further guesses stand in label_2, prob_2, label_3, ...
        """
        import pandas as pd

        names = np.array(self.class_names, dtype=object)
        columns: dict[str, Any] = {"id": list(self.ids)}
        if self.labels is not None:
            columns["given_label"] = names[self.labels]
        columns |= {"predicted_label": names[self.predicted_labels], "confidence": self.confidence}
        if self.labels is not None:
            columns["correct"] = self.correct
        # A stable sort keeps the first of equals first, as argmax does.
        order = np.argsort(-self.pred_probs, axis=1, kind="stable")
        for rank in range(1, min(top, self.num_classes)):
            guess = order[:, rank]
            columns[f"label_{rank + 1}"] = names[guess]
            columns[f"prob_{rank + 1}"] = np.take_along_axis(self.pred_probs, guess[:, None], axis=1)[:, 0]
        if self.seen is not None:
            columns[SEEN] = self.seen
        return pd.DataFrame(columns)


def checked_shape(pred_probs: ArrayLike, num_classes: int, name: str) -> NDArray[np.floating]:
    """Floats (N, num_classes), or a DataError about `name`."""
    probs = np.asarray(pred_probs)
    if probs.ndim != 2 or probs.shape[1] != num_classes or num_classes == 0 or probs.dtype.kind != "f":
        raise DataError(
            f"{name}: pred_probs",
            expected=f"floats of shape (N, {num_classes}), one column a class name",
            got=f"{probs.dtype} {probs.shape}",
            cure=columns_cure(probs, num_classes),
        )
    return probs


def _checked_probs(probs: NDArray[np.floating], name: str) -> NDArray[np.float32]:
    if not np.isfinite(probs).all():
        row = int(np.flatnonzero(~np.isfinite(probs).all(axis=1))[0])
        raise DataError(
            f"{name}: pred_probs of row {row}",
            expected="finite numbers",
            got="NaN or infinity",
            cure="The model's weights or its input are not finite.",
        )
    sums = probs.sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero((np.abs(sums - 1) > _SUM_TOLERANCE) | (probs.min(axis=1) < 0))
    if wrong.size:
        row = int(wrong[0])
        raise DataError(
            f"{name}: pred_probs of row {row}",
            expected="values of at least 0 that sum to 1",
            got=f"sum {sums[row]:.4g}, smallest {probs[row].min():.4g}",
            cure=rows_cure(probs),
        )
    return probs.astype(np.float32)


def checked_labels(labels: ArrayLike, count: int, num_classes: int, name: str) -> NDArray[np.int64]:
    """`labels` as int64 (count,) in 0..num_classes-1; raises DataError that names the set."""
    given = np.asarray(labels)
    if given.shape != (count,) or given.dtype.kind not in "iu":
        raise DataError(
            f"{name}: labels",
            expected=f"whole numbers of shape ({count},)",
            got=f"{given.dtype} {given.shape}",
        )
    if count and (given.min() < 0 or given.max() >= num_classes):
        wrong = int(given.min() if given.min() < 0 else given.max())
        raise DataError(
            f"{name}: label {wrong}",
            expected=f"0..{num_classes - 1} ({num_classes} class names)",
            cure="The pictures were labelled for another class list.",
        )
    return given.astype(np.int64)


def require_same_classes(first: Predictions, second: Predictions) -> None:
    """Raise DataError, naming both, unless the two were made for the same class list."""
    if first.class_names != second.class_names:
        raise DataError(
            f"{first.name} and {second.name} were made for different class lists",
            expected=_listed(first.class_names),
            got=_listed(second.class_names),
            cure="Compare runs trained on the same classes.",
        )


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:6])
    return f"{len(names)} classes ({shown}{', …' if len(names) > 6 else ''})"


def _load_table(source: Path, kind: type[PredictionRows]) -> tuple[pa.Table, dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not source.is_file():
        raise DataError(
            f"no such predictions file: {source}", cure="Write one: lightfast predict with `form=parquet`."
        )
    try:
        table = pq.ParquetFile(source).read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source} is not a readable Parquet file ({error})") from error
    metadata = table.schema.metadata or {}
    if kind.KEY not in metadata or "pred_probs" not in table.column_names:
        raise DataError(
            f"{source} is a Parquet file, but not one of {kind.KIND}",
            cure=f"Write it with {kind.__name__}.save.",
        )
    return table, json.loads(metadata[kind.KEY])
