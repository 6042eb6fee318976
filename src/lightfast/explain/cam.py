"""Grad-CAM and Grad-CAM++: the maps of a layer, weighed by what the target's logit gains from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from lightfast.base.errors import CheckpointError
from lightfast.explain.methods import AttributionRequest, explainer
from lightfast.models.maps import MapLayer, Probe, graph_from


def _scores(request: AttributionRequest, pixels: Tensor, layer: MapLayer, probe: Probe) -> Tensor:
    """(n,) logits of the targets, differentiable by the maps of `layer` only:
    what comes before it leaves no graph.
    """
    with torch.no_grad(), graph_from(layer, probe):
        logits = request.classifier.logits(pixels)
    if request.open:
        request.decide(logits)
    return logits.gather(1, request.targets[:, None])[:, 0]


@contextmanager
def _reaching(layer: MapLayer) -> Iterator[None]:
    """Answer a layer that has no way to the logits with the cure."""
    try:
        yield
    except RuntimeError as error:
        if "not have been used in the graph" not in str(error) and "does not require grad" not in str(error):
            raise
        raise CheckpointError(
            f"layer={layer.name}: the logits do not depend on these maps", cure="Choose an earlier layer."
        ) from error


@explainer(
    "grad-cam",
    "the last maps, weighed by their mean gradient",
    "Selvaraju et al. 2017",
    ("layer",),
    needs_maps=True,
    signed=False,
)
def grad_cam(request: AttributionRequest) -> Tensor:
    """float (n, h, w), at least 0: ReLU of the sum of the maps, each times the mean of its gradient
    (Selvaraju et al., ICCV 2017). Computed by captum.
    """
    from captum.attr import LayerGradCam

    layer, probe = _layer(request), Probe()
    method = LayerGradCam(lambda pixels: _scores(request, pixels, layer, probe), probe)
    with _reaching(layer):
        found = method.attribute(request.pixels, relu_attributions=True)
    assert isinstance(found, Tensor)
    return found[:, 0]


@explainer(
    "grad-cam++",
    "the same, weighed place by place: better with several objects",
    "Chattopadhay et al. 2018",
    ("layer",),
    needs_maps=True,
    signed=False,
)
def grad_cam_plus_plus(request: AttributionRequest) -> Tensor:
    """float (n, h, w), at least 0: as Grad-CAM, the places of a map weighed one by one (Chattopadhay et al.,
    Grad-CAM++, WACV 2018).

    The score is exp(logit), as there: its derivatives are powers of the logit's gradient g, so that a place
    weighs α = g² / (2 g² + g³ · sum of the map) times ReLU(g). The common factor exp(logit) is left out: it
    scales a picture's map as a whole.
    """
    layer, probe = _layer(request), Probe()
    score = _scores(request, request.pixels, layer, probe).sum()
    # In double: third powers of small gradients vanish in float32.
    with _reaching(layer):
        gradient, maps = torch.autograd.grad(score, probe.maps)[0].double(), probe.maps.detach().double()
    below = 2 * gradient**2 + gradient**3 * maps.sum(dim=(2, 3), keepdim=True)
    shares = torch.where(below == 0, 0.0, gradient**2 / torch.where(below == 0, 1.0, below))
    weights = (shares * gradient.relu()).sum(dim=(2, 3), keepdim=True)
    return (weights * maps).sum(dim=1).relu()


def _layer(request: AttributionRequest) -> MapLayer:
    assert request.layer is not None, "explain() gives a layer to methods that need maps"
    return request.layer
