"""The table of everything that is wrong: one row an issue, the same columns for every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.base.errors import DataError
from lightfast.base.files import atomic

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Issue:
    """One thing wrong with one picture.

    Attributes:
        kind: "label", "missing label", "superfluous label", a kind of `CopyGroup`, "outlier", or a kind of
            `Flaw`.
        id: of the picture.
        part: train, val, test or all. Correcting a label of a test part inflates the figures from it.
        given_label: its label; "" without labels.
        suggested_label: what it probably is; "" where nothing is suggested.
        score: 0..1, low: probably wrong; comparable within one kind.
        confidence: of the model in the suggestion, 0..1; 0 where no model suggests anything.
        reason: in words.
        agreeing: ids of the nearest pictures with the given label (of copies: the others of the group).
        disagreeing: ids of the nearest pictures with the suggested label.
    """

    kind: str
    id: str
    part: str
    given_label: str
    suggested_label: str
    score: float
    confidence: float
    reason: str
    agreeing: tuple[str, ...] = ()
    disagreeing: tuple[str, ...] = ()


def issue_frame(issues: Sequence[Issue]) -> pd.DataFrame:
    """The issues as a table, one column a field."""
    import pandas as pd

    columns = {
        entry.name: [
            list(value) if isinstance(value := getattr(one, entry.name), tuple) else value for one in issues
        ]
        for entry in fields(Issue)
    }
    kinds = {"score": "float64", "confidence": "float64"}
    return pd.DataFrame(columns).astype(kinds)


def save_issues(path: Path, issues: Sequence[Issue]) -> Path:
    """Write a Parquet file, atomically."""
    frame = issue_frame(issues)
    with atomic(path) as temporary:
        frame.to_parquet(temporary, index=False)
    return path


def load_issues(path: Path) -> tuple[Issue, ...]:
    """Read what `save_issues` has written; raises DataError naming the file when it is something else."""
    import pyarrow.parquet as pq

    names = [entry.name for entry in fields(Issue)]
    try:
        table = pq.read_table(path, columns=names)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path} is no table of issues ({str(error).splitlines()[0]})", cure="Make one: `curate`."
        ) from error
    lists = ("agreeing", "disagreeing")
    return tuple(
        Issue(**(row | {name: tuple(row[name] or ()) for name in lists})) for row in table.to_pylist()
    )
