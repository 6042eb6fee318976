"""The one loop: learns, repeats itself exactly, resumes to the same weights, stops where it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError, SettingsError, TrainingError
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.tensors import save_tensors
from lightfast.train.fit import fit
from lightfast.train.loop import ArraySource, LoopContext, learning_rate, train
from lightfast.train.objectives import Classification
from lightfast.train.recipe import Recipe, Training

CPU = LoopContext(torch.device("cpu"))


def fitted(blobs: ImageSet, recipe: Recipe, training: Training | None = None, **config: object) -> Checkpoint:
    return fit(
        blobs,
        blobs,
        model="cnn",
        recipe=recipe,
        config={"widths": [4], "dense": 8, **config},
        training=training,
    )


def weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    return checkpoint.torch_network.state_dict()


def same(first: Checkpoint, second: Checkpoint) -> bool:
    return all(torch.equal(tensor, weights(second)[key]) for key, tensor in weights(first).items())


def test_it_learns(blobs: ImageSet):
    made = fitted(blobs, Recipe(epochs=8, batch_size=16, learning_rate=1e-2))
    assert made.history[-1]["val_accuracy"] > 0.95
    assert made.history[-1]["train_loss"] < made.history[0]["train_loss"]
    assert not made.torch_network.training


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(blobs: ImageSet):
    recipe = Recipe(epochs=2, batch_size=16, augment="affine")
    first, again, other = (fitted(blobs, recipe, Training(seed=seed), dropout=0.5) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


class Brought(Tensor):
    """Rows that count how often they are brought to a device."""

    count = 0

    def to(self, *_: object, **__: object) -> Tensor:
        Brought.count += 1
        return self.as_subclass(Tensor)


def test_rows_that_stay_the_same_are_brought_to_the_device_once():
    images, labels = torch.zeros(8, 8, 8, 1, dtype=torch.uint8), torch.arange(8) % 2
    source = ArraySource((images.as_subclass(Brought), labels), (images[:0], labels[:0]))
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    objective = Classification(Preprocess.identity((8, 8, 1)))
    Brought.count = 0
    train(network, source, objective, Recipe(epochs=3), seed=0, context=CPU)
    assert Brought.count == 1


SETTINGS = [
    {"averaging": 0.9},
    {"optimizer": "sgd"},
    {"schedule": "plateau"},
    {"balance": "augment"},
    {"balance": "weights", "keep": "last"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_an_interrupted_training_ends_in_the_weights_of_an_uninterrupted_one(
    blobs: ImageSet, tmp_path: Path, settings: dict
):
    recipe = Recipe(epochs=3, batch_size=16, augment="shift", **settings)
    through = fitted(blobs, recipe, Training(seed=3), dropout=0.5)

    def interrupt(label: str, done: int, total: int, detail: str = "") -> None:
        if done > 1500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(blobs, recipe, Training(seed=3, folder=tmp_path, report=interrupt), dropout=0.5)
    resumed = fitted(blobs, recipe, Training(seed=3, folder=tmp_path, resume=True), dropout=0.5)
    assert same(through, resumed)
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3]


def test_a_state_of_before_compile_goes_on(blobs: ImageSet, tmp_path: Path):
    through = fitted(blobs, Recipe(epochs=1), Training(seed=3, folder=tmp_path))
    path = tmp_path / ".training" / "classifier" / "training.safetensors"
    with safe_open(path, framework="pt") as stream:
        note, tensors = stream.metadata(), {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    signature = json.loads(note["signature"])
    signature["recipe"].pop("compile", None)
    save_tensors(path, tensors, {**note, "signature": json.dumps(signature)})
    resumed = fitted(blobs, Recipe(epochs=1), Training(seed=3, folder=tmp_path, resume=True))
    assert same(through, resumed)


def test_resuming_with_another_recipe_is_refused(blobs: ImageSet, tmp_path: Path):
    fitted(blobs, Recipe(epochs=1), Training(folder=tmp_path))
    with pytest.raises(CheckpointError, match=r"another recipe, seed, model or data.*without `resume`"):
        fitted(blobs, Recipe(epochs=2), Training(folder=tmp_path, resume=True))


def test_a_damaged_state_file_is_named(blobs: ImageSet, tmp_path: Path):
    fitted(blobs, Recipe(epochs=1), Training(folder=tmp_path))
    next(tmp_path.rglob("training.safetensors")).write_bytes(b"junk")
    with pytest.raises(CheckpointError, match=r"training\.safetensors is damaged"):
        fitted(blobs, Recipe(epochs=1), Training(folder=tmp_path, resume=True))


Measured = tuple[Tensor, dict[str, Tensor]]


class Scripted:
    """An objective whose validation losses are given; training does nothing useful."""

    monitor = "loss"

    def __init__(self, losses: list[float]) -> None:
        self.losses = iter(losses)

    def __call__(
        self, network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator | None
    ) -> Measured:
        loss = network(batch[0]).sum()
        return (loss, {}) if generator is not None else (torch.tensor(next(self.losses)), {})


def scripted(losses: list[float], **settings: object) -> list[dict]:
    rows = (torch.zeros(4, 2),)
    return train(
        nn.Linear(2, 1),
        ArraySource(rows, rows),
        Scripted(losses),
        Recipe(epochs=len(losses), **settings),
        seed=0,
        context=CPU,
    )


def test_plateau_cuts_the_step_by_ten_when_validation_worsens_and_stops_when_it_worsens_again():
    history = scripted([3.0, 2.0, 2.5, 1.9, 2.0, 1.0], schedule="plateau", learning_rate=0.1)
    assert [row["val_loss"] for row in history] == pytest.approx([3.0, 2.0, 2.5, 1.9, 2.0])
    assert [row["learning_rate"] for row in history] == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01])


def test_patience_stops_after_that_many_worse_epochs():
    assert len(scripted([3.0, 2.0, 2.1, 2.2, 1.0, 1.0], patience=2, schedule="constant")) == 4


def test_the_best_epoch_is_kept(blobs: ImageSet):
    network = nn.Linear(2, 1)
    seen: list[Tensor] = []

    class Watch(Scripted):
        def __call__(self, network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator | None):
            if generator is None:
                seen.append(next(network.parameters()).detach().clone())
            return super().__call__(network, batch, generator)

    rows = (torch.ones(4, 2),)
    train(
        network,
        ArraySource(rows, rows),
        Watch([2.0, 1.0, 3.0]),
        Recipe(epochs=3, schedule="constant"),
        seed=0,
        context=CPU,
    )
    assert torch.equal(network.weight, seen[1])


def test_keep_last_ignores_validation():
    network = nn.Linear(2, 1)
    seen: list[Tensor] = []

    class Watch(Scripted):
        def __call__(self, network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator | None):
            if generator is None:
                seen.append(next(network.parameters()).detach().clone())
            return super().__call__(network, batch, generator)

    rows = (torch.ones(4, 2),)
    recipe = Recipe.of(epochs=3, schedule="constant", keep="last")
    assert (
        len(train(network, ArraySource(rows, rows), Watch([2.0, 1.0, 3.0]), recipe, seed=0, context=CPU)) == 3
    )
    assert torch.equal(network.weight, seen[2])
    assert not torch.equal(seen[1], seen[2])


def test_averaging_averages_the_statistics_of_batch_norm_like_the_weights():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    steps: list[dict[str, Tensor]] = [{key: tensor.clone() for key, tensor in network.state_dict().items()}]

    class Watch(Scripted):
        def __call__(self, network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator | None):
            # Called before the step: what stands there is what the step before left.
            if generator is not None and len(steps) > 1:
                steps[-1] = {key: tensor.clone() for key, tensor in network.state_dict().items()}
            steps.extend([{}] * (generator is not None))
            return super().__call__(network, batch, generator)

    rows = (torch.randn(12, 2, generator=torch.Generator().manual_seed(6)),)
    recipe = Recipe.of(epochs=1, batch_size=4, averaging=0.9, learning_rate=0.1, schedule="constant")
    last: dict[str, Tensor] = {}

    class Final(Watch):
        def __call__(self, given: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator | None):
            if generator is None:
                last.update({key: tensor.clone() for key, tensor in network.state_dict().items()})
            return super().__call__(given, batch, generator)

    train(network, ArraySource(rows, rows), Final([1.0]), recipe, seed=0, context=CPU)
    mean = {key: tensor.clone() for key, tensor in steps[0].items()}
    for step, weights_after in enumerate([*steps[1:3], last]):
        decay = min(0.9, (1 + step) / (10 + step))
        mean = {
            key: decay * mean[key] + (1 - decay) * tensor if tensor.is_floating_point() else tensor
            for key, tensor in weights_after.items()
        }
    found = network.state_dict()
    assert "1.running_var" in found
    assert all(
        torch.allclose(found[key].double(), tensor.double(), atol=1e-6) for key, tensor in mean.items()
    )
    assert not torch.allclose(found["1.running_mean"], last["1.running_mean"])
    assert int(found["1.num_batches_tracked"]) == 3


def test_a_loss_that_is_not_finite_stops_with_a_cure():
    with pytest.raises(TrainingError, match="validation loss is not finite"):
        scripted([float("nan")])


def test_plateau_without_validation_is_refused():
    empty = (torch.zeros(0, 2),)
    with pytest.raises(SettingsError, match="no validation pictures"):
        train(
            nn.Linear(2, 1),
            ArraySource((torch.zeros(4, 2),), empty),
            Scripted([]),
            Recipe(schedule="plateau"),
            seed=0,
            context=CPU,
        )


def test_one_cycle_rises_then_falls():
    recipe = Recipe(epochs=8, learning_rate=1.0)
    rates = [learning_rate(recipe, position / 10) for position in range(80)]
    peak = rates.index(max(rates))
    assert peak == 20
    assert max(rates) == pytest.approx(1.0)
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 0.01
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_contradicting_settings_are_refused():
    with pytest.raises(SettingsError, match="set one of them"):
        Recipe.of(schedule="plateau", patience=2)
    for settings in ({"schedule": "plateau"}, {"patience": 2}):
        with pytest.raises(
            SettingsError, match="keep=last runs all epochs: leave out patience and schedule=plateau"
        ):
            Recipe.of(keep="last", **settings)
    with pytest.raises(SettingsError, match="patience must be below epochs"):
        Recipe.of(patience=10, epochs=10)


@pytest.mark.parametrize("pair", ["keep=first", "balance=more", "augment=spin"])
def test_a_word_that_is_not_in_the_list_is_refused(pair: str):
    with pytest.raises(SettingsError, match=pair.replace("=", "='")):
        Recipe.of().updated([pair])


def test_none_is_a_word_where_the_setting_has_it_and_no_value_elsewhere():
    recipe = Recipe.of(augment="affine", balance="weights", patience=3).updated(
        ["augment=none", "balance=none", "patience=None"]
    )
    assert (recipe.augment, recipe.balance, recipe.patience) == ("none", "none", None)
