"""Checkpoints from disk, from a run folder, or from the hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from lightfast.base.errors import CheckpointError, DataError
from lightfast.base.files import load_json
from lightfast.data.preprocess import Preprocess
from lightfast.models.build import build_network, find_model
from lightfast.models.checkpoint import FORMAT, Checkpoint
from lightfast.models.device import resolve_device
from lightfast.models.forest import Forest
from lightfast.models.hub_checkpoint import load_hub_classifier
from lightfast.models.stroke_files import holds_stroke_classifier
from lightfast.models.tensors import load_tensors

REFUSED = "refused"
"""Of a run whose enhancer was refused: the folder in which it lies, where no verb looks for a classifier."""


def load_checkpoint(source: str | Path, device: torch.device | None = None) -> Checkpoint:
    """Read a checkpoint folder, or a run folder that contains `checkpoint/`; `hf-hub:ID` loads a published
    classifier.

    Raises:
        CheckpointError: nothing there, damaged, or written by a newer format.
    """
    if str(source).startswith("hf-hub:"):
        return load_hub_classifier(str(source).removeprefix("hf-hub:"), device)
    folder = Path(source)
    folder = folder / "checkpoint" if (folder / "checkpoint").is_dir() else folder
    if not (folder / "checkpoint.json").is_file() and (folder / REFUSED / "checkpoint.json").is_file():
        raise CheckpointError(
            f"{source} holds an enhancer that its gate refused: {source}/report.html says why",
            cure=f"Use another run, or keep it: lightfast enhance RUN DATA, with `use` {source} `gate` off "
            "`out` RUN2.",
        )
    if holds_stroke_classifier(folder):
        raise CheckpointError(
            f"{source} reads drawings as strokes, no pictures",
            cure="It predicts files of strokes (lightfast predict). For pictures train another `model`.",
        )
    if not (folder / "checkpoint.json").is_file():
        raise CheckpointError(
            f"no checkpoint in {source}",
            expected="a run folder with checkpoint/checkpoint.json",
            cure="Make one: lightfast train DATA, with `out` RUN.",
        )
    try:
        content = load_json(folder / "checkpoint.json")
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
            network.load_state_dict(_renamed(load_tensors(folder / "weights.safetensors")))
        except RuntimeError as error:
            raise CheckpointError(
                f"{folder}: weights do not fit {content['model']}", cure="Train again."
            ) from error
        network = network.to(device).to(memory_format=torch.channels_last).eval()
    needed = ("role", "model", "outputs", "config", "temperature", "details")
    # Format 1 has none of these.
    newer = {name: content[name] for name in ("task", "taxonomy", "from_hub") if name in content}
    return Checkpoint(
        **{name: content[name] for name in needed},
        **newer,
        image_shape=shape,
        class_names=tuple(content["class_names"]),
        preprocess=Preprocess.from_json(content["preprocess"]),
        network=network,
        history=tuple(content["history"]),
        thresholds=tuple(content.get("thresholds", ())),
    )


def _renamed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Backbones were called trunks by the versions that wrote the first checkpoints."""
    return {re.sub(r"(^|\.)trunk\.", r"\1backbone.", name): tensor for name, tensor in tensors.items()}


def model_summary(checkpoint: Checkpoint) -> str:
    """The summary line of the checkpoint's model, for tables."""
    return find_model(checkpoint.model, checkpoint.role).summary


def load_classifier(run: str, device: str = "auto") -> Checkpoint:
    """The classifier of a run folder, or of `hf-hub:ID`, on the wanted device (auto, cpu, cuda)."""
    return load_checkpoint(run, resolve_device(device))
