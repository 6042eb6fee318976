"""A library from the command line: people are asked and answer, tags go out, a backup comes back."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from library.brightness import add_greys
from library.pictures import states

from lightfast.cli.app import main
from lightfast.library.library import create_library, open_library


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library of four pictures."""
    made = create_library(tmp_path / "library")
    add_greys(made, tmp_path / "greys", 4)
    made.close()
    return tmp_path / "library"


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], folder: Path):
    """`say("review", "--undo")`: the JSON that the command prints for the library."""

    def run(verb: str, *words: str) -> dict[str, Any]:
        assert main(["library", verb, str(folder), *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def _states(folder: Path) -> list[str]:
    held = open_library(folder)
    found = list(states(held).values())
    held.close()
    return found


def test_asked_answered_taken_back(say, folder: Path, tmp_path: Path):
    queue = tmp_path / "queue.csv"
    queue.write_text("path\n" + "".join(f"greys/{number:03}.png\n" for number in range(4)))
    assert say("queue", str(queue))["queued"] == 4
    asked = say("review", "--as", "ada", "--count", "2")["asked"]
    assert len(asked) == 2
    first = asked[0]["asset_id"]
    say(
        "review",
        "--as",
        "ada",
        "--confirm",
        f"{first}=dark",
        "--skip",
        f"{asked[1]['asset_id']}",
        "--add-labels",
    )
    assert _states(folder) == ["confirmed"]
    say("review", "--as", "ada", "--undo")
    assert _states(folder) == []
    say("review", "--as", "ada", "--redo")
    assert _states(folder) == ["confirmed"]
    kept = say("review", "--as", "bob", "--reject", f"{first}=dark")["kept"]
    assert kept == [first]


def test_a_table_goes_out_and_comes_back_filled(say, folder: Path, tmp_path: Path):
    queue = tmp_path / "queue.csv"
    queue.write_text("path\ngreys/000.png\ngreys/001.png\n")
    say("queue", str(queue))
    todo = tmp_path / "todo.csv"
    say("review", "--as", "ada", "--out", str(todo))
    rows = list(csv.DictReader(todo.read_text().splitlines()))
    filled = [{**row, "decided_label": "dark" if "000" in row["path"] else "bright"} for row in rows]
    with todo.open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(filled)
    assert len(say("review", "--as", "ada", "--decide", str(todo), "--add-labels")["decision_ids"]) == 2
    assert say("export", "--out", str(tmp_path / "tags.csv"))["rows"] == 2
    assert say("export", "--manifest", "--out", str(tmp_path / "pile.csv"))["pictures"] == 2
    log = say(
        "export", "--decisions", "--for", str(tmp_path / "pile.csv"), "--out", str(tmp_path / "log.jsonl")
    )
    assert log["decisions"] == 2
    assert say("export", "--xmp")["written"] == 2


def test_a_backup_comes_back(say, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    say("backup", str(tmp_path / "all.zip"))
    assert main(["library", "restore", str(tmp_path / "all.zip"), str(tmp_path / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == str(tmp_path / "again")


def test_deleted_pictures_come_back(say):
    assert say("delete", "1", "002.png")["changed"] == [1, 3]
    assert say("undelete", "1")["changed"] == [1]


def test_models_of_a_library_without_any(say):
    assert say("models") == {"models": [], "ledger": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("review", "--confirm", "1=cat"), "unknown label of this library 'cat'"),
        (("review", "--confirm", "1"), "PICTURE=LABEL"),
        (("review", "--undo", "--skip", "1"), "one kind of answer at a time"),
        (("review", "--skip", "77"), "picture '77' is not in the library"),
        (("export",), "expected a new file"),
        (("rollback",), "no model to go back to"),
        (("promote", "nobody"), "unknown model of this library"),
        (("retrain",), "too little is decided"),
        (("retrain", "--model", "cnn", "--budget", "5m"), "--budget is for --model auto"),
    ],
)
def test_bad_input_is_one_line_that_names_the_cure(
    folder: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["library", words[0], str(folder), *words[1:]]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
