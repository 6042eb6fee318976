"""The fast gradient sign method, against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.data.preprocess import Preprocess
from lightfast.models.adversarial import fast_gradient_sign
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint

SHAPE = (6, 6, 1)
LABELS = np.array([0, 2, 1], dtype=np.int64)


def classifier(role: str = "classifier") -> Checkpoint:
    network = fresh_network("mlp", "classifier", SHAPE, 3, {"hidden": [8]}, 0).double()
    kind = "classifier" if role == "classifier" else "detector"
    return Checkpoint(kind, "mlp", SHAPE, 3, tuple("abc"), Preprocess.identity(SHAPE), network.float())


def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 190, (3, *SHAPE), dtype=np.uint8)


def loss(made: Checkpoint, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    network = made.torch_network.double().eval()
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).double()
    with torch.no_grad():
        return functional.cross_entropy(network(pixels), torch.from_numpy(labels), reduction="none").numpy()


def test_every_pixel_goes_the_way_that_makes_the_loss_grow():
    made, images = classifier(), pictures()
    changed = fast_gradient_sign(made, images, LABELS, 0.1)
    moved = changed.astype(int) - images
    assert set(np.abs(moved[moved != 0])) <= {25, 26}
    base = images / 255.0
    for row in range(6):
        for column in range(6):
            sides = []
            for sign in (1, -1):
                probe = base.copy()
                probe[:, row, column] += sign * 1e-5
                sides.append(loss(made, probe, LABELS))
            slope = (sides[0] - sides[1]) / 2e-5
            clear = np.abs(slope) > 1e-6
            assert (np.sign(moved[clear, row, column, 0]) == np.sign(slope[clear])).all()


def test_the_loss_grows_pixels_stay_in_range_and_the_classifier_as_it_was():
    made, images = classifier(), pictures()
    weights = [tensor.clone() for tensor in made.torch_network.state_dict().values()]
    changed = fast_gradient_sign(made, images, LABELS, 1.0)
    assert set(np.unique(changed)) <= {0, 255}
    assert all(parameter.grad is None for parameter in made.torch_network.parameters())
    after = made.torch_network.state_dict().values()
    assert all(torch.equal(old, new) for old, new in zip(weights, after, strict=True))
    assert (loss(made, changed / 255, LABELS) > loss(made, images / 255, LABELS)).all()


@pytest.mark.parametrize("epsilon", [0.0, -0.1, 1.5])
def test_a_step_out_of_range_is_refused(epsilon: float):
    with pytest.raises(SettingsError, match="at most 1"):
        fast_gradient_sign(classifier(), pictures(), LABELS, epsilon)


def test_what_is_no_classifier_is_refused():
    with pytest.raises(CheckpointError, match="a classifier"):
        fast_gradient_sign(classifier("detector"), pictures(), LABELS, 0.1)
