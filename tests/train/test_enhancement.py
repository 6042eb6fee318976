"""What an enhancer minimises: cross-entropy through a frozen classifier,
and the distance from the clean picture.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightfast.evaluate import image_quality as quality
from lightfast.train.enhancement import Enhancement, differentiable_ssim

LABELS = torch.tensor([0, 1, 1, 0])


def reader(pixels: Tensor) -> Tensor:
    """Two logits: the mean of the left and of the right half."""
    middle = pixels.shape[-1] // 2
    return 5 * torch.stack(
        [pixels[..., :middle].mean((1, 2, 3)), pixels[..., middle:].mean((1, 2, 3))], dim=1
    )


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(0)
    given, clean = (torch.from_numpy(rng.integers(0, 256, (4, 12, 12, 3), dtype=np.uint8)) for _ in range(2))
    return given, clean, LABELS


def pixels_of(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("shape", [(3, 12, 12, 3), (2, 9, 20, 1), (2, 5, 6, 1), (1, 7, 7, 3)], ids=str)
def test_the_similarity_is_that_of_the_measured_quality(shape: tuple[int, ...]):
    rng = np.random.default_rng(1)
    first = rng.random(shape)
    second = np.clip(first + rng.normal(0, 0.2, shape), 0, 1)
    found = differentiable_ssim(*(torch.from_numpy(side).permute(0, 3, 1, 2) for side in (first, second)))
    assert float(found) == pytest.approx(quality.ssim(first, second, 1).mean(), abs=1e-9)


def test_flat_pictures_give_finite_gradients():
    flat = torch.full((1, 1, 8, 8), 0.5, requires_grad=True)
    (1 - differentiable_ssim(flat, torch.zeros(1, 1, 8, 8))).backward()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()


@pytest.mark.parametrize("fidelity", ["ssim", "l1"])
def test_the_loss_is_the_readers_error_and_lambda_times_the_distance(batch, fidelity):
    given, clean, labels = batch
    loss, measures = Enhancement(reader, 0.7, fidelity)(nn.Identity(), batch, None)
    pixels, target = pixels_of(given), pixels_of(clean)
    error = nn.functional.cross_entropy(reader(pixels), labels)
    distance = (
        1 - differentiable_ssim(pixels, target) if fidelity == "ssim" else (pixels - target).abs().mean()
    )
    assert float(loss) == pytest.approx(float(error + 0.7 * distance), abs=1e-6)
    assert float(measures["cross_entropy"]) == pytest.approx(float(error), abs=1e-6)
    assert float(measures["change"]) == pytest.approx(float(distance), abs=1e-6)
    assert float(measures["accuracy"]) == pytest.approx(
        float((reader(pixels).argmax(1) == labels).float().mean())
    )


def test_without_lambda_only_the_reader_counts(batch):
    loss, measures = Enhancement(reader, 0.0)(nn.Identity(), batch, None)
    assert float(loss) == float(measures["cross_entropy"])


def test_what_lies_outside_the_picture_range_is_clipped_before_it_is_read(batch):
    class Bright(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return pixels + 9

    _, measures = Enhancement(reader)(Bright(), batch, None)
    assert float(measures["cross_entropy"]) == pytest.approx(float(np.log(2)), abs=1e-6)


def test_picture_and_target_are_moved_alike_and_only_in_training(batch):
    given, _, labels = batch
    objective = Enhancement(reader, 1.0, "l1", "natural")
    seen: list[Tensor] = []

    class Noted(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            seen.append(pixels)
            return pixels

    for generator in (torch.Generator().manual_seed(0), None):
        _, measures = objective(Noted(), (given, given, labels), generator)
        assert float(measures["change"]) == 0
    moved, still = seen
    assert not torch.equal(moved, pixels_of(given))
    assert torch.equal(still, pixels_of(given))
