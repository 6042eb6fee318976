"""Parquet files with the pictures inside, as the Hugging Face hub stores data sets: taken out into a folder
with a `metadata.jsonl`, and read as one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.decode.unreadable import InMemoryFile, picture_format, printable
from lightfast.data.sources.archives import Unpacked
from lightfast.data.sources.names import part_named

_BATCH = 256
_NAMES = ("image", "img", "picture", "photo")
_HUB_KEY = b"huggingface"
_ENDINGS = {"JPEG": ".jpg", "TIFF": ".tif", "": ".bin"}


def picture_column(path: Path) -> str:
    """The column of a Parquet file that holds pictures as bytes, or as {bytes, path}; "" without one, and for
    what is no Parquet file.
    """
    import pyarrow as arrow
    from pyarrow import parquet, types

    try:
        schema = parquet.read_schema(path)
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, OSError):
        return ""
    is_bytes = (types.is_binary, types.is_large_binary)
    for field in schema:
        inner = field.type.field("bytes").type if _is_struct(field.type) else field.type
        known = _is_struct(field.type) or field.name.lower() in _NAMES
        if known and any(kind(inner) for kind in is_bytes):
            return str(field.name)
    return ""


def picture_shards(folder: Path) -> list[Path]:
    """The Parquet files with pictures in a folder, or in its `data/`, in the order of their names."""
    places = [folder, folder / "data"]
    found = sorted(path for place in places if place.is_dir() for path in place.glob("*.parquet"))
    return [path for path in found if picture_column(path)]


def take_out(files: Sequence[Path], folder: Path, shown: str, report: Reporter = silent) -> Unpacked:
    """Write the pictures of `files` below `folder` (made here), and `metadata.jsonl` with all other plain
    columns.

    Files called after official parts (`train-00000-of-00002.parquet`) give parts. Numbers of the hub's
    `ClassLabel` become its names. A row without a picture is an empty file, and listed.

    Raises DataError where a file is no whole Parquet table.
    """
    import pyarrow as arrow

    folder.mkdir(parents=True)
    found = Unpacked()
    parts = [part_named(re.sub(r"-\d+-of-\d+$", "", path.stem)) for path in files]
    parted = all(parts) and len({*parts}) > 1
    number = 0
    try:
        with (folder / "metadata.jsonl").open("w", encoding="utf-8") as lines:
            for path, part in zip(files, parts, strict=True):
                for cells, content in _rows(path):
                    name = f"{f'{part}-' if parted else ''}{number:07d}{_ending(content)}"
                    (folder / name).write_bytes(content)
                    if not content:
                        found.reasons[name] = "its row holds no picture"
                    more = {"split": part} if parted else {}
                    lines.write(json.dumps({**cells, **more, "file_name": name}) + "\n")
                    number += 1
                    if number % _BATCH == 0:
                        report("unpacking", number, number + 1, "")
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError) as error:
        raise DataError(
            f"{printable(shown)} is not a Parquet table ({str(error).splitlines()[0]})",
            cure="Write it again.",
        ) from error
    return found


def _rows(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """(plain cells, picture) of every row."""
    from pyarrow import parquet

    column = picture_column(path)
    with parquet.ParquetFile(path) as table:
        classes = _class_labels(table.schema_arrow.metadata or {})
        for batch in table.iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                held = row.pop(column)
                content = held.get("bytes") if isinstance(held, dict) else held
                yield {name: _cell(value, classes.get(name)) for name, value in row.items()}, content or b""


def _cell(value: Any, names: Sequence[str] | None) -> Any:
    if isinstance(value, list):
        return [_cell(one, names) for one in value]
    if names is not None and isinstance(value, int):
        # The hub writes -1 where a label is not known.
        return names[value] if 0 <= value < len(names) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _class_labels(metadata: Mapping[bytes, bytes]) -> dict[str, Sequence[str]]:
    """{column: names of its numbers}, of the columns that the hub calls ClassLabel."""
    try:
        features = json.loads(metadata[_HUB_KEY])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    inner = {name: one.get("feature", one) for name, one in features.items() if isinstance(one, dict)}
    return {name: one["names"] for name, one in inner.items() if isinstance(one, dict) and "names" in one}


def _ending(content: bytes) -> str:
    kind = picture_format(InMemoryFile("", content)) if content else ""
    return _ENDINGS.get(kind, f".{kind.lower()}")


def _is_struct(kind: Any) -> bool:
    from pyarrow import types

    return types.is_struct(kind) and kind.get_field_index("bytes") >= 0
