"""`Checkpoint`: a fitted network with all that is needed to use it.

On disk: tensors and JSON only, nothing that can run code.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from torch import Tensor, nn

from lightfast.base.errors import CheckpointError
from lightfast.base.files import make_folder, storage_errors, write_json
from lightfast.base.plain import HIDDEN, fields_json
from lightfast.base.text import nfc
from lightfast.data.preprocess import Preprocess
from lightfast.models.forest import Forest
from lightfast.models.registry import Role
from lightfast.models.tensors import save_tensors

FORMAT = 2
"""2: task, thresholds and taxonomy. Format 1 is read as well."""
Task = Literal["multi-class", "multi-label"]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A fitted model that describes itself.

    Attributes:
        role: "classifier", "detector" or "restorer".
        model: registry name the network was built by, and `config`, its keyword arguments.
        image_shape: (H, W, C) that it was built for.
        outputs: number of logits (0 for restorers).
        class_names: names of the classes (classifier) or of the damages (detector); empty for restorers.
        preprocess: from pixels in [0, 1] to the network's input.
        network: torch module in eval mode, or a Forest.
        temperature: divides the logits; fitted on validation data (1.0 = not calibrated).
        details: JSON-ready facts that belong to the weights (data version, seed, recipe, thresholds …).
        history: one mapping an epoch.
        task: "multi-class" (logits compete: softmax) or "multi-label" (each logit is a yes or no of its own:
            sigmoid).
        thresholds: multi-label only: the probability from which on each class is a tag (0.5 for all when
            empty).
        taxonomy: JSON of a `data.taxonomy.taxonomy.Taxonomy` whose leaves are the classes, or None.
        from_hub: published by others, not trained here: it resizes pictures by itself.
    """

    role: Role
    model: str
    image_shape: tuple[int, int, int]
    outputs: int
    class_names: tuple[str, ...]
    preprocess: Preprocess
    network: nn.Module | Forest = field(metadata=HIDDEN)
    config: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    details: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    task: Task = "multi-class"
    thresholds: tuple[float, ...] = ()
    taxonomy: Mapping[str, Any] | None = None
    from_hub: bool = False

    @property
    def torch_network(self) -> nn.Module:
        """The network, where gradients are needed; raises CheckpointError for a forest."""
        if not isinstance(self.network, nn.Module):
            raise CheckpointError(
                f"{self.model} has no gradients",
                expected="a neural network",
                cure="Choose a CNN, e.g. of lightfast train with `model` cnn.",
            )
        return self.network

    def replace(self, **changes: Any) -> Self:
        """A copy with fields changed (the network itself is shared)."""
        return dataclasses.replace(self, **changes)

    def logits(self, pixels: Tensor) -> Tensor:
        """float (N, C, H, W) in [0, 1] → logits (N, outputs), differentiable; temperature is not applied."""
        return self.torch_network(self.preprocess(pixels))

    def require_classes(self, class_names: tuple[str, ...], source: str) -> None:
        """Refuse data whose class list differs from the checkpoint's, naming the first difference."""
        own, given = tuple(map(nfc, self.class_names)), tuple(map(nfc, class_names))
        if given == own:
            return
        missing = [name for name in own if name not in given]
        extra = [name for name in given if name not in own]
        parts = [f"missing there: {', '.join(missing[:5])}"] if missing else []
        parts += [f"unknown to the checkpoint: {', '.join(extra[:5])}"] if extra else []
        what = "; ".join(parts) or "same names in another order"
        raise CheckpointError(
            f"{source} has another class list than this checkpoint ({what})",
            cure="Use data with the same classes in the same order, or train again.",
        )

    def save(self, folder: Path) -> Path:
        """Write `folder` (weights.safetensors or forest.skops, checkpoint.json);
        appears whole or not at all.
        """
        staging = make_folder(folder.parent) / f".{folder.name}.part"
        shutil.rmtree(staging, ignore_errors=True)
        try:
            make_folder(staging)
            if isinstance(self.network, Forest):
                self.network.save(staging / "forest.skops")
            else:
                save_tensors(staging / "weights.safetensors", self.network.state_dict())
            write_json(staging / "checkpoint.json", {"format": FORMAT, **fields_json(self)})
            with storage_errors(folder):
                if folder.exists():
                    shutil.rmtree(folder)
                staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return folder
