"""Tables on disk: what was written into cells is what is loaded."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightfast.base.errors import DataError
from lightfast.data.lists.table import PictureTable, load_table

# No lone surrogates, which UTF-8 cannot hold, and no zero byte, which ends a text for the CSV of Python 3.11.
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
COLUMNS = ("path", "label", "said")
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, TEXTS)), min_size=1, max_size=5)
LISTED = st.lists(
    st.fixed_dictionaries({"path": TEXTS, "labels": st.lists(TEXTS, min_size=1, max_size=3)}),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def loaded(path: Path, columns: tuple[str, ...] = COLUMNS) -> list[dict[str, object]]:
    table: PictureTable = load_table(path)
    assert sorted(table.columns) == sorted(columns)
    return [dict(row) for row in table.rows]


@given(rows=ROWS, ending=st.sampled_from(("csv", "tsv")), end=st.sampled_from(("\n", "\r\n")))
@settings(max_examples=60)
def test_cells_of_csv_come_back(folder: Path, rows: list[dict[str, str]], ending: str, end: str) -> None:
    path = folder / f"a.{ending}"
    with path.open("w", newline="", encoding="utf-8") as stream:
        delimiter = "\t" if ending == "tsv" else ","
        writer = csv.DictWriter(
            stream, COLUMNS, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL
        )
        writer.writeheader()
        writer.writerows(rows)
    assert loaded(path) == rows


@given(rows=LISTED)
@settings(max_examples=60)
def test_texts_and_lists_of_json_lines_come_back(folder: Path, rows: list[dict[str, object]]) -> None:
    path = folder / "a.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    assert loaded(path, ("path", "labels")) == rows


@given(rows=LISTED)
@settings(max_examples=30)
def test_texts_and_lists_of_parquet_come_back(folder: Path, rows: list[dict[str, object]]) -> None:
    pd.DataFrame(rows).to_parquet(folder / "a.parquet")
    assert loaded(folder / "a.parquet", ("path", "labels")) == rows


@given(first=st.lists(st.integers(0, 1), min_size=1, max_size=5))
@settings(max_examples=20)
def test_of_parquet_without_labels_numbers_are_read_and_large_cells_are_not(
    folder: Path, first: list[int]
) -> None:
    frame = pd.DataFrame({"path": "a.png", "beach": first, "pixels": [b"\x89PNG"] * len(first)})
    frame.to_parquet(folder / "b.parquet")
    rows = loaded(folder / "b.parquet", ("path", "beach", "pixels"))
    assert [row["beach"] for row in rows] == first
    assert {row["pixels"] for row in rows} == {"<binary>"}


def test_pictures_inside_a_parquet_are_named(tmp_path: Path) -> None:
    rows = [{"image": {"bytes": b"x", "path": "a.png"}, "label": 0}]
    pd.DataFrame(rows).to_parquet(tmp_path / "hub.parquet")
    with pytest.raises(DataError, match=r"the pictures stand in its column 'image'.*a column 'path'"):
        load_table(tmp_path / "hub.parquet")
