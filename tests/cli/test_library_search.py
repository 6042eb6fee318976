"""`lightfast library search` and `embed` as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from lightfast.cli.app import main


@pytest.fixture
def library(tmp_path: Path, capsys) -> str:
    """Two pictures, 1 and 2."""
    (tmp_path / "pictures").mkdir()
    for number in range(2):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "pictures" / f"{number}.png")
    folder = str(tmp_path / "library")
    assert main(["library", "init", folder]) == 0
    assert main(["library", "add", folder, str(tmp_path / "pictures")]) == 0
    capsys.readouterr()
    return folder


def test_a_line_a_picture_and_where_to_go_on(library, capsys):
    assert main(["library", "search", library, "--limit", "1"]) == 0
    first, more = capsys.readouterr().out.splitlines()
    assert first.startswith("2 ")
    assert first.endswith("1.png")
    cursor = more.split()[-1]
    assert main(["library", "search", library, "--limit", "1", "--cursor", cursor]) == 0
    assert capsys.readouterr().out.startswith("1 ")


def test_json_holds_the_hits_and_nothing_found_is_no_failure(library, capsys):
    assert main(["library", "search", library, "name:0.png", "--json"]) == 0
    (hit,) = json.loads(capsys.readouterr().out)["hits"]
    assert (hit["asset_id"], hit["tags"]) == (1, [])
    assert main(["library", "search", library, "name:7.png"]) == 0
    assert capsys.readouterr().out == "nothing found\n"


@pytest.mark.parametrize(
    "words, said",
    [
        (["sky AND"], "character 8"),
        (["skyy"], "no label is called 'skyy'"),
        (["--like", "1"], "lightfast library embed"),
        (["--text", "sea"], "lightfast library embed"),
        (["--text", "sea", "--like", "1"], "--text"),
        (["--unlike", "1"], "--like"),
        (["--cursor", "none"], "none of this search"),
        (["--limit", "0"], "1 to 1,000"),
    ],
)
def test_bad_input_is_one_line_with_its_cure(library, capsys, words, said):
    assert main(["library", "search", library, *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
