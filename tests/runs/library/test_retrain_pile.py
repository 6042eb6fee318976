"""What a retraining learns from: labels, what pictures are not, pictures without a label; and what it may not
learn from.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from fixtures.databases import database, library, postgres_server
from fixtures.retraining import filled, on_sqlite, pile_rows, retrained
from library.brightness import add_greys, confirm, numbers_of, truth_of

from lightfast.evaluate.predictions import Predictions
from lightfast.library.held_out import held_out_assets, hold_out
from lightfast.library.label_numbers import label_numbers
from lightfast.library.labelled import labelled_assets, undecided_assets
from lightfast.library.library import Library, create_library
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.undo import undo
from lightfast.models.load import load_checkpoint
from lightfast.runs.folder import PILE_FILE, VAL_PREDICTIONS_FILE
from lightfast.runs.library.pile import RetrainOptions, make_pile
from lightfast.runs.library.retrain import retrain_library
from lightfast.runs.options import RunOptions

__all__ = ["database", "filled", "library", "postgres_server"]
pytestmark = pytest.mark.timeout(120)


@on_sqlite
def test_not_a_carrot_reaches_the_next_model(filled: Library):
    """Pictures of which people only said what they are not teach that much."""
    dark = [number for number in numbers_of(filled)[30:] if truth_of(filled)[number] == "dark"]
    with filled.store.read() as connection:
        bright = label_numbers(connection, ["bright"])["bright"]
    decide(filled.store, 1, [ReviewAct(number, "reject", bright) for number in dark])
    result = retrained(filled)
    checkpoint = load_checkpoint(filled.folder / result.run / "checkpoint")
    assert checkpoint.details["ruled_out"]["pictures"] == len(dark) == 5
    with (filled.folder / result.run / PILE_FILE).open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["not_label"]]
    assert {(row["label"], row["split"], row["not_label"]) for row in rows} == {("", "train", "bright")}
    assert sorted(int(Path(row["path"]).stem) for row in rows) == [30, 32, 34, 36, 38]
    assert result.trained == 24


@on_sqlite
def test_a_label_of_untouched_pictures_alone_is_said_and_stops_no_training(filled: Library):
    *_, one, other = numbers_of(filled)
    confirm(filled, [one, other], {one: "grey", other: "grey"})
    hold_out(filled.store, [one, other])
    result = retrained(filled)
    assert any(note.startswith("of 'grey' only untouched pictures are left") for note in result.notes)
    assert {label for label, _ in pile_rows(filled, result).values()} == {"bright", "dark"}
    # They are judged on all the same.
    assert result.scored == result.held_out == 2 + result.held_out_new


@on_sqlite
def test_what_a_picture_is_not_is_left_out_where_pictures_have_several_labels(filled: Library):
    one, *_, last = numbers_of(filled)
    confirm(filled, [one], {one: "grey"})
    with filled.store.read() as connection:
        bright = label_numbers(connection, ["bright"])["bright"]
    decide(filled.store, 1, [ReviewAct(last, "reject", bright)])
    pile = make_pile(filled, RunOptions(), RetrainOptions())
    assert (pile.labelled.several, pile.ruled_out) == (True, [])
    assert any("does not learn" in note for note in pile.notes)


@on_sqlite
def test_a_rejected_label_is_never_a_training_label(filled: Library):
    """The picture does not teach "dark" any more, but that it is not dark."""
    with filled.store.read() as connection:
        held = held_out_assets(connection)
    assert not held
    one = numbers_of(filled)[0]
    decide(filled.store, 1, [ReviewAct(one, "reject", 2)])
    pile = pile_rows(filled, result := retrained(filled))
    assert pile["000"] == ("", "train")
    assert "1 pictures are known only for what they are not" in " ".join(result.notes)
    undo(filled.store, 1)
    assert pile_rows(filled, retrained(filled))["000"][0] == "dark"


@on_sqlite
def test_copies_stand_on_one_side(library: Library, tmp_path: Path):
    add_greys(library, tmp_path / "greys", 30)
    truth = truth_of(library)
    confirm(library, numbers_of(library), truth)
    first = pile_rows(library, retrained(library))
    held = next(name for name, (_, part) in first.items() if part == "test")
    # The same pixels in another file: a new picture by its bytes.
    source = tmp_path / "greys" / f"{held}.png"
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / f"{900 + int(held) % 2}.bmp").write_bytes(_as_bmp(source))
    from lightfast.library.add import add_pictures

    add_pictures(library, [str(tmp_path / "more")])
    confirm(library, numbers_of(library)[-1:], truth_of(library))
    result = retrained(library)
    assert any("also in the test part" in note for note in result.notes)


def _as_bmp(path: Path) -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.open(path).save(stream, "BMP")
    return stream.getvalue()


@on_sqlite
def test_several_labels_on_one_picture_are_said(filled: Library):
    number = numbers_of(filled)[0]
    confirm(filled, [number], {number: "odd"})
    notes = labelled_assets(filled).notes
    assert any("1 of 30 pictures have several labels" in note for note in notes)


def test_labels_that_left_the_taxonomy_are_kept_and_said(tmp_path: Path):
    from sqlalchemy import select, update

    from lightfast.library.schema import labels, tags
    from lightfast.library.store import now

    held = create_library(tmp_path / "library")
    add_greys(held, tmp_path / "greys", 32)
    said = truth_of(held)
    odd = numbers_of(held)[-1]
    confirm(held, numbers_of(held)[:-1], said)
    confirm(held, [odd], {odd: "grey"})
    with held.store.write() as connection:
        connection.execute(update(labels).where(labels.c.name == "grey").values(retired_at=now()))
    result = retrained(held)
    assert any("'grey' is no longer in the taxonomy; 1 tags" in note for note in result.notes)
    with held.store.read() as connection:
        assert connection.execute(select(tags.c.state).where(tags.c.asset_id == odd)).scalar() == "confirmed"
    held.close()


@on_sqlite
def test_few_labels_all_teach_beside_pictures_without_one(filled: Library):
    with filled.store.read() as connection:
        bright = label_numbers(connection, ["bright"])["bright"]
    dark = [number for number in numbers_of(filled)[30:] if truth_of(filled)[number] == "dark"]
    decide(filled.store, 1, [ReviewAct(dark[0], "reject", bright)])
    result = retrain_library(filled, RunOptions(image_size=(72, 72)), RetrainOptions("auto"))
    pile = pile_rows(filled, result)
    parts = [part for _, part in pile.values()]
    assert (parts.count("test"), parts.count("train"), parts.count("unlabelled")) == (4, 27, 9)
    with filled.store.read() as connection:
        held = held_out_assets(connection)
    assert {name for name, (_, part) in pile.items() if part == "unlabelled"}.isdisjoint(
        {one.path.stem for one in labelled_assets(filled).pictures}
    )
    assert len(held) == 4
    said = Predictions.load(filled.folder / result.run / VAL_PREDICTIONS_FILE)
    assert len(said) == 26
    assert any(note.startswith("out of fold ") for note in result.notes)
    details = load_checkpoint(filled.folder / result.run).details
    assert (details["unlabelled"], details["ruled_out"]["pictures"]) == (9, 1)


@on_sqlite
def test_undecided_pictures_are_not_those_of_the_untouched_part(filled: Library):
    numbers = numbers_of(filled)
    hold_out(filled.store, numbers[30:35])
    held = {path.stem for path in undecided_assets(filled, 100, 0)}
    assert len(held) == 5
    assert len(undecided_assets(filled, 3, 0)) == 3
