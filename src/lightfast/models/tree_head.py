"""`TreeHead`: from features to the log-probabilities of K classes by K - 1 binary decisions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lightfast.base.errors import CheckpointError
from lightfast.models.binary_tree import Structure, sides


class TreeHead(nn.Module):
    """float (N, D) → float (N, K): log-probabilities, which serve as logits (softmax of them gives the
    probabilities themselves).

    Decision j says with which probability a picture lies on its first side, sigmoid(w_j · x + b_j); a class
    is as probable as all decisions on the way to it together. The ways are two constant matrices, so that a
    picture costs one small product more than a linear head, and the module can be exported to ONNX.

    Args:
        features: D.
        structure: nested pairs of class numbers, see `models.binary_tree`.
        classes: K; 0 counts those of the structure.
    """

    first: Tensor
    second: Tensor

    def __init__(self, features: int, structure: Structure, classes: int = 0) -> None:
        super().__init__()
        # A structure of K classes written as JSON has K - 1 opening brackets.
        classes = classes or str(structure).count("[") + 1
        self.decisions = nn.Linear(features, classes - 1)
        for name, side in zip(("first", "second"), sides(structure, classes), strict=True):
            # They follow from the structure, which stands in the checkpoint's config.
            self.register_buffer(name, torch.from_numpy(side).float(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        votes = self.decisions(features)
        # log sigmoid(v) = -softplus(-v), which stays finite where a sigmoid is 0.
        return -(F.softplus(-votes) @ self.first + F.softplus(votes) @ self.second)

    def load_fitted(self, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> TreeHead:
        """Take the decisions of `train.linear.fit_tree`: weight (K - 1, D), bias (K - 1,);
        returns the module itself.
        """
        wanted = tuple(self.decisions.weight.shape)
        if weight.shape != wanted or bias.shape != wanted[:1]:
            what = "weights of a tree of binary classifiers"
            raise CheckpointError(what, expected=str(wanted), got=str(weight.shape))
        set_linear(self.decisions, weight, bias)
        return self


def set_linear(layer: nn.Linear, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    """Give a layer weights that were fitted outside torch: (K, D) and (K,)."""
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        layer.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias)))
