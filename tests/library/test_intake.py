"""Queues of other verbs: pictures are found, what is not in the library is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from library.brightness import add_greys, numbers_of
from sqlalchemy import select

from lightfast.base.errors import DataError
from lightfast.data.decisions import ReviewItem, ReviewQueue
from lightfast.library.intake import IntakeResult, source_of, take_up_queue
from lightfast.library.library import Library
from lightfast.library.schema import labels, queue_table


@pytest.fixture
def filled(library: Library, tmp_path: Path) -> Library:
    add_greys(library, tmp_path / "greys", 4)
    return library


def _items(*names: str) -> tuple[ReviewItem, ...]:
    return tuple(ReviewItem(name, "bright", 0.9 - at / 10, f"why {at}") for at, name in enumerate(names))


def _rows(library: Library) -> list[tuple[int, str, str]]:
    with library.store.read() as connection:
        rows = connection.execute(
            select(queue_table.c.asset_id, labels.c.name, queue_table.c.source)
            .join(labels, labels.c.id == queue_table.c.label_id)
            .order_by(queue_table.c.uncertainty.desc())
        )
        return [(row.asset_id, row.name, row.source) for row in rows]


def test_a_queue_of_predict_is_taken_up_by_path_and_only_once(filled: Library, tmp_path: Path):
    first, second = numbers_of(filled)[:2]
    paths = [str(tmp_path / "greys" / name) for name in ("000.png", "001.png", "gone.png")]
    more = {"path": np.array(paths, object), "decided_label": np.array(["", "", ""], object)}
    path = ReviewQueue(_items("a", "b", "gone.png"), more).save(tmp_path / "tags.csv.queue.csv")
    said = take_up_queue(filled, path)
    assert (said.queued, said.unknown) == (2, (paths[2],))
    assert _rows(filled) == [(second, "bright", "tag"), (first, "bright", "tag")]
    assert take_up_queue(filled, path) == IntakeResult(0, 2, 0, said.unknown)


def test_names_of_curate_start_at_a_root_and_keep_their_order(filled: Library, tmp_path: Path):
    third, first = numbers_of(filled)[2], numbers_of(filled)[0]
    more = {"kind": np.array(["label", "label"], object), "label_quality": np.array([0.1, 0.2])}
    path = ReviewQueue(_items("greys/002.png", "greys/000.png"), more).save(tmp_path / "queue.parquet")
    assert take_up_queue(filled, path, root=tmp_path).queued == 2
    assert _rows(filled) == [(third, "bright", "curate"), (first, "bright", "curate")]


def test_the_end_of_a_path_will_do_where_only_one_has_it(filled: Library, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    path = ReviewQueue(_items("001.png", "01.png")).save(tmp_path / "elsewhere" / "queue.csv")
    said = take_up_queue(filled, path)
    assert (said.queued, said.unknown) == (1, ("01.png",))


def test_rows_with_answers_are_no_questions(filled: Library, tmp_path: Path):
    path = tmp_path / "queue.csv"
    path.write_text("id,predicted_label,confidence,reason,decided_label\n000.png,dark,0.5,x,dark\n")
    assert take_up_queue(filled, path, root=tmp_path / "greys").answered == 1
    assert _rows(filled) == []


@pytest.mark.parametrize(
    ("columns", "source"),
    [
        (("id", "damage", "final_label", "final_confidence", "decided_label"), "repair"),
        (("id", "kind", "label_quality"), "curate"),
        (("id", "predicted_label", "content"), "select"),
        (("id", "predicted_label", "path", "content", "decided_label"), "tag"),
        (("path",), "person"),
    ],
)
def test_the_columns_say_who_wrote_it(columns: tuple[str, ...], source: str):
    assert source_of([dict.fromkeys(columns, "")]) == source


def test_what_is_no_queue_is_refused(filled: Library, tmp_path: Path):
    path = tmp_path / "other.csv"
    path.write_text("name,size\na,1\n")
    with pytest.raises(DataError, match="no review queue"):
        take_up_queue(filled, path)
