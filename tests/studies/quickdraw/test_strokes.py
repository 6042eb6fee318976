"""The strokes' part of the study at its quick scale, on made-up drawings of the paper's ten categories."""

from __future__ import annotations

import pytest
import torch
from fixtures.strokes import made_drawings, write_strokes

from lightfast.report.tables import text_table
from lightfast.studies.quickdraw.networks import PAPER_CATEGORIES
from lightfast.studies.quickdraw.strokes import (
    STROKE_PLANS,
    WhileDrawn,
    stroke_data,
    strokes_json,
    strokes_notes,
    strokes_sections,
    strokes_tables,
    while_drawn,
)
from lightfast.studies.registry import StudyOptions


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyOptions, WhileDrawn]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("strokes")
    made = made_drawings((*PAPER_CATEGORIES, "hammer"), 12)
    write_strokes(folder / "quickdraw_strokes.ndjson.gz", made)
    options = StudyOptions(folder / "out", data_folder=folder, device="cpu")
    data = stroke_data(options)
    assert data is not None
    return options, while_drawn(options, data)


def test_without_strokes_nothing_is_run_and_that_is_said(tmp_path):
    write_strokes(tmp_path / "quickdraw_few.ndjson", made_drawings(PAPER_CATEGORIES[:3], 2))
    assert stroke_data(StudyOptions(tmp_path / "out", data_folder=tmp_path)) is None
    assert "not run" in strokes_notes(None)[0]
    assert (strokes_json(None), strokes_tables(None, 0), strokes_sections(None)) == (None, (), ())


def test_strokes_and_pictures_are_divided_alike_and_nothing_stands_twice(quick):
    data = quick[1].data
    sides = {name: data.part(name) for name in ("train", "val", "test")}
    assert sum(map(len, sides.values())) == 120
    assert len({one for side in sides.values() for one in side.ids}) == 120
    assert data.strokes.class_names == PAPER_CATEGORIES
    assert sides["test"].labels.tolist() == data.splits.test.labels.tolist()


def test_what_was_not_searched_and_how_many_there_are_is_said(quick):
    first, second = strokes_notes(quick[1])
    assert first.startswith("Strokes: 12 drawings of each")
    assert second.startswith("Near duplicates were not searched: the pictures did not come from")
    told = strokes_json(quick[1])
    assert told is not None
    assert told["drawings_a_class"] == [12, 12]
    assert all("12 drawings each at hand" in row["differs"] for row in told["ten_categories"])
    assert f": {told['near_not_searched']}. " in second


def test_every_reader_is_measured_at_every_share(quick):
    told = strokes_json(quick[1])
    assert told is not None
    assert len(told["while_drawn"]) == 1 + len(STROKE_PLANS)
    for rows in told["while_drawn"].values():
        assert [row["share"] for row in rows] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
        assert {row["n"] for row in rows} == {told["n_test"]}
    whole = told["while_drawn"]["CNN 1 on pictures, whole drawings"][-1]["accuracy"]
    assert whole == pytest.approx(told["ten_categories"][1]["accuracy"])


def test_the_tables_and_the_figure_say_it(quick):
    ten, drawn = (text_table(table) for table in strokes_tables(quick[1], 0))
    assert "the paper's Figure 8, 3,000 pictures" in ten
    assert "87 %" in ten
    assert "convolutions on strokes" in drawn
    (section,) = strokes_sections(quick[1])
    assert "<svg" in section.parts[0].drawing


def test_what_is_trained_is_found_again(quick, monkeypatch):
    options, found = quick
    monkeypatch.setattr("lightfast.studies.quickdraw.strokes.fit_strokes", None)
    monkeypatch.setattr("lightfast.train.fit.train", None)
    again = while_drawn(options, found.data)
    assert again.rows == found.rows
