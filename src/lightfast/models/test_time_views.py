"""Which views of a picture a network should average its prediction over: chosen on validation pictures,
after training.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.data.images import ImageSet
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import predict_logits


def choose_views(classifier: Checkpoint, val_images: ImageSet, among: Sequence[str]) -> Checkpoint:
    """A copy that averages over the views with the lowest cross-entropy on `val_images`; what was measured
    stands in its details.

    Args:
        classifier: a network with a `views` setting (resnet9).
        val_images: labelled pictures that it was not fitted on.
        among: names of `models.classifiers.VIEWS`; leave out what changes the class (mirrored letters).

    Raises SettingsError for a network without views, or when there is nothing to choose on.
    """
    if not hasattr(classifier.network, "views"):
        raise SettingsError(f"{classifier.model} has no views", cure="Use `model` resnet9 or resnet9-small.")
    if not len(val_images) or not among:
        raise SettingsError("choosing views", expected="validation pictures and at least one kind of views")
    found = {views: _loss(with_views(classifier, views), val_images) for views in among}
    best = min(found, key=lambda views: found[views])
    chosen = with_views(classifier, best)
    return chosen.replace(
        details={
            **classifier.details,
            "views_val_loss": {views: round(loss, 5) for views, loss in found.items()},
        }
    )


def with_views(classifier: Checkpoint, views: str) -> Checkpoint:
    """A copy of a checkpoint whose network averages over `views`."""
    network = copy.deepcopy(classifier.torch_network)
    setattr(network, "views", views)  # noqa: B010  a torch module, not a class that declares it
    return classifier.replace(network=network, config={**classifier.config, "views": views})


def _loss(classifier: Checkpoint, images: ImageSet) -> float:
    logits: NDArray[np.float64] = predict_logits(classifier, images.images).astype(np.float64)
    top = logits.max(axis=1)
    own = logits[np.arange(len(logits)), images.require_labels()]
    return float((top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - own).mean())
