"""The library of `serve --demo`: real digits, a quick model, some pictures for a person; made once."""

from __future__ import annotations

from pathlib import Path

from lightfast.library.summary import summarise
from lightfast.runs.demo_library import demo_library
from lightfast.runs.options import RunOptions


def test_digits_are_tagged_and_the_doubtful_ones_wait_and_a_second_call_opens_what_is_there(tmp_path: Path):
    library = demo_library(tmp_path / "digits", RunOptions(), learned=200, shown=60)
    made = summarise(library)
    library.close()
    assert made.pictures == 60
    assert made.model == "first"
    assert {label.name for label in made.labels} <= set("0123456789")
    assert 0 < made.waiting < 60
    again = demo_library(tmp_path / "digits", RunOptions(), learned=200, shown=60)
    assert summarise(again) == made
    again.close()
