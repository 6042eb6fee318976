"""A backup holds everything, comes back on either database, and is checked before anything is made."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from fixtures.databases import fresh_database
from library.brightness import add_greys, confirm, numbers_of, truth_of
from library.pictures import states
from PIL import Image
from sqlalchemy import select

from lightfast.base.errors import DataError
from lightfast.library.add import add_pictures
from lightfast.library.backup import LEFT_OUT, backup_library
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library, create_library, open_library
from lightfast.library.restore import restore_library
from lightfast.library.review.undo import undo
from lightfast.library.schema import METADATA, labels


@pytest.fixture
def filled(library: Library, tmp_path: Path) -> Library:
    """Pictures inside the library, decisions with an undo, a label under a later one, a run."""
    add_greys(library, tmp_path / "greys", 4)
    Image.new("L", (8, 8), 77).save(tmp_path / "099.png")
    add_pictures(library, [str(tmp_path / "099.png")], keep=True)
    confirm(library, numbers_of(library)[:2], truth_of(library))
    undo(library.store, 1)
    with library.store.write() as connection:
        known = label_numbers(connection, ["light"])
        connection.execute(labels.update().where(labels.c.name == "dark").values(parent_id=known["light"]))
    (library.runs / "retrain-0001").mkdir(parents=True)
    (library.runs / "retrain-0001" / "weights").write_bytes(b"\0\1" * 500)
    return library


def _rows(library: Library) -> dict[str, list]:
    with library.store.read() as connection:
        return {
            name: [
                tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for name, table in METADATA.tables.items()
            if name not in LEFT_OUT
        }


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_everything_comes_back_on_either_database(
    filled: Library, tmp_path: Path, target: str, request: pytest.FixtureRequest
):
    said = backup_library(filled, tmp_path / "all.zip", pictures=True)
    address = None if target == "sqlite" else fresh_database(request.getfixturevalue("postgres_server"))
    made = restore_library(tmp_path / "all.zip", tmp_path / "again", address)
    assert (made.rows, made.files) == (said.rows, said.files) == (said.rows, 2)
    again = open_library(tmp_path / "again")
    assert _rows(again) == _rows(filled)
    assert (again.runs / "retrain-0001" / "weights").read_bytes() == b"\0\1" * 500
    assert [path.name for path in again.kept.rglob("*.png")] == [
        path.name for path in filled.kept.rglob("*.png")
    ]
    # New rows get new numbers.
    confirm(again, numbers_of(again)[2:3], truth_of(again))
    assert len(states(again)) == 1
    again.close()


def test_nothing_is_overwritten(filled: Library, tmp_path: Path):
    backup_library(filled, tmp_path / "all.zip")
    with pytest.raises(DataError, match="is there already"):
        backup_library(filled, tmp_path / "all.zip")
    with pytest.raises(DataError, match="is not empty"):
        restore_library(tmp_path / "all.zip", filled.folder)


def test_a_database_with_rows_is_refused_and_left_alone(tmp_path: Path, postgres_server: str):
    address = fresh_database(postgres_server)
    there = create_library(tmp_path / "library", address)
    add_greys(there, tmp_path / "greys", 1)
    backup_library(there, tmp_path / "all.zip")
    before = _rows(there)
    with pytest.raises(DataError, match="the database is not empty"):
        restore_library(tmp_path / "all.zip", tmp_path / "again", address)
    assert _rows(there) == before
    there.close()
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("change", ["row", "member", "outside", "newer", "other"])
def test_a_damaged_file_is_refused_and_nothing_is_made(filled: Library, tmp_path: Path, change: str):
    backup_library(filled, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    said = content["backup.json"]
    if change == "row":
        content["tables/decisions.jsonl"] = content["tables/decisions.jsonl"].replace(b"confirm", b"skip")
    elif change == "member":
        del content["tables/tags.jsonl"]
    elif change == "outside":
        content["backup.json"] = said.replace(b"runs/", b"runs/../../")
    elif change == "newer":
        content["backup.json"] = said.replace(b'"tables": "', b'"tables": "9')
    else:
        del content["backup.json"]
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    with pytest.raises(DataError, match="damaged|no part of|newer|no backup"):  # noqa: RUF043
        restore_library(tmp_path / "bad.zip", tmp_path / "again")
    assert (
        sorted(path.name for path in tmp_path.iterdir() if "restore" in path.name or path.name == "again")
        == []
    )


def test_a_file_that_is_none_is_refused(tmp_path: Path):
    (tmp_path / "no.zip").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(DataError, match="no backup"):
        restore_library(tmp_path / "no.zip", tmp_path / "again")
