"""Objectives of the regularised autoencoders, and the stacked one's training layer by layer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from lightfast.base.errors import LightfastError
from lightfast.models.autoencoders import SparseAutoencoder, StackedAutoencoder
from lightfast.models.build import fresh_network
from lightfast.train.autoencoders import LayerDenoising, PenalisedRestoration, layer_recipes, train_restorer
from lightfast.train.loop import ArraySource
from lightfast.train.objectives import Batch, Restoration
from lightfast.train.recipe import Recipe, Training

SHAPE = (8, 8, 1)


def rows(count: int, seed: int = 0) -> Batch:
    source = torch.Generator().manual_seed(seed)
    clean = torch.randint(0, 256, (count, *SHAPE), dtype=torch.uint8, generator=source)
    noise = torch.randint(0, 256, (count, *SHAPE), dtype=torch.uint8, generator=source)
    return clean // 2 + noise // 2, clean, torch.zeros(count, dtype=torch.int64)


def stacked() -> StackedAutoencoder:
    made = fresh_network("stacked-autoencoder", "restorer", SHAPE, 0, {"width": 3}, 0)
    assert isinstance(made, StackedAutoencoder)
    return made


def pixels(images: torch.Tensor) -> torch.Tensor:
    return images.permute(0, 3, 1, 2) / 255


def test_a_penalty_is_added_in_training_and_not_in_validation():
    network = fresh_network("sparse-autoencoder", "restorer", SHAPE, 0, {"width": 3, "weight": 5.0}, 0)
    assert isinstance(network, SparseAutoencoder)
    batch, plain = rows(4), Restoration("bce")
    objective = PenalisedRestoration(plain)
    penalty = network.penalty(pixels(batch[0]), torch.Generator()).detach()
    assert penalty > 0
    bare, _ = plain(network, batch, None)
    loss, measures = objective(network, batch, torch.Generator().manual_seed(0))
    assert torch.allclose(loss, bare + penalty)
    assert torch.equal(measures["penalty"], penalty)
    with torch.inference_mode():
        assert torch.equal(objective(network, batch, None)[0], bare)


def test_the_lowest_layer_alone_restores_damaged_pixels():
    network, batch = stacked(), rows(4)
    loss, _ = LayerDenoising(0, "bce")(network, batch, None)
    layer = network.layers[0]
    restored = torch.sigmoid(layer.decode(layer.encode(pixels(batch[0]))))
    assert torch.allclose(loss, functional.binary_cross_entropy(restored, pixels(batch[1])))


def test_a_higher_layer_restores_the_masked_code_of_the_clean_picture():
    network, batch = stacked(), rows(4)
    below, above = network.layers
    code = below.encode(pixels(batch[1])).detach()
    kept = torch.rand(code.shape, generator=torch.Generator().manual_seed(9)) >= network.masked
    assert 0.5 < kept.float().mean() < 0.95
    expected = functional.mse_loss(torch.relu(above.decode(above.encode(code * kept))), code)
    loss, _ = LayerDenoising(1)(network, batch, torch.Generator().manual_seed(9))
    assert torch.allclose(loss, expected)
    loss.backward()
    assert all(parameter.grad is None for parameter in below.parameters())


def test_validation_masks_alike_every_time():
    network, batch, objective = stacked(), rows(4), LayerDenoising(1)
    assert torch.equal(objective(network, batch, None)[0], objective(network, batch, None)[0])


def test_the_epochs_are_divided_among_the_layers_and_the_whole():
    alone, together = layer_recipes(Recipe(epochs=50, patience=7), 2)
    assert (alone.epochs, together.epochs) == (10, 30)
    assert (alone.patience, together.patience) == (None, 7)
    assert [one.epochs for one in layer_recipes(Recipe(epochs=1), 3)] == [1, 1]


def fitted(folder: Path | None, *, stop: str = "", resume: bool = False) -> tuple[dict, list]:
    """Weights and history of a short training; with `stop`, it ends by an error in the second epoch of the
    network called so.
    """

    def report(label: str, done: int, total: int, detail: str = "") -> None:
        if label == stop and done > total // 2:
            raise Stopped("stopped")

    network, recipe = stacked(), Recipe(epochs=10, batch_size=8, learning_rate=1e-2)
    training = Training(seed=3, device="cpu", folder=folder, resume=resume, report=report)
    source = ArraySource(rows(24), rows(8, 1))
    history = train_restorer(network, source, Restoration("bce"), recipe, training)
    return network.state_dict(), history


class Stopped(LightfastError):
    """Somebody pressed Ctrl-C."""


@pytest.mark.parametrize("stop", ["restorer-layer-1", "restorer-layer-2", "restorer"])
def test_a_stopped_training_goes_on_to_the_same_weights_whichever_layer_was_learning(
    stop: str, tmp_path: Path
):
    through, told = fitted(None)
    with pytest.raises(Stopped):
        fitted(tmp_path, stop=stop)
    resumed, again = fitted(tmp_path, resume=True)
    assert all(torch.equal(through[name], resumed[name]) for name in through)
    assert [row["epoch"] for row in again] == [row["epoch"] for row in told] == list(range(1, 11))


def test_the_history_says_which_layer_learnt_alone_and_the_loss_falls():
    _, history = fitted(None)
    assert [row.get("layer") for row in history] == [1] * 2 + [2] * 2 + [None] * 6
    whole = [row["train_loss"] for row in history if "layer" not in row]
    assert whole[-1] < whole[0]


def test_while_a_higher_layer_learns_the_one_below_stays(monkeypatch: pytest.MonkeyPatch):
    network, seen = stacked(), []
    monkeypatch.setattr(
        "lightfast.train.autoencoders.train",
        lambda given, *_, **__: (
            seen.append([{one.requires_grad for one in layer.parameters()} for layer in given.layers]) or []
        ),
    )
    source = ArraySource(rows(8), rows(8, 1))
    train_restorer(network, source, Restoration(), Recipe(epochs=5), Training())
    assert seen == [[{True}, {False}], [{False}, {True}], [{True}, {True}]]


def test_other_restorers_train_as_they_did():
    recipe, source = Recipe(epochs=2, batch_size=8), ArraySource(rows(16), rows(8, 1))
    network = fresh_network("autoencoder", "restorer", SHAPE, 0, {"width": 3}, 0)
    history = train_restorer(network, source, Restoration("bce"), recipe, Training(device="cpu"))
    assert [row["epoch"] for row in history] == [1, 2]
    assert not any("layer" in row or "train_penalty" in row for row in history)


def test_a_penalised_one_tells_its_penalty():
    recipe, source = Recipe(epochs=2, batch_size=8), ArraySource(rows(16), rows(8, 1))
    config = {"width": 3, "weight": 0.5}
    network = fresh_network("contractive-autoencoder", "restorer", SHAPE, 0, config, 0)
    history = train_restorer(network, source, Restoration("bce"), recipe, Training(device="cpu"))
    assert all(row["train_penalty"] > 0 and "val_penalty" not in row for row in history)
