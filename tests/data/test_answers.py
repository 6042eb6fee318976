"""What people wrote into a queue: taken up whole, set aside with a reason, or refused in one line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lightfast.base.errors import DataError, UnknownName
from lightfast.data.answers import (
    AskedPicture,
    SetAsideAnswer,
    filled_cells,
    read_answers,
    require_answers,
    require_unanswered,
)
from lightfast.data.decisions import ReviewItem, ReviewQueue

ASKED = (
    AskedPicture("a.png", "0001", "cat"),
    AskedPicture("b.png", "1e10"),
    AskedPicture("c.png", "cc"),
    AskedPicture("d.png", "dd", None, in_queue=False),
    AskedPicture("same.png", "e1"),
    AskedPicture("same.png", "e2"),
)
CLASSES = ("cat", "007")


def queue(folder: Path, *rows: str, head: str = "id,content,decided_label,reviewer") -> Path:
    path = folder / "queue.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_filled_cells_become_decisions_about_these_pixels(tmp_path):
    path = queue(tmp_path, "a.png,0001,007,Ada", "b.png,1e10,cat,", "c.png,cc,,")
    found = read_answers(path, ASKED, CLASSES, "Bob")
    said = [
        (one.picture, one.content, one.given_label, one.decided_label, one.reviewer)
        for one in found.decisions
    ]
    assert said == [("a.png", "0001", "cat", "007", "Ada"), ("b.png", "1e10", None, "cat", "Bob")]
    assert (found.empty, found.set_aside) == (1, ())
    assert found.decisions[0].when.endswith("+00:00")


def test_of_two_pictures_with_one_name_the_content_tells_which_is_meant(tmp_path):
    path = queue(tmp_path, "same.png,e2,cat,Ada", "same.png,e1,007,Ada")
    found = {one.content: one.decided_label for one in read_answers(path, ASKED, CLASSES).decisions}
    assert found == {"e2": "cat", "e1": "007"}


def test_answers_that_do_not_fit_are_set_aside_with_the_reason(tmp_path):
    path = queue(tmp_path, "a.png,0001,cat,Ada", "c.png,other,cat,Ada", "d.png,dd,cat,Ada", "x.png,1,cat,Ada")
    aside = read_answers(path, ASKED, CLASSES).set_aside
    assert [one.id for one in aside] == ["c.png", "d.png", "x.png"]
    assert all(isinstance(one, SetAsideAnswer) for one in aside)
    for one, said in zip(aside, ("has changed", "not in the queue", "no picture of this name"), strict=True):
        assert said in one.reason


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        (
            ["a.png,0001,cow,Ada", "b.png,1e10,cow,"],
            UnknownName,
            r"a\.png \(and in 1 other rows\): 'cow'.*cat",
        ),
        (["a.png,0001,,", "b.png,1e10,,"], DataError, "holds no answers"),
        (["a.png,0001,cat,"], DataError, "does not say who decided.*`reviewer`"),
        (["a.png,0001,cat,Ada", "a.png,0001,007,Bob"], DataError, r"in two ways: a\.png \(007, cat\)"),
    ],
)
def test_mistakes_that_can_be_mended_refuse_the_file_in_one_line(tmp_path, rows, error, said):
    with pytest.raises(error, match=said) as refused:
        read_answers(queue(tmp_path, *rows), ASKED, CLASSES)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_queue_is_refused(tmp_path):
    with pytest.raises(DataError, match="no column content, decided_label"):
        require_answers(queue(tmp_path, "a.png;cat", head="id"))
    with pytest.raises(DataError, match="no such file"):
        require_answers(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"\.csv or \.parquet"):
        require_answers(Path(__file__))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_saved_queue_is_filled_in_and_read(tmp_path, ending):
    import numpy as np

    more = {"content": np.array(["0001"], object), "decided_label": np.array(["007"], object)}
    path = ReviewQueue((ReviewItem("a.png", "cat", 0.5, "dark"),), more).save(tmp_path / f"queue.{ending}")
    (found,) = read_answers(path, ASKED, CLASSES, "Ada").decisions
    assert found.decided_label == "007"
    assert ReviewQueue.load(path).more["content"].tolist() == ["0001"]


def test_answers_are_not_written_over(tmp_path):
    path = queue(tmp_path, "a.png,0001,cat,Ada", "b.png,1e10,,")
    assert filled_cells(path) == [("a.png", "0001", "cat")]
    with pytest.raises(DataError, match="holds 1 answers, which would be written over"):
        require_unanswered(path, "Move it.")
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([["id", "content", "decided_label"], ["a.png", "0001", ""]])
    require_unanswered(path, "Move it.")
    require_unanswered(tmp_path / "none.csv", "Move it.")
