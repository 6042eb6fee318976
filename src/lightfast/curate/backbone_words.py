"""The 1,000 classes that the published EfficientNet-Lite0 knows: its last layer, a word for each."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError

WORDS_OF = "lite0-pooled"
"""`Features.source` of the vectors whose 1,000 words are known without a network connection."""


@cache
def imagenet_words() -> tuple[str, ...]:
    """One plain word for each of the 1,000 classes of ImageNet, as timm lists them."""
    return tuple(names[0] for names in imagenet_names())


@cache
def imagenet_names() -> tuple[tuple[str, ...], ...]:
    """Every name of each of the 1,000 classes of ImageNet, the plainest first, as timm lists them."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    described = (info.index_to_description(number) for number in range(info.num_classes()))
    return tuple(tuple(name.strip() for name in one.split(",")) for one in described)


@cache
def imagenet_definitions() -> tuple[str, ...]:
    """The names of each of the 1,000 classes of ImageNet with what WordNet says that it is."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    return tuple(info.index_to_description(number, detailed=True) for number in range(info.num_classes()))


def backbone_class_probs(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Pooled features (N, 1280) of EfficientNet-Lite0, see `WORDS_OF` → float32 (N, 1000): the probabilities
    that it gives its own classes. Features of another width are refused with DataError.
    """
    weights, offset = _head()
    if vectors.ndim != 2 or vectors.shape[1] != weights.shape[1]:
        raise DataError(
            "features to be put in words", expected=f"(N, {weights.shape[1]})", got=str(vectors.shape)
        )
    logits = np.asarray(vectors, np.float32) @ weights.T + offset
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.divide(probs, probs.sum(axis=1, keepdims=True), dtype=np.float32)


@cache
def _head() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The last layer of EfficientNet-Lite0 as published: (1000, 1280) and (1000,)."""
    from lightfast.models.bundled import lite0_tensors

    *_, weights, offset = (tensor for tensor in lite0_tensors().values() if tensor.ndim)
    return weights.numpy(), offset.numpy()
