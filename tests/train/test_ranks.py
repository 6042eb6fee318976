"""One training in two processes of a group of torch: the batches of one, and its result."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from cluster_tasks import fail_as, join_as, join_second

from lightfast.base.errors import SettingsError, StorageError
from lightfast.train.fit import fit
from lightfast.train.loop import _batches
from lightfast.train.ranks import Ranks
from lightfast.train.recipe import Recipe, Training


@pytest.mark.timeout(300)
def test_two_processes_end_where_one_does(blobs, tmp_path: Path):
    sides = blobs.take(np.arange(90)), blobs.take(np.arange(90, 120))
    # Without dropout and batch norm nothing but the order of sums differs, which SGD does not blow up, as
    # steps of one size (AdamW) do; the last batch has ten rows.
    recipe = Recipe.of(epochs=3, batch_size=16, optimizer="sgd", learning_rate=0.01, precision="fp32")
    how = {"model": "mlp", "config": {"dropout": 0.0}, "recipe": recipe}
    alone = fit(*sides, **how, training=Training(3, "cpu"))
    given = (tmp_path / "meeting", sides, how, 3)
    other = multiprocessing.get_context("spawn").Process(target=join_second, args=given)
    other.start()
    first = join_as(0, *given)
    other.join()
    assert other.exitcode == 0
    for name, wanted in alone.network.state_dict().items():
        torch.testing.assert_close(first.network.state_dict()[name], wanted, atol=1e-5, rtol=0)
    for here, there in zip(alone.history, first.history, strict=True):
        for key in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
            assert there[key] == pytest.approx(here[key], abs=1e-5)


@pytest.mark.timeout(300)
def test_what_one_process_meets_is_raised_in_both_and_their_processor_times_are_added(blobs, tmp_path: Path):
    sides = blobs.take(np.arange(90)), blobs.take(np.arange(90, 120))
    how = {"model": "mlp", "recipe": Recipe.of(epochs=2, batch_size=16)}
    state = ".training/classifier/training.safetensors"
    folders = [[tmp_path / f"{name}-{rank}" for rank in (0, 1)] for name in ("file", "kept", "torn", "whole")]
    folders[0][0].touch()
    (folders[1][0] / state).mkdir(parents=True)
    (folders[2][1] / state).parent.mkdir(parents=True)
    (folders[2][1] / state).write_bytes(b"torn")
    given = (tmp_path / "meeting", sides, how, folders)
    other = multiprocessing.get_context("spawn").Process(target=fail_as, args=(1, *given))
    other.start()
    first = fail_as(0, *given)
    other.join()
    assert first == json.loads((tmp_path / "met-1.json").read_text())
    # The margins, the state of an epoch, the state that is gone on from.
    for line, start, place in zip(
        first, ("StorageError", "StorageError", "CheckpointError"), folders, strict=False
    ):
        assert line.startswith(start)
        assert str(place[start == "CheckpointError"]) in line
    assert len(first[3]) == 2


def test_a_process_alone_takes_everything():
    ranks = Ranks.of_process()
    rows = (torch.arange(5),)
    assert ranks == Ranks(0, 1)
    assert ranks.part(rows) is rows
    assert ranks.weight(5, 5) == 1
    assert ranks.words == ()
    assert ranks.total(1.5) == 1.5
    with pytest.raises(StorageError, match="full"), ranks.failing_together():
        raise StorageError("the disk is full")


def test_rows_are_divided_without_rest_and_weighted_to_the_mean_over_rows():
    parts = [Ranks(rank, 3).part((torch.arange(8),))[0] for rank in range(3)]
    assert sorted(torch.cat(parts).tolist()) == list(range(8))
    losses = torch.arange(8.0) ** 2
    weighted = [losses[part].mean() * Ranks(rank, 3).weight(len(part), 8) for rank, part in enumerate(parts)]
    assert torch.stack(weighted).mean() == pytest.approx(float(losses.mean()))


def test_every_process_gets_two_pictures_of_every_batch_or_the_training_is_refused():
    assert _batches(33, 16) == [(0, 16), (16, 32)]
    assert _batches(35, 16, 2) == [(0, 16), (16, 32)]
    assert _batches(36, 16, 2) == [(0, 16), (16, 32), (32, 36)]
    with pytest.raises(SettingsError, match="batches of 3 pictures for 2 processes: expected two pictures a"):
        _batches(30, 3, 2)
