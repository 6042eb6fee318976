"""One training in two processes: the recipe's own batches, and the result of one process within noise."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors import safe_open

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.cluster.fitting import RayFit, _failures, _places
from lightfast.cluster.redo import Redo
from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predict import predict
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe, Training

# Every training starts three processes that load torch, which a busy machine takes long for.
pytestmark = pytest.mark.timeout(600)
# Without batch norm and dropout the two differ by the order of sums alone, which SGD does not blow up.
PLAIN = Recipe.of(epochs=3, batch_size=16, optimizer="sgd", learning_rate=0.01, precision="fp32")


def weights(checkpoint) -> torch.Tensor:
    return torch.cat([one.flatten() for one in checkpoint.network.state_dict().values()])


@pytest.fixture(scope="module")
def sides(blobs) -> tuple[ImageSet, ImageSet]:
    return blobs.take(np.arange(90)), blobs.take(np.arange(90, 120))


def test_two_processes_end_where_one_does(cluster, sides, tmp_path: Path):
    how = {"model": "mlp", "config": {"dropout": 0.0}, "recipe": PLAIN}
    one = fit(*sides, **how, training=Training(3, "cpu", tmp_path / "one"))
    two = RayFit(Redo(), 2)(*sides, **how, training=Training(3, "cpu", tmp_path / "two"))
    np.testing.assert_allclose(weights(two), weights(one), atol=1e-5)
    for here, there in zip(one.history, two.history, strict=True):
        assert there["train_loss"] == pytest.approx(here["train_loss"], abs=1e-5)
        assert there["val_loss"] == pytest.approx(here["val_loss"], abs=1e-5)
    margins = [np.load(tmp_path / name / ".training/classifier/margins/0002.npy") for name in ("one", "two")]
    np.testing.assert_allclose(margins[1], margins[0], atol=1e-4)
    assert (predict(two, sides[1]).predicted_labels == predict(one, sides[1]).predicted_labels).all()


def test_a_training_whose_process_is_killed_goes_on_after_its_last_epoch(cluster, sides, tmp_path: Path):
    recipe = Recipe.of(epochs=40, batch_size=16, augment="shift", averaging=0.9)
    state = tmp_path / "run/.training/classifier/training.safetensors"
    killed: list[int] = []
    before: list[dict[str, object]] = []

    def kill_one() -> None:
        until = time.monotonic() + 90
        while not killed and time.monotonic() < until:
            if state.is_file():
                workers = [
                    one for one in psutil.Process().children(recursive=True) if "TrainWorker" in one.name()
                ]
                for one in workers[:1]:
                    with safe_open(state, framework="pt") as held:
                        before.extend(json.loads(held.metadata()["progress"])["history"])
                    killed.append(one.pid)
                    one.kill()
            time.sleep(0.01)

    watch = threading.Thread(target=kill_one)
    watch.start()
    training = Training(3, "cpu", tmp_path / "run")
    found = RayFit(Redo(times=2), 2)(*sides, model="cnn", recipe=recipe, training=training)
    watch.join()
    assert killed
    # Their times are those of before the kill: these epochs were not done again.
    assert found.history[: len(before)] == tuple(before) != ()
    assert [row["epoch"] for row in found.history] == list(range(1, 41))
    # Batch norm measures half the rows in each process: the same reader within noise, not the same weights.
    alone = fit(*sides, model="cnn", recipe=recipe, training=Training(3, "cpu"))
    accuracies = [score(predict(one, sides[1])).accuracy for one in (found, alone)]
    assert min(accuracies) > 0.9


def test_a_state_file_cut_in_the_middle_is_one_line_and_cards_that_are_not_there_are_refused(
    cluster, sides, tmp_path: Path
):
    folder = tmp_path / "run"
    fit(*sides, model="mlp", recipe=PLAIN, training=Training(3, "cpu", folder))
    state = folder / ".training/classifier/training.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"is damaged .*Start over without `resume`\.$"):
        RayFit(Redo(), 2)(*sides, model="mlp", recipe=PLAIN, training=Training(3, "cpu", folder, resume=True))
    with pytest.raises(SettingsError, match="expected a cluster with cards"):
        RayFit(Redo(), 2)(*sides, model="mlp", recipe=PLAIN, training=Training(3, "cuda"))


@pytest.mark.parametrize(
    ("processes", "machines", "cores_of_each", "wanted"),
    [
        (4, 3, 4, (4, 2, 0)),
        (4, 3, 8, (4, 4, 0)),
        (3, 2, 3, (3, 1, 0)),
        (None, 3, 4, (3, 4, 0)),
        (None, 1, 4, (2, 2, 0)),
    ],
)
def test_processes_are_asked_for_as_the_machines_can_place_them(processes, machines, cores_of_each, wanted):
    head = {"memory": 1e9}
    assert _places(processes, "auto", [head, *[{"CPU": cores_of_each}] * machines]) == wanted


def test_more_processes_than_there_is_room_for_are_refused():
    with pytest.raises(SettingsError, match="8 processes: expected at most 4, 4 on each of 1 machines"):
        _places(8, "cpu", [{"CPU": 4}])
    cards = [{"CPU": 4, "GPU": 2}] * 2
    assert _places(None, "auto", cards) == (4, 1, 4)
    assert _places(3, "cuda", cards) == (3, 1, 4)
    with pytest.raises(SettingsError, match="5 processes: expected at most 4, one a graphics card"):
        _places(5, "auto", cards)


@pytest.mark.parametrize("kind", ["place", "process", "leaving"])
def test_whatever_is_lost_is_begun_again_so_many_times_and_no_more(kind: str):
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
    from ray.train.v2._internal.execution.failure_handling.default import DefaultFailurePolicy
    from ray.train.v2.api.exceptions import ControllerError, PreemptionError, WorkerGroupError
    from ray.train.v2.api.preemption import PreemptionInfo

    error = {
        "place": lambda: ControllerError(WorkerGroupStartupTimeoutError(2)),
        "process": lambda: WorkerGroupError("lost", {0: RuntimeError("killed")}),
        "leaving": lambda: PreemptionError(PreemptionInfo(None, {"machine": [0]})),
    }[kind]()
    policy = DefaultFailurePolicy(_failures(Redo(times=2)))
    assert [policy.make_decision(error).value for _ in range(3)] == ["RETRY", "RETRY", "RAISE"]
