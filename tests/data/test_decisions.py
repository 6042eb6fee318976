"""Decisions of people and the queue that they come from."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightfast.base.errors import DataError
from lightfast.data.decisions import Decision, DecisionLog, ReviewItem, ReviewQueue, latest

TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), min_size=1, max_size=12
)
ITEMS = st.builds(ReviewItem, TEXTS, TEXTS, st.floats(0, 1, width=32), TEXTS, given_label=st.none() | TEXTS)


def decision(picture: str = "a.png", label: str | None = "cat", content: str = "00ff") -> Decision:
    return Decision.of((picture, content), ("dog", label), reviewer="Ada", seconds=1.5)


def test_decisions_come_back_as_they_were_made(tmp_path):
    made = [decision(), decision(label=None), replace(decision("ä/b.png"), reason="blurred, “dark”")]
    log = DecisionLog(tmp_path / "decisions.jsonl")
    for one in made:
        log.append(one)
    assert log.read().records == tuple(made)
    assert datetime.fromisoformat(made[0].when).utcoffset().total_seconds() == 0


def test_a_decision_of_nobody_is_refused(tmp_path):
    with pytest.raises(DataError, match="name of a reviewer"):
        DecisionLog(tmp_path / "decisions.jsonl").append(replace(decision(), reviewer=" "))


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from([None, "cat", "dog"])))
)
def test_the_later_decision_about_the_same_pixels_wins(drawn):
    made = [decision(picture, label, content) for picture, content, label in drawn]
    found = latest(made)
    for one in made:
        same = [two for two in made if (two.picture, two.content) == (one.picture, one.content)]
        assert found[one.picture, one.content] is same[-1]
    assert len(found) == len({(one.picture, one.content) for one in made})


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@given(st.lists(ITEMS, max_size=4))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_queue_comes_back_as_it_was_saved(tmp_path, ending, items):
    queue = ReviewQueue(tuple(items), {"severity": np.arange(len(items))})
    found = ReviewQueue.load(queue.save(tmp_path / f"queue.{ending}"))
    assert found.items == queue.items
    assert found.more["severity"].tolist() == queue.more["severity"].tolist()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_may_call_its_columns_otherwise(tmp_path, ending):
    queue = ReviewQueue((ReviewItem("007", "NA", 0.25, "dark"),), {"damage": np.array(["fog"], dtype=object)})
    columns = {
        "id": "id",
        "damage": "damage",
        "predicted_label": "final_label",
        "confidence": "p",
        "reason": "why",
    }
    found = ReviewQueue.load(queue.save(tmp_path / f"queue.{ending}", columns), columns)
    assert found.items == queue.items
    if ending == "csv":
        assert (tmp_path / "queue.csv").read_text() == "id,damage,final_label,p,why\n007,fog,NA,0.25,dark\n"


@pytest.mark.parametrize(
    "text", ["", "id,reason\n1,dark\n", "id,predicted_label,confidence,reason\n1,a,much,b\n"]
)
def test_what_is_no_queue_is_refused(tmp_path, text):
    (tmp_path / "queue.csv").write_text(text)
    with pytest.raises(DataError, match=r"queue\.csv is no review queue"):
        ReviewQueue.load(tmp_path / "queue.csv")


def test_a_queue_of_no_file_and_of_another_kind_is_refused(tmp_path):
    with pytest.raises(DataError, match="no review queue"):
        ReviewQueue.load(tmp_path / "none.parquet")
    with pytest.raises(DataError, match=r"\.csv or \.parquet"):
        ReviewQueue(()).save(tmp_path / "queue.xlsx")
