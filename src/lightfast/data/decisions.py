"""Review by people: the pictures to look at (`ReviewQueue`) and what was decided (`DecisionLog`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lightfast.base.errors import DataError
from lightfast.base.files import atomic, write_text
from lightfast.base.journal import Journal

if TYPE_CHECKING:
    import pandas as pd

_TEXTS = (
    *("id", "given_label", "predicted_label", "reason"),
    *("path", "content", "decided_label", "reviewer"),
)


@dataclass(frozen=True)
class Decision:
    """What one person decided about the label of one picture.

    Attributes:
        picture: id of the picture in its `ImageSet`.
        content: content hash of the picture: a decision holds for these pixels only.
        given_label: the label before, None where there was none.
        decided_label: the name of its class, or None for "not this".
        reviewer: who decided.
        when: UTC, ISO 8601.
        reason: in the reviewer's words; may be empty.
        seconds: from showing the picture to the decision.
    """

    picture: str
    content: str
    given_label: str | None
    decided_label: str | None
    reviewer: str
    when: str
    reason: str
    seconds: Annotated[float, Field(ge=0)]

    @classmethod
    def of(cls, picture: tuple[str, str], change: tuple[str | None, str | None], **said: Any) -> Self:
        """The decision about the picture (id, content hash), from the given label to the decided one, made
        now; `said` holds reviewer, and reason and seconds where they are known.
        """
        when = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(*picture, *change, when=when, **{"reason": "", "seconds": 0.0} | said)


class DecisionLog(Journal[Decision]):
    """An append-only JSONL file of decisions. Nothing in it is ever changed or removed; one that was wrong is
    followed by another.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, Decision)

    def append(self, record: Decision) -> None:
        """Add one decision and bring it to the disk; raises DataError where nobody made it."""
        if not record.reviewer.strip():
            raise DataError(f"a decision for {self.path}", expected="the name of a reviewer", got="nothing")
        super().append(record)


def latest(decisions: Iterable[Decision]) -> dict[tuple[str, str], Decision]:
    """(id, content hash) of a picture → the last decision about it, in the order of the log.

    The order of the log counts, not `when`: the clocks of two machines need not agree.
    """
    return {(decision.picture, decision.content): decision for decision in decisions}


@dataclass(frozen=True)
class ReviewItem:
    """One picture for a person to look at.

    Attributes:
        id: of the picture in its `ImageSet`.
        predicted_label: what a model takes it for.
        confidence: of the model, 0..1, kept as float32.
        reason: why a person should look.
        given_label: its label; None where there is none, or where the person should not see it.
    """

    id: str
    predicted_label: str
    confidence: float
    reason: str
    given_label: str | None = None


_FIELDS = tuple(entry.name for entry in fields(ReviewItem))


@dataclass(frozen=True, eq=False)
class ReviewQueue:
    """Pictures for a person, in the order in which to look at them.

    Attributes:
        items: the pictures.
        more: column → one value an item: what else whoever made the queue knows of them.
    """

    items: tuple[ReviewItem, ...]
    more: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def save(self, path: Path | str, columns: Mapping[str, str] | None = None) -> Path:
        """Write a .csv or .parquet file, atomically.

        Args:
            path: the file.
            columns: name of a column here → its name in the file, in the order of the file; None writes the
                fields of `ReviewItem` (given_label where some item has one) and then `more`.
        """
        import pandas as pd

        path = _checked(path)
        frame = pd.DataFrame(
            {name: [getattr(item, name) for item in self.items] for name in _FIELDS} | dict(self.more)
        ).astype({"confidence": np.float32})
        if not any(item.given_label for item in self.items):
            frame = frame.drop(columns="given_label")
        if columns is not None:
            frame = frame.loc[:, list(columns)].rename(columns=dict(columns))
        if path.suffix == ".csv":
            return write_text(path, frame.to_csv(index=False))
        with atomic(path) as temporary:
            frame.to_parquet(temporary, index=False)
        return path

    @classmethod
    def load(cls, path: Path | str, columns: Mapping[str, str] | None = None) -> Self:
        """Read what `save` has written, with the same `columns`; raises DataError naming the file when it is
        missing, damaged or something else.
        """
        import pandas as pd
        from pyarrow import csv

        path, own = _checked(path), {there: here for here, there in (columns or {}).items()}
        try:
            if path.suffix == ".csv":
                # Texts stay as they are: a class may be called "NA" or "007".
                kinds = {**dict.fromkeys(_TEXTS, "string"), "confidence": "float32"}
                kinds = {(columns or {}).get(name, name): kind for name, kind in kinds.items()}
                table = csv.read_csv(
                    path,
                    parse_options=csv.ParseOptions(newlines_in_values=True),
                    convert_options=csv.ConvertOptions(column_types=kinds),
                )
                frame = table.to_pandas()
            else:
                frame = pd.read_parquet(path)
            return cls.of_frame(frame.rename(columns=own))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{path} is no review queue ({str(error).splitlines()[0]})",
                cure="Write it with ReviewQueue.save.",
            ) from error

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> Self:
        """The queue of a table with the columns of `save`; KeyError where one is missing."""
        given = frame["given_label"] if "given_label" in frame else [None] * len(frame)
        items = zip(
            map(str, frame["id"]),
            map(str, frame["predicted_label"]),
            map(float, frame["confidence"].astype(np.float32)),
            map(str, frame["reason"]),
            (label if isinstance(label, str) and label else None for label in given),
            strict=True,
        )
        more = {str(name): frame[name].to_numpy() for name in frame.columns if name not in _FIELDS}
        return cls(tuple(ReviewItem(*item) for item in items), more)


def _checked(path: Path | str) -> Path:
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"review queue {path}", expected="a .csv or .parquet file")
    return path
