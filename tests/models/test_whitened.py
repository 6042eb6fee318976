"""The network that whitens patches: what it takes from the pictures before the first step."""

from __future__ import annotations

import numpy as np
import torch

from lightfast.data.images import ImageSet
from lightfast.data.preprocess import to_pixels
from lightfast.models import whitened
from lightfast.models.whitened import Whitened
from lightfast.train.fit import fit, recipe_of
from lightfast.train.recipe import Training


def smooth(count: int, seed: int = 0) -> np.ndarray:
    """uint8 (N, 16, 16, 3) whose neighbouring pixels and colours go together."""
    noise = np.random.default_rng(seed).normal(size=(count, 16, 16, 3)).cumsum(1).cumsum(2).cumsum(3)
    return np.clip(128 + 4 * noise, 0, 255).astype(np.uint8)


def test_patches_come_out_white_and_with_both_signs():
    network, pictures = Whitened((16, 16, 3), 2), to_pixels(torch.from_numpy(smooth(200)))
    network.meet(pictures)
    found = network.whiten(pictures).transpose(0, 1).flatten(1).detach()
    spread = found[:12].cov()
    # Directions with hardly any spread stay below 1, so that noise is not blown up.
    torch.testing.assert_close(spread, torch.diag(spread.diagonal()), atol=1e-3, rtol=0)
    assert 0.99 < spread[0, 0] < 1.01
    assert spread.diagonal().max() < 1.01
    torch.testing.assert_close(found[:12], -found[12:])


def test_patches_are_met_a_few_pictures_at_a_time_to_the_same_end(monkeypatch):
    pictures, sizes = to_pixels(torch.from_numpy(smooth(50))), []
    whole = Whitened((16, 16, 3), 2)
    whole.meet(pictures)
    unfold = whitened.functional.unfold

    def noted(some, *given):
        sizes.append(len(some))
        return unfold(some, *given)

    monkeypatch.setattr(whitened, "_AT_ONCE", 8 * pictures[0].numel())
    monkeypatch.setattr(whitened.functional, "unfold", noted)
    parts = Whitened((16, 16, 3), 2)
    parts.meet(pictures)
    assert sizes == [8] * 6 + [2]
    torch.testing.assert_close(parts.whiten.weight.abs(), whole.whiten.weight.abs())


def test_fit_whitens_by_the_training_pictures_and_learns_the_bias_alone():
    images = ImageSet(smooth(40), ("no", "yes"), np.arange(40) % 2)
    recipe = recipe_of("whitened", {}).updated(["epochs=1", "batch_size=20"])
    config = {"widths": [8, 8, 8]}
    fitted = fit(
        images, images, model="whitened", recipe=recipe, config=config, training=Training(device="cpu")
    )
    met = Whitened((16, 16, 3), 2, **config)
    met.meet(fitted.preprocess(to_pixels(torch.from_numpy(images.images))))
    network = fitted.torch_network
    torch.testing.assert_close(network.whiten.weight.abs(), met.whiten.weight.abs(), atol=1e-4, rtol=1e-4)
    assert network.whiten.bias.abs().max() > 0
    assert fitted.details["recipe"]["optimizer"] == "sgd"
