"""Occlusion: how much of the target's probability is lost when a square of the picture is covered."""

from __future__ import annotations

from torch import Tensor

from lightfast.base.errors import SettingsError
from lightfast.explain.methods import AttributionRequest, explainer


@explainer(
    "occlusion",
    "the probability lost when a square is covered",
    "Zeiler & Fergus 2014",
    ("window", "stride", "baseline"),
    needs_gradients=False,
)
def occlusion(request: AttributionRequest) -> Tensor:
    """float (n, H, W), signed: the mean loss of probability over the squares that cover a pixel (Zeiler &
    Fergus, ECCV 2014). Computed by captum.
    """
    from captum.attr import Occlusion

    count, channels, height, width = request.pixels.shape
    window = request.settings.window or max(1, min(height, width) // 6)
    if window > min(height, width):
        raise SettingsError(
            f"window={window}",
            expected=f"at most the shorter side, {min(height, width)} pixels",
            cure="Give a smaller window, or leave it out.",
        )
    stride = request.settings.stride or max(1, window // 2)
    if stride > window:
        raise SettingsError(
            f"stride={stride}",
            expected=f"at most the window, {window} pixels",
            cure="Otherwise some pixels are never covered.",
        )
    found = Occlusion(request.probabilities).attribute(
        request.pixels,
        sliding_window_shapes=(channels, window, window),
        strides=(channels, stride, stride),
        baselines=request.baseline(),
        target=request.targets,
        perturbations_per_eval=max(1, request.settings.batch_size // count),
    )
    # A square covers all channels, so that they all have the same value.
    return found[:, 0]
