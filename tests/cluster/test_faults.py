"""Faults that are met in the middle of a job. Beside these: a machine that dies and a source that answers 503
(`test_tagging`), lost and slow workers and results larger than the store (`test_executor`), a killed process
and a state file that was cut (`test_fitting`), a block that was cut (`test_tagging`).
"""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cluster_tasks import Starved, store_full
from PIL import Image

from lightfast.base.errors import ClusterError, StorageError
from lightfast.cluster.redo import Redo
from lightfast.cluster.tagging import RayTagging
from lightfast.data.dataset import Entry
from lightfast.data.images import ImageSet
from lightfast.tagging.runtime import Tagger
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe, Training

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    """25 pictures: blocks of ten, ten and five."""
    for number in range(25):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / f"{number:02}.png")
    return [Entry(path, path.name, 0) for path in sorted(tmp_path.glob("*.png"))]


def starved(tagger: Tagger, folder: Path, times: int) -> Tagger:
    folder.mkdir(exist_ok=True)
    card = replace(tagger.card, source_digest="one")
    return Tagger(card, Starved(folder, times, len(card.class_names)))


def test_a_block_that_finds_no_memory_is_begun_again(cluster, tagger, entries, tmp_path: Path):
    found = list(RayTagging(Redo(times=2), block=10)(starved(tagger, tmp_path / "lost", 2), entries))
    assert [len(one.entries) for one in found] == [10, 10, 5]
    assert len(list((tmp_path / "lost").iterdir())) == 2


def test_a_block_that_never_finds_memory_is_one_line_and_what_was_finished_stays(
    cluster, tagger, entries, tmp_path: Path
):
    tagging = RayTagging(Redo(times=1), tmp_path / "blocks", block=10)
    with pytest.raises(ClusterError, match=r"^block 3 was lost 2 times \(cannot allocate 9 TiB\)\. Give"):
        list(tagging(starved(tagger, tmp_path / "lost", 9), entries))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "blocks").iterdir()}
    assert len(kept) == 2
    found = list(tagging(starved(tagger, tmp_path / "well", 0), entries))
    assert [entry.id for one in found for entry in one.entries] == [one.id for one in entries]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list((tmp_path / "blocks").iterdir())) == 3


def test_an_object_store_without_room_is_one_line(cluster):
    with pytest.raises(
        ClusterError, match=r"^cuts: number 2: no room for 60 MB.* the same command goes on"
    ) as said:
        cluster.executor(store_full, [(number,) for number in range(3)], label="cuts", jobs=1)
    assert "\n" not in str(said.value)


def test_a_state_that_is_cut_while_it_is_written_leaves_the_one_before(
    blobs: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    how = {"model": "mlp", "recipe": Recipe.of(epochs=3, batch_size=32, precision="fp32")}
    sides = blobs.take(np.arange(90)), blobs.take(np.arange(90, 120))
    whole = fit(*sides, **how, training=Training(3, "cpu", tmp_path / "whole"))
    move, moved = Path.replace, list[Path]()

    def torn(self: Path, target: Path) -> Path:
        moved.append(Path(target))
        if sum(one.name == "training.safetensors" for one in moved) == 2:
            self.write_bytes(self.read_bytes()[:1000])
            raise OSError(errno.ESTALE, "Stale file handle")
        return move(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", torn)
        with pytest.raises(StorageError, match="stale file handle") as said:
            fit(*sides, **how, training=Training(3, "cpu", tmp_path / "run"))
    assert "\n" not in str(said.value)
    again = fit(*sides, **how, training=Training(3, "cpu", tmp_path / "run", resume=True))
    assert [row["epoch"] for row in again.history] == [1, 2, 3]
    assert again.history[0]["train_loss"] == whole.history[0]["train_loss"]
    for one, other in zip(whole.network.parameters(), again.network.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())
