"""`train --model strokes` as typed, and predictions of its run."""

from __future__ import annotations

from fixtures.strokes import made_drawings, write_strokes


def test_strokes_are_trained_and_predicted_as_typed(type_in, tmp_path) -> None:
    write_strokes(tmp_path / "made.ndjson", made_drawings(("triangle", "square"), 20))
    words = "train made.ndjson --model strokes --near-duplicates ignore --out drawn"
    said = type_in(f"{words} --set epochs=1 --set model.width=8")
    assert said.code == 0, said.err
    assert "of the points seen" in said.out
    assert type_in("predict drawn made.ndjson --every-stroke --json").json["n"] == 20 * 3 + 20 * 4


def test_what_only_pictures_know_is_refused(type_in) -> None:
    said = type_in("train a.ndjson --model strokes --out drawn --budget 5m")
    assert said.code == 2
    assert "--budget is not for --model strokes" in said.line()
