"""Parquet files with the pictures inside."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from lightfast.base.errors import DataError
from lightfast.data.ingest import load_splits
from lightfast.data.lists.listing import picture_entries


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))


def content(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write(
    path: Path, images: Sequence[Any], labels: Sequence[Any], names: Sequence[str] | None = None
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": list(images), "label": list(labels)})
    if names is not None:
        feature = {"label": {"names": list(names), "_type": "ClassLabel"}, "image": {"_type": "Image"}}
        hub = json.dumps({"info": {"features": feature}}).encode()
        table = table.replace_schema_metadata({b"huggingface": hub})
    parquet.write_table(table, path)
    return path


def hub(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"bytes": content(start + number), "path": f"{number}.png"} for number in range(count)]


def test_pictures_in_a_column_are_read_with_the_names_of_the_hub(tmp_path: Path) -> None:
    path = write(tmp_path / "hub.parquet", hub(6), [0, 1, 0, 1, 0, 1], ["ant", "bee"])
    loaded = load_splits(path)
    assert loaded.train.class_names == ("ant", "bee")
    assert loaded.train.require_labels().tolist() == [0, 1, 0, 1, 0, 1]
    expected = np.asarray(Image.open(io.BytesIO(content(4))))
    np.testing.assert_array_equal(loaded.train.images[4], expected)
    assert len(picture_entries([str(path)]).entries) == 6


def test_bare_bytes_and_texts_as_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "plain.parquet", [content(number) for number in range(4)], ["a", "b", "a", "b"])
    assert load_splits(path).train.class_names == ("a", "b")


def test_shards_of_a_folder_are_its_parts(tmp_path: Path) -> None:
    data = tmp_path / "set" / "data"
    for shard in (0, 1):
        write(data / f"train-0000{shard}-of-00002.parquet", hub(4, 10 * shard), [0, 1, 0, 1], ["ant", "bee"])
    write(data / "test-00000-of-00001.parquet", hub(2, 50), [1, 0], ["ant", "bee"])
    loaded = load_splits(tmp_path / "set")
    assert {name: len(images) for name, images in loaded.parts.items()} == {"train": 8, "test": 2}
    assert loaded.part("test").require_labels().tolist() == [1, 0]


def test_a_broken_picture_and_an_empty_row_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    images = hub(6)
    images[1]["bytes"], images[2]["bytes"] = content(1)[:60], None
    path = write(tmp_path / "hub.parquet", images, ["a", "b"] * 3)
    loaded = load_splits(str(path))
    assert len(loaded.train) == 4
    assert [one.path for one in loaded.unreadable] == [f"{path}/0000001.png", f"{path}/0000002.bin"]
    assert loaded.unreadable[1].reason == "its row holds no picture"


def test_another_state_of_the_file_is_taken_out_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "hub.parquet", hub(4), ["a", "b"] * 2)
    first = load_splits(path).train.version
    assert load_splits(path).train.version == first
    write(path, hub(6, 70), ["a", "b"] * 3)
    assert len(load_splits(path).train) == 6


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(DataError, match="is not a Parquet table"):
        load_splits(tmp_path / "bad.parquet")
