"""Answers by hand and from files: all or none, once, and labels that nobody knows are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from library.brightness import add_greys, numbers_of
from library.pictures import fill, states, suggest

from lightfast.base.errors import DataError, LightfastError
from lightfast.library.answer_file import load_answer_rows, write_asked
from lightfast.library.library import Library
from lightfast.library.review.lease import enqueue
from lightfast.library.review.review import AnswerRow, decide_rows, next_asked

CAT, DOG = 1, 2


@pytest.fixture
def asked(library: Library) -> Library:
    """Three pictures; of the first it is asked whether it is a cat."""
    fill(library, 3)
    suggest(library, 1, CAT, 0.6)
    with library.store.write() as connection:
        row = {"asset_id": 1, "label_id": CAT, "source": "tag", "reason": "doubtful", "uncertainty": 1.0}
        enqueue(connection, [row])
    return library


def test_not_this_rejects_what_is_asked_and_another_label_too(asked: Library):
    decide_rows(asked, 1, [AnswerRow("1", "not this")])
    assert states(asked) == {(1, CAT): "rejected"}
    decide_rows(asked, 1, [AnswerRow("2", "dog")])
    assert states(asked)[2, DOG] == "confirmed"


def test_another_label_than_the_asked_one_rejects_that(asked: Library):
    decide_rows(asked, 1, [AnswerRow("1", "dog")])
    assert states(asked) == {(1, CAT): "rejected", (1, DOG): "confirmed"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (AnswerRow("1", "bird"), "unknown label of this library 'bird'"),
        (AnswerRow("77", "cat"), "picture '77' is not in the library"),
        (AnswerRow("2", "not this"), "expected which label it is not"),
        (AnswerRow("1", "cat", act="perhaps"), "`act` 'perhaps'"),
        (AnswerRow("1"), "expected a label"),
    ],
)
def test_a_row_that_cannot_be_done_refuses_all(asked: Library, row: AnswerRow, said: str):
    before = states(asked)
    with pytest.raises(LightfastError, match=said):
        decide_rows(asked, 1, [AnswerRow("3", "dog"), row])
    assert states(asked) == before


def test_new_labels_are_made_where_that_is_said(asked: Library):
    decide_rows(asked, 1, [AnswerRow("1", "bird")], add_labels=True)
    assert states(asked)[1, 3] == "confirmed"


def test_a_filled_table_is_taken_up_once(library: Library, tmp_path: Path):
    add_greys(library, tmp_path / "greys", 3)
    with library.store.write() as connection:
        rows = [
            {"asset_id": one, "source": "tag", "reason": "doubtful, very", "uncertainty": 0.5}
            for one in numbers_of(library)
        ]
        enqueue(connection, rows)
    path = write_asked(tmp_path / "fill.csv", next_asked(library, 1, 3))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].removesuffix(",") + "dark,", lines[2], lines[3] + "skip"]))
    answers = load_answer_rows(path)
    assert [(one.label, one.act) for one in answers] == [("dark", None), ("", "skip")]
    first = decide_rows(library, 1, answers, add_labels=True)
    assert decide_rows(library, 1, load_answer_rows(path)).decision_ids == first.decision_ids
    assert list(states(library).values()) == ["confirmed"]


def test_lines_of_json_name_pictures_by_path(library: Library, tmp_path: Path):
    add_greys(library, tmp_path / "greys", 2)
    path = tmp_path / "answers.jsonl"
    said = {"path": str(tmp_path / "greys" / "001.png"), "label": "bright", "seconds": 1.5}
    path.write_text(
        json.dumps(said) + "\n" + json.dumps({"path": "000.png", "label": "bright", "act": "reject"})
    )
    decide_rows(library, 1, load_answer_rows(path), add_labels=True)
    assert states(library) == {(1, 1): "rejected", (2, 1): "confirmed"}


@pytest.mark.parametrize(
    ("content", "said"),
    [("asset,decided_label\n1,\n", "holds no answers"), ("decided_label\ncat\n", "expected a picture")],
)
def test_a_file_without_answers_is_refused(tmp_path: Path, content: str, said: str):
    path = tmp_path / "answers.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        load_answer_rows(path)
