"""Readings as Parquet files: a table with one JSON record in its metadata, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightfast.base.errors import DataError
from lightfast.base.files import atomic

if TYPE_CHECKING:
    import pyarrow as pa


def save_table(path: Path, table: pa.Table, key: bytes, record: Mapping[str, Any]) -> Path:
    """Write `table` with `record` under `key`, atomically."""
    import pyarrow.parquet as pq

    metadata = {**(table.schema.metadata or {}), key: json.dumps(dict(record)).encode()}
    with atomic(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary)
    return path


def load_table(source: Path, key: bytes, what: str, cure: str) -> tuple[pa.Table, dict[str, Any]]:
    """(the table, its record); raises DataError naming the file when it is missing, damaged,
    or not one of `what`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not source.is_file():
        raise DataError(
            f"no such predictions file: {source}",
            cure="`lightfast predict RUN PATH --format parquet` writes one.",
        )
    try:
        table = pq.ParquetFile(source).read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source} is not a readable Parquet file ({error})") from error
    metadata = table.schema.metadata or {}
    if key not in metadata or "pred_probs" not in table.column_names:
        raise DataError(f"{source} is a Parquet file, but not one of {what}", cure=cure)
    return table, json.loads(metadata[key])
