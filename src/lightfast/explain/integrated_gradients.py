"""Integrated gradients: the logit's gain over a baseline picture, shared out over the pixels."""

from __future__ import annotations

from torch import Tensor

from lightfast.explain.methods import AttributionRequest, explainer


@explainer(
    "integrated-gradients",
    "the logit's gain over a baseline, shared out over the pixels",
    "Sundararajan et al. 2017",
    ("steps", "baseline"),
)
def integrated_gradients(request: AttributionRequest) -> Tensor:
    """float (n, H, W), signed: gradients of the target's logit summed up on the straight way from the
    baseline, times the difference from it; over all pixels they add up to logit(picture) - logit(baseline)
    (Sundararajan et al., ICML 2017). Computed by captum.
    """
    from captum.attr import IntegratedGradients

    found = IntegratedGradients(request.classifier.logits).attribute(
        request.pixels,
        baselines=request.baseline(),
        target=request.targets,
        n_steps=request.settings.steps,
        internal_batch_size=max(request.settings.batch_size, len(request.pixels)),
    )
    return found.sum(dim=1)
