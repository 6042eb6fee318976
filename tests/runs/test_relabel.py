"""`relabel`: a folder or an .npz and what people decided, to the next version on disk."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.data.dataset import ImageSpec
from lightfast.data.decisions import Decision, DecisionLog
from lightfast.data.images import ImageSet
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.relabel import relabel_data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes with two pictures each."""
    for number, name in enumerate(("cat", "dog", "owl") * 2):
        path = tmp_path / "pets" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path / "pets"


def _options(tmp_path: Path) -> RunOptions:
    return RunOptions(out=tmp_path / "next")


def _log(tmp_path: Path, source: Path | str, *said: tuple[str, str | None]) -> Path:
    images = prepare(str(source), RunOptions(), near="none").data.train
    log = DecisionLog(tmp_path / "said.jsonl")
    for name, label in said:
        content = images.content_hashes[images.ids.index(name)]
        log.append(Decision.of((name, content), (None, label), reviewer="ada"))
    return log.path


def _labels(path: Path) -> dict[str, str]:
    with path.open() as stream:
        return {Path(row["path"]).name: row["label"] for row in csv.DictReader(stream)}


def test_the_next_version_names_the_files_where_they_lie_and_can_be_read(folder: Path, tmp_path: Path):
    result = relabel_data(str(folder), _log(tmp_path, folder, ("cat/0.png", "owl")), _options(tmp_path))
    assert _labels(result.path)["0.png"] == "owl"
    again = prepare(str(result.path), RunOptions(), near="none").data.train
    assert np.bincount(again.require_labels()).tolist() == [1, 2, 3]


def test_undo_is_a_replay_without_the_decision(folder: Path, tmp_path: Path):
    log = _log(tmp_path, folder, ("cat/0.png", "owl"), ("cat/3.png", "dog"))
    result = relabel_data(str(folder), log, _options(tmp_path), without=[1])
    labels = _labels(result.path)
    assert (labels["0.png"], labels["3.png"], result.undone) == ("cat", "dog", (1,))


def test_pictures_that_are_not_what_they_were_called_are_left_out_and_listed(folder: Path, tmp_path: Path):
    result = relabel_data(str(folder), _log(tmp_path, folder, ("cat/0.png", None)), _options(tmp_path))
    assert _labels(result.path)["0.png"] == ""
    assert "train,cat/0.png,cat" in (result.out / "not-this.csv").read_text()
    again = prepare(str(result.path), RunOptions(), near="none").data
    assert again.ruled_out is not None
    assert [Path(name).name for name in again.ruled_out.images.ids] == ["0.png"]
    assert again.ruled_out.classes.tolist() == [[True, False, False]]
    assert "0.png" not in {Path(name).name for name in again.train.ids}
    assert any("not what they were called" in note or "known not to be" in note for note in result.notes)


def test_pictures_of_which_nothing_is_known_stay_in_the_next_version(folder: Path, tmp_path: Path):
    table = tmp_path / "pets.csv"
    rows = [(str(path), path.parent.name, "train") for path in sorted(folder.glob("*/*.png"))]
    rows[5:] = [(rows[5][0], "", "unlabelled")]
    with table.open("w") as stream:
        csv.writer(stream).writerows([("path", "label", "split"), *rows])
    result = relabel_data(str(table), _log(tmp_path, table, (rows[0][0], "dog")), _options(tmp_path))
    again = prepare(str(result.path), RunOptions(), near="none").data
    assert (len(again.train), again.ruled_out and again.ruled_out.images.ids) == (5, (rows[5][0],))


def test_a_filled_queue_is_taken_up(folder: Path, tmp_path: Path):
    images = prepare(str(folder), RunOptions(), near="none").data.train
    lines = ["id,content,decided_label,reviewer"]
    for name, said in (("cat/0.png", "owl"), ("dog/1.png", "not this"), ("dog/4.png", "")):
        lines.append(f"{name},{images.content_hashes[images.ids.index(name)]},{said},ada")
    (tmp_path / "queue.csv").write_text("\n".join(lines))
    result = relabel_data(str(folder), tmp_path / "queue.csv", _options(tmp_path))
    assert (result.decisions, result.changed, result.left_out) == (2, {"train": 1}, {"train": 1})


def test_a_queue_says_at_which_size_its_pictures_were_read(tmp_path: Path):
    for number in range(6):
        path = tmp_path / "pets" / ("cat", "dog", "owl")[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (130 + number, 120, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    source = tmp_path / "pets"
    images = prepare(source, RunOptions(image_size=(110, 110)), near="none").data.train
    content = images.content_hashes[images.ids.index("cat/0.png")]
    rows = ["id,content,decided_label,reviewer,read_as", f"cat/0.png,{content},owl,ada,110x110x3"]
    (tmp_path / "queue.csv").write_text("\n".join(rows))
    # Pictures of several sizes are read at another one where nobody names it.
    assert prepare(source, RunOptions(), near="none").data.train.image_shape != (110, 110, 3)
    result = relabel_data(str(source), tmp_path / "queue.csv", _options(tmp_path))
    assert (result.changed, _labels(result.path)["0.png"]) == ({"train": 1}, "owl")


def test_decisions_of_a_map_hold_though_it_read_the_pictures_larger(tmp_path: Path):
    for number in range(6):
        path = tmp_path / "pets" / ("cat", "dog", "owl")[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (130 + number, 120, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    source = str(tmp_path / "pets")
    images = prepare(source, RunOptions(), near="none", target=ImageSpec(largest_side=224)).data.train
    assert images.image_shape == (120, 120, 3)
    log = DecisionLog(tmp_path / "said.jsonl")
    row = images.ids.index("cat/0.png")
    log.append(Decision.of(("cat/0.png", images.content_hashes[row]), ("cat", "owl"), reviewer="ada"))
    result = relabel_data(source, log.path, _options(tmp_path))
    assert (result.changed, result.misplaced) == ({"train": 1}, ())


def test_arrays_become_arrays_and_a_changed_test_part_is_said(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
    sets = {
        part: ImageSet(pixels[rows], ("a", "b"), np.array([0, 1, 0]), name=part)
        for part, rows in (("train", slice(3)), ("test", slice(3, 6)))
    }
    np.savez(
        tmp_path / "data.npz",
        allow_pickle=False,
        class_names=np.array(["a", "b"]),
        **{f"{part}_images": images.images for part, images in sets.items()},
        **{f"{part}_labels": images.require_labels() for part, images in sets.items()},
    )
    data = prepare(str(tmp_path / "data.npz"), RunOptions(), near="none").data
    test = data.parts["test"]
    log = DecisionLog(tmp_path / "said.jsonl")
    log.append(Decision.of((test.ids[0], test.content_hashes[0]), ("a", "b"), reviewer="ada"))
    result = relabel_data(str(tmp_path / "data.npz"), log.path, _options(tmp_path))
    again = prepare(str(result.path), RunOptions(), near="none").data.parts["test"]
    assert again.require_labels().tolist() == [1, 1, 0]
    assert any("test part were changed" in note for note in result.notes)


def test_the_version_file_says_what_was_done(folder: Path, tmp_path: Path):
    result = relabel_data(str(folder), _log(tmp_path, folder, ("cat/0.png", "owl")), _options(tmp_path))
    said = json.loads((result.out / "version.json").read_text())
    before = prepare(str(folder), RunOptions(), near="none").data.train.version
    assert (said["parent"], said["changed"]) == ({"train": before}, {"train": 1})


def test_a_torn_last_line_is_said_and_the_rest_holds(folder: Path, tmp_path: Path):
    log = _log(tmp_path, folder, ("cat/0.png", "owl"), ("cat/3.png", "dog"))
    log.write_text(log.read_text()[:-30])
    result = relabel_data(str(folder), log, _options(tmp_path))
    assert (result.decisions, _labels(result.path)["0.png"]) == (1, "owl")
    assert any("line 2" in note for note in result.notes)


@pytest.mark.parametrize(
    ("content", "said"), [("", "holds no decision"), (None, "no such file of decisions")]
)
def test_files_without_decisions(folder: Path, tmp_path: Path, content: str | None, said: str):
    path = tmp_path / "said.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=said):
        relabel_data(str(folder), path, _options(tmp_path))


def test_decisions_about_other_pictures_are_refused_and_nothing_is_written(folder: Path, tmp_path: Path):
    log = DecisionLog(tmp_path / "said.jsonl")
    log.append(Decision.of(("elsewhere.png", "00"), (None, "cat"), reviewer="ada"))
    with pytest.raises(DataError, match="fits a picture"):
        relabel_data(str(folder), log.path, _options(tmp_path))
    assert not (tmp_path / "next").exists()


def test_a_number_that_is_no_decision(folder: Path, tmp_path: Path):
    with pytest.raises(DataError, match="1 to 1"):
        relabel_data(
            str(folder), _log(tmp_path, folder, ("cat/0.png", "owl")), _options(tmp_path), without=[2]
        )
