"""`refit_head`: a frozen classifier whose last layer is fitted anew on other pictures."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError
from lightfast.base.progress import Reporter, silent
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import to_pixels, to_tensor
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.tree_head import set_linear
from lightfast.train.linear import LinearData, fit_linear

_BATCH = 128


def head_of(classifier: Checkpoint) -> str:
    """The name of the last layer of a network: of its linear layers with one output a class the one that
    gives the logits.

    Raises CheckpointError: a forest, a tree of decisions, any number of labels a picture, or a last layer
    that is not linear.
    """
    named = [
        name
        for name, module in classifier.torch_network.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == classifier.outputs
    ]
    if classifier.task != "multi-class" or not named:
        raise CheckpointError(
            f"{classifier.model} has no last layer that can be fitted anew",
            expected="a network whose last layer is linear, one output a class",
            cure="Train it anew as a whole.",
        )
    return named[-1]


def refit_head(
    classifier: Checkpoint, images: ImageSet, val_images: ImageSet, *, report: Reporter = silent
) -> Checkpoint:
    """The same network with its last layer fitted anew by multinomial logistic regression (`fit_linear`) on
    labelled pictures; all other weights stay as they are. The strength is chosen on `val_images`.

    Returns: a copy, not calibrated (temperature 1); its details name the pictures ("refitted_on").

    Raises CheckpointError: see `head_of`; other classes. DataError: fewer than two classes.
    """
    name = head_of(classifier)
    for part in (images, val_images):
        classifier.require_classes(part.class_names, part.name)
    network = copy.deepcopy(classifier.torch_network).eval()
    rows, val = (
        LinearData(_features(classifier, network, name, part, report), part.require_labels())
        for part in (images, val_images)
    )
    found = fit_linear(rows, val, classifier.outputs)
    layer = nn.Linear(found.weight.shape[1], classifier.outputs)
    set_linear(layer, found.weight, found.bias)
    parent, _, child = name.rpartition(".")
    device = next(network.parameters()).device
    setattr(network.get_submodule(parent), child, layer.to(device).eval())
    facts: dict[str, Any] = {
        "refitted_on": images.version,
        "n_train": len(images),
        "strength": found.strength,
    }
    return classifier.replace(network=network, temperature=1.0, details={**classifier.details, **facts})


@torch.no_grad()
def _features(
    classifier: Checkpoint, network: nn.Module, name: str, images: ImageSet, report: Reporter
) -> NDArray[np.float32]:
    """What the layer `name` is given, float32 (N, D); where it runs several times for a picture (averaged
    views) the mean, which gives the same mean logits.
    """
    given: list[Tensor] = []
    hook = network.get_submodule(name).register_forward_pre_hook(partial(_keep, given))
    device, found = next(network.parameters()).device, []
    try:
        for start in range(0, len(images), _BATCH):
            given.clear()
            pixels = to_pixels(to_tensor(images.images[start : start + _BATCH]).to(device))
            logits = network(classifier.preprocess(pixels).contiguous(memory_format=torch.channels_last))
            features = torch.stack(given).mean(dim=0) if given else None
            if not start:
                _require_last(classifier, network.get_submodule(name), features, logits)
            assert features is not None, "the first batch went through the layer"
            found.append(features.float().cpu().numpy())
            report("features", min(start + _BATCH, len(images)), len(images))
    finally:
        hook.remove()
    return np.concatenate(found)


def _require_last(classifier: Checkpoint, layer: nn.Module, features: Tensor | None, logits: Tensor) -> None:
    """Refuse a layer that is not the last one: fitted anew it would not give the logits."""
    alike = features is not None and features.ndim == 2
    if not alike or not torch.allclose(layer(features), logits, rtol=1e-3, atol=1e-3):
        raise CheckpointError(
            f"the last linear layer of {classifier.model} does not give its logits",
            expected="a network whose last layer is linear, one output a class",
            cure="Train it anew as a whole.",
        )


def _keep(given: list[Tensor], _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    given.append(inputs[0])
