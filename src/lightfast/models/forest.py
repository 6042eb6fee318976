"""The random forest, fitted at once instead of by gradient descent."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.base.files import atomic
from lightfast.models.registry import ImageShape, register

_FOREST_TYPES = {"sklearn.tree._tree.Tree"}
"""What a forest is made of beyond the types that skops trusts by itself."""


class Forest:
    """scikit-learn's RandomForestClassifier (Breiman 2001) on pixels scaled to [0, 1], flattened."""

    def __init__(
        self,
        image_shape: ImageShape,
        outputs: int,
        trees: int = 200,
        depth: int | None = None,
        criterion: str = "gini",
    ) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self.image_shape, self.outputs = image_shape, outputs
        self.model: Any = RandomForestClassifier(
            n_estimators=int(trees), max_depth=depth, criterion=criterion, n_jobs=-1
        )

    def fit(self, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int) -> None:
        """uint8 (N, H, W, C) pictures and int64 (N,) labels; the seed fixes bootstrap and splits."""
        self.model.set_params(random_state=seed)
        self.model.fit(_rows(images), labels)

    def pred_probs(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 (N, K) class probabilities: the share of trees,
        zero for a class without training pictures.
        """
        probs = np.zeros((len(images), self.outputs), dtype=np.float32)
        if len(images):
            probs[:, self.model.classes_] = self.model.predict_proba(_rows(images))
        return probs

    def save(self, path: Path) -> None:
        """Write as skops: data only, no code."""
        import skops.io

        with atomic(path) as temporary:
            skops.io.dump(self.model, temporary)

    def load(self, path: Path) -> None:
        """Read a forest written by `save`; types outside scikit-learn's and
        numpy's own are refused by name.
        """
        import skops.io

        foreign = set(skops.io.get_untrusted_types(file=path))
        if foreign - _FOREST_TYPES:
            raise CheckpointError(
                f"{path} holds foreign types ({', '.join(sorted(foreign))})",
                cure="Do not load it; train again.",
            )
        self.model = skops.io.load(path, trusted=sorted(foreign))


def _rows(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.reshape(len(images), -1).astype(np.float32) / 255.0


register("random-forest", Forest, "random forest on pixels", "Breiman 2001, scikit-learn")
register(
    "random-forest-80",
    partial(Forest, trees=100, depth=80),
    "random forest of 100 trees, depth 80, gini",
    "EMNIST study",
)
register(
    "random-forest-80-entropy",
    partial(Forest, trees=100, depth=80, criterion="entropy"),
    "the same, split by entropy",
    "EMNIST study",
)
