"""Finished blocks: named by what computes them, there until the output stands."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import onnx
import pytest

from lightfast.base.errors import StorageError
from lightfast.cli.runs import _reading_on
from lightfast.cluster.connect import Machines
from lightfast.cluster.kept import KeptBlocks
from lightfast.data.dataset import Entry
from lightfast.runs.options import RunOptions
from lightfast.tagging.runtime import Tagger, load_tagger
from lightfast.tagging.stream import tag_files


def test_another_model_in_the_same_file_is_another_reader(small: Path, tmp_path: Path):
    path, folder = tmp_path / "model.onnx", tmp_path / "blocks"
    shutil.copy(small, path)
    before = KeptBlocks.of(folder, load_tagger(path, 1), "refuse", hashed=False)
    assert KeptBlocks.of(folder, load_tagger(small, 1), "refuse", hashed=False) == before
    model = onnx.load(path)
    model.doc_string = "another"
    onnx.save(model, path)
    after = load_tagger(path, 1)
    assert KeptBlocks.of(folder, after, "refuse", hashed=False).decides != before.decides


def test_of_a_reader_that_is_no_file_the_checkpoint_is_the_name_and_without_one_nothing_is_kept(
    tagger: Tagger, tmp_path: Path
):
    def kept(digest: str) -> KeptBlocks:
        card = dataclasses.replace(tagger.card, source_digest=digest)
        reader = Tagger(card, tagger.probs, source="runs/forest")
        return KeptBlocks.of(tmp_path, reader, "refuse", hashed=False)

    assert kept("").folder is None
    assert kept("one").folder == tmp_path
    assert kept("one") == kept("one") != kept("two")


def test_blocks_stay_when_the_output_fails_and_go_when_it_stands(
    tagger: Tagger, picture: Path, tmp_path: Path
):
    out, block = tmp_path / "rows.csv", [Entry(picture, "a", 0)]
    place, (found,) = tmp_path / "rows.csv.blocks", list(tag_files(tagger, block))
    kept = KeptBlocks.of(place, tagger, "refuse", hashed=False)

    def read(message: str = "") -> None:
        with _reading_on(Machines(), RunOptions(out=out)):
            kept.save(block, found)
            if message:
                raise StorageError(message)

    with pytest.raises(StorageError):
        read("the disk is full")
    assert kept.load(block) is not None
    (other := place / "notes.txt").touch()
    (place / f".{next(place.glob('*.npz')).name}.ab_12.part").touch()
    read()
    assert list(place.iterdir()) == [other]
    other.unlink()
    read()
    assert not place.exists()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (20, 24), (200, 30, 30)).save(tmp_path / "a.png")
    return tmp_path / "a.png"
