"""`select_run`: from a folder to a queue, and what stands in its way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import CheckpointError, DataError, SettingsError, UnknownName
from lightfast.base.plain import as_json
from lightfast.curate.embed import Embedder
from lightfast.data.decisions import Decision, DecisionLog, ReviewQueue
from lightfast.data.images import content_hash
from lightfast.runs import select as module
from lightfast.runs.options import RunOptions
from lightfast.runs.select import SelectOptions, select_run


@pytest.fixture(autouse=True)
def quick_features(monkeypatch, tmp_path):
    """Small thumbnails in place of a network's features."""

    def compute(images: np.ndarray) -> np.ndarray:
        return images[:, ::8, ::8].reshape(len(images), -1).astype(np.float32)

    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "backbone_embedder", lambda _model: Embedder("thumbnails", compute))


def draw(path: Path, number: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    pixels = np.kron(rng.integers(0, 255, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two classes of three, nine bare pictures, one copy and one broken file."""
    root = tmp_path / "pile"
    for number in range(6):
        draw(root / ("cat", "dog")[number % 2] / f"{number}.png", number)
    for number in range(6, 15):
        draw(root / "unsorted" / f"{number}.png", number)
    draw(root / "unsorted" / "copy.png", 14)
    (root / "unsorted" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return root


def test_it_writes_a_queue_a_page_and_the_figures(folder, tmp_path):
    out = tmp_path / "next"
    result = select_run(str(folder), RunOptions(out=out), SelectOptions(4))
    queue = ReviewQueue.load(out / "queue.csv")
    assert [one.id for one in queue.items] == [one.id for one in result.chosen]
    assert all(one.id.startswith("unsorted/") and one.reason for one in queue.items)
    assert {one.predicted_label for one in queue.items} <= {"cat", "dog"}
    page = (out / "report.html").read_text()
    assert all(Path(one.id).name in page for one in result.chosen)
    assert "broken.png" in page
    assert as_json(result)["labelled"] == 6
    assert "pictures" not in as_json(result)


def test_two_copies_are_never_both_chosen(folder):
    result = select_run(str(folder), RunOptions(), SelectOptions(9))
    assert len({"unsorted/14.png", "unsorted/copy.png"} & {one.id for one in result.chosen}) == 1
    assert result.near_copies == 1
    with pytest.raises(SettingsError, match="at most 9"):
        select_run(str(folder), RunOptions(), SelectOptions(10))


def test_broken_files_are_named(folder):
    result = select_run(str(folder), RunOptions(), SelectOptions(1))
    assert [Path(one.path).name for one in result.unreadable] == ["broken.png"]


def test_without_labels_it_starts_from_nothing(folder):
    result = select_run(str(folder), RunOptions(), SelectOptions(3, ignore_labels=True))
    assert (result.strategy, result.labelled, result.accuracy) == ("herding", 0, None)


def test_decisions_count_as_labels_and_the_next_queue_is_another(folder, tmp_path):
    log = DecisionLog(tmp_path / "decisions.jsonl")
    first = select_run(str(folder), RunOptions(), SelectOptions(2))
    for item in first.chosen:
        pixels = np.asarray(Image.open(folder / item.id))
        log.append(Decision.of((item.id, content_hash(pixels)), (None, "eel"), reviewer="me"))
    second = select_run(str(folder), RunOptions(), SelectOptions(2, decisions=log.path))
    assert second.labelled == 8
    assert "eel" in second.class_names
    assert not {one.id for one in first.chosen} & {one.id for one in second.chosen}


def test_decisions_about_pictures_that_are_gone_and_torn_lines_are_said(folder, tmp_path):
    log = DecisionLog(tmp_path / "decisions.jsonl")
    log.append(Decision.of(("gone.png", "00"), (None, "cat"), reviewer="me"))
    with log.path.open("a") as stream:
        stream.write('{"picture": "unsorted/6.p')
    notes = " ".join(select_run(str(folder), RunOptions(), SelectOptions(1, decisions=log.path)).notes)
    assert "1 decisions are about pictures that are not there any more" in notes
    assert "line 2: not a whole record" in notes


def test_a_log_that_is_not_there_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match="no such decision log"):
        select_run(str(folder), RunOptions(), SelectOptions(1, decisions=tmp_path / "none.jsonl"))


def test_all_labelled_is_refused_with_the_way_out(tmp_path):
    for number in range(4):
        draw(tmp_path / "set" / ("cat", "dog")[number % 2] / f"{number}.png", number)
    with pytest.raises(DataError, match="all 4 pictures are labelled"):
        select_run(str(tmp_path / "set"), RunOptions(), SelectOptions(1))


@pytest.mark.parametrize("count", [0, -1])
def test_no_pictures_cannot_be_asked_for(folder, count):
    with pytest.raises(SettingsError, match="at least 1"):
        select_run(str(folder), RunOptions(), SelectOptions(count))


def test_the_folder_of_a_run_is_not_written_over(folder, run):
    with pytest.raises(CheckpointError, match="holds a run"):
        select_run(str(folder), RunOptions(out=Path(run)), SelectOptions(1))


def test_a_run_is_asked_and_what_it_has_seen_is_not_offered(run, blobs, tmp_path):
    fresh = 255 - blobs.images[:10]
    np.savez(tmp_path / "pool.npz", images=np.concatenate([blobs.images, fresh]))
    result = select_run(str(tmp_path / "pool.npz"), RunOptions(), SelectOptions(3, run=str(run)))
    assert result.strategy == "unsure-herding"
    assert result.class_names == blobs.class_names
    assert any("were seen by the run in training" in note for note in result.notes)
    assert all(one.predicted_label in blobs.class_names for one in result.chosen)


def test_classes_that_the_run_does_not_know_are_refused(run, blobs, tmp_path):
    labels = np.where(np.arange(len(blobs.images)) < 3, 0, -1)
    np.savez(tmp_path / "pool.npz", images=blobs.images, labels=labels, class_names=np.array(["zebra"]))
    with pytest.raises(UnknownName, match="zebra"):
        select_run(str(tmp_path / "pool.npz"), RunOptions(), SelectOptions(3, run=str(run)))
