"""The restorer that puts pictures straight first."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from lightfast.models.aligned import Alignment
from lightfast.models.build import fresh_network


@pytest.mark.parametrize("shape", [(28, 28, 1), (21, 30, 3), (150, 100, 3)], ids=str)
def test_untrained_it_changes_nothing(shape: tuple[int, int, int]):
    network = fresh_network("aligned-unet", "restorer", shape, 0, {"width": 8}, 0).eval()
    images = torch.rand(3, shape[2], *shape[:2])
    assert (network(images) - images).abs().max() < 1e-3


def test_its_map_is_applied_as_torch_applies_it():
    torch.manual_seed(0)
    straight = Alignment((20, 28, 3)).eval()
    torch.nn.init.normal_(straight.map.weight, std=0.1)
    images = torch.rand(4, 3, 20, 28)
    grid = functional.affine_grid(straight.matrices(images), [4, 3, 20, 28], align_corners=False)
    expected = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(straight(images), expected, atol=1e-5, rtol=0)


def test_it_learns_to_undo_a_shift():
    """Each picture by its own: no filter can, and no window of a few pixels."""
    torch.manual_seed(0)
    clean = functional.pad(torch.rand(64, 1, 8, 8), (8, 8, 8, 8))
    shifts = torch.randint(-5, 6, (64, 2)).tolist()
    moved = torch.stack([one.roll(tuple(by), (1, 2)) for one, by in zip(clean, shifts, strict=True)])
    straight = Alignment((24, 24, 1))
    optimizer = torch.optim.Adam(straight.parameters(), lr=5e-3)
    for _ in range(150):
        loss = (straight(moved) - clean).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.4 * (moved - clean).square().mean()
