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

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError, DataError
from lightfast.base.files import atomic, make_folder, read_json, storage_errors, write_json
from lightfast.data.preprocess import Preprocess, to_pixels, to_tensor
from lightfast.models.forest import Forest
from lightfast.models.registry import Role, build_network, find_model

FORMAT = 2
"""2: task, thresholds and taxonomy. Format 1 is read as well."""
REFUSED = "refused"
"""Of a run whose enhancer was refused: the folder in which it lies, where no verb looks for a classifier."""
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
        taxonomy: JSON of a `data.taxonomy.Taxonomy` whose leaves are the classes, or None.
    """

    role: Role
    model: str
    image_shape: tuple[int, int, int]
    outputs: int
    class_names: tuple[str, ...]
    preprocess: Preprocess
    network: nn.Module | Forest
    config: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    details: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    task: Task = "multi-class"
    thresholds: tuple[float, ...] = ()
    taxonomy: Mapping[str, Any] | None = None

    @property
    def torch_network(self) -> nn.Module:
        """The network, where gradients are needed; raises CheckpointError for a forest."""
        if not isinstance(self.network, nn.Module):
            raise CheckpointError(
                f"{self.model} has no gradients",
                expected="a neural network",
                cure="Choose a CNN, e.g. --model cnn.",
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
        if tuple(class_names) == self.class_names:
            return
        missing = [name for name in self.class_names if name not in class_names]
        extra = [name for name in class_names if name not in self.class_names]
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
            write_json(staging / "checkpoint.json", self._description())
            with storage_errors(folder):
                if folder.exists():
                    shutil.rmtree(folder)
                staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return folder

    def _description(self) -> dict[str, Any]:
        plain = (
            "role",
            "model",
            "image_shape",
            "outputs",
            "class_names",
            "config",
            "temperature",
            "details",
            "history",
            "task",
            "thresholds",
            "taxonomy",
        )
        return {
            "format": FORMAT,
            **{name: getattr(self, name) for name in plain},
            "preprocess": self.preprocess.as_json(),
        }


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically."""
    with atomic(path) as temporary:
        try:
            save_file(
                {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary
            )
        except SafetensorError as error:
            # safetensors hides the system's error number; its text still names it.
            raise OSError(28 if "No space" in str(error) else 5, str(error)) from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors; raises CheckpointError naming the file when it is missing or damaged."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} is missing", cure="Train again, or point to a complete run folder."
        ) from error
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is damaged ({error})", cure="Train again, or copy the run folder once more."
        ) from error


def load_checkpoint(source: str | Path, device: torch.device | None = None) -> Checkpoint:
    """Read a checkpoint folder, or a run folder that contains `checkpoint/`; `hf-hub:ID` loads a published
    classifier.

    Raises:
        CheckpointError: nothing there, damaged, or written by a newer format.
    """
    if str(source).startswith("hf-hub:"):
        from lightfast.models.hub import load_hub_classifier

        return load_hub_classifier(str(source).removeprefix("hf-hub:"), device)
    folder = Path(source)
    folder = folder / "checkpoint" if (folder / "checkpoint").is_dir() else folder
    if not (folder / "checkpoint.json").is_file() and (folder / REFUSED / "checkpoint.json").is_file():
        raise CheckpointError(
            f"{source} holds an enhancer that its gate refused: {source}/report.html says why",
            cure=f"Use another run, or keep it: lightfast enhance RUN DATA --use {source} --gate off "
            "--out RUN2.",
        )
    if not (folder / "checkpoint.json").is_file():
        raise CheckpointError(
            f"no checkpoint in {source}",
            expected="a run folder with checkpoint/checkpoint.json",
            cure="Make one: lightfast train DATA --out RUN.",
        )
    try:
        content = read_json(folder / "checkpoint.json")
        return _restored(content, folder, device or torch.device("cpu"))
    except (KeyError, TypeError, DataError) as error:
        raise CheckpointError(
            f"{folder / 'checkpoint.json'} is damaged ({error})", cure="Train again."
        ) from error


def _restored(content: dict[str, Any], folder: Path, device: torch.device) -> Checkpoint:
    if content["format"] > FORMAT:
        raise CheckpointError(
            f"{folder} was written by a newer lightfast",
            expected=f"format ≤ {FORMAT}",
            got=str(content["format"]),
            cure="Upgrade lightfast.",
        )
    shape = tuple(content["image_shape"])
    network = build_network(content["model"], content["role"], shape, content["outputs"], content["config"])
    if isinstance(network, Forest):
        network.load(folder / "forest.skops")
    else:
        try:
            network.load_state_dict(load_tensors(folder / "weights.safetensors"))
        except RuntimeError as error:
            raise CheckpointError(
                f"{folder}: weights do not fit {content['model']}", cure="Train again."
            ) from error
        network = network.to(device).to(memory_format=torch.channels_last).eval()
    texts = {
        "role": content["role"],
        "model": content["model"],
        "outputs": content["outputs"],
        "config": content["config"],
    }
    return Checkpoint(
        **texts,
        image_shape=shape,
        class_names=tuple(content["class_names"]),
        preprocess=Preprocess.from_json(content["preprocess"]),
        network=network,
        temperature=content["temperature"],
        details=content["details"],
        history=tuple(content["history"]),
        task=content.get("task", "multi-class"),
        thresholds=tuple(content.get("thresholds", ())),
        taxonomy=content.get("taxonomy"),
    )


@torch.inference_mode()
def predict_logits(
    checkpoint: Checkpoint, images: NDArray[np.uint8], *, batch_size: int = 256
) -> NDArray[np.float32]:
    """uint8 (N, H, W, C) → float32 logits (N, outputs) divided by the temperature;
    for a forest the logarithm of its probabilities.
    """
    if isinstance(checkpoint.network, Forest):
        return (
            np.log(np.clip(checkpoint.network.pred_probs(images), 1e-6, None)) / checkpoint.temperature
        ).astype(np.float32)
    network = checkpoint.network.eval()
    device = next(network.parameters()).device
    logits = np.empty((len(images), checkpoint.outputs), dtype=np.float32)
    for start in range(0, len(images), batch_size):
        batch = to_tensor(images[start : start + batch_size]).to(device)
        logits[start : start + batch_size] = checkpoint.logits(to_pixels(batch)).float().cpu().numpy()
    return logits / checkpoint.temperature


def spec_of(checkpoint: Checkpoint) -> str:
    """The summary line of the checkpoint's model, for tables."""
    return find_model(checkpoint.model, checkpoint.role).summary
