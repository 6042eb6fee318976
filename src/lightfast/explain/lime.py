"""LIME: a linear model of the target's probability over which segments of the picture are there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightfast.base.randomness import derive_seed
from lightfast.explain.methods import AttributionRequest, explainer

_KERNEL_WIDTH = 0.25


@explainer(
    "lime",
    "a linear model over the segments of the picture",
    "Ribeiro et al. 2016",
    ("samples", "segments", "baseline"),
    needs_gradients=False,
)
def lime(request: AttributionRequest) -> Tensor:
    """float (n, H, W), signed: the weight of each pixel's segment in a ridge regression of the probability on
    the segments that are shown, near samples counting more (Ribeiro et al., KDD 2016, with the kernel and the
    regression of the authors' program). Computed by captum.

    A picture is cut into segments by SLIC (Achanta et al. 2012); every picture sees the same draws, whichever
    stand beside it.
    """
    baseline = request.baseline()
    return torch.stack([_one(request, row, baseline) for row in range(len(request.pixels))])


def _one(request: AttributionRequest, row: int, baseline: Tensor) -> Tensor:
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime

    picture = request.pixels[row : row + 1]
    cut = segments_of(picture[0].permute(1, 2, 0).cpu().numpy(), request.settings.segments)
    segments = torch.from_numpy(cut).to(picture.device)
    shown = torch.Generator().manual_seed(derive_seed(request.seed, "lime"))

    def draws(original: Tensor, **given: Any) -> Iterator[Tensor]:
        # The picture itself first.
        size = (1, given["num_interp_features"])
        yield torch.ones(size, dtype=torch.long, device=original.device)
        while True:
            yield torch.randint(2, size, generator=shown).to(original.device)

    method = Lime(request.probabilities, SkLearnRidge(alpha=1.0), _nearness, draws)
    # captum's own loader and regression draw from the global generator, without effect on the result.
    with torch.random.fork_rng(devices=[]):
        weights = method.attribute(
            picture,
            baselines=baseline[row : row + 1],
            target=request.targets[row : row + 1],
            feature_mask=segments[None, None],
            n_samples=request.settings.samples,
            perturbations_per_eval=request.settings.batch_size,
            return_input_shape=False,
        )
    return weights.flatten()[segments]


def segments_of(picture: NDArray[np.float32], wanted: int) -> NDArray[np.int64]:
    """int64 (H, W): the number of each pixel's segment, 0, 1, 2 … without gaps; about `wanted` of at least
    four pixels each.

    picture: float (H, W, C) in [0, 1]; grey ones are cut as RGB, so that closeness in colour means the same.
    In noise SLIC finds next to no connected segments; it is then told to look at places more than at colours,
    which ends in squares.
    """
    from skimage.segmentation import slic

    height, width, _ = picture.shape
    colour = np.broadcast_to(picture, (height, width, 3)).astype(np.float64)
    number = max(2, min(wanted, height * width // 4))
    found = np.zeros((height, width), dtype=np.int64)
    for compactness in (10.0, 100.0, 1_000.0, 10_000.0):
        cut = slic(colour, n_segments=number, compactness=compactness, start_label=0, channel_axis=-1)
        found = np.unique(cut, return_inverse=True)[1].reshape(height, width).astype(np.int64)
        if 2 * (found.max() + 1) >= number:
            break
    return found


def _nearness(_original: Tensor, _changed: Tensor, shown: Tensor, **_given: Any) -> float:
    """The root of exp(-distance² / width²), of the cosine distance from the whole picture,
    as the authors' program has it.
    """
    share = float(shown.float().mean())
    distance = 1 - math.sqrt(share)
    return math.sqrt(math.exp(-(distance**2) / _KERNEL_WIDTH**2))
