"""Checkpoints from published classifiers: `hf-hub:ID`, in the layouts of transformers and timm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lightfast.base.errors import CheckpointError, DownloadError, LightfastError
from lightfast.base.files import load_json
from lightfast.data.preprocess import Preprocess
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.hub import TransformersClassifier, _transformers
from lightfast.models.hub_reach import hub_answers
from lightfast.models.tensors import load_tensors


def load_hub_classifier(identifier: str, device: torch.device | None = None) -> Checkpoint:
    """The classifier published as `identifier` (`owner/name[@revision]`) or lying in the folder of that name.

    Its class names, picture size and normalisation are read from its own config files.

    Raises:
        DownloadError: neither a folder nor a repository that can be reached.
        CheckpointError: files missing, or a layout that is not an image classifier.
    """
    folder = hub_folder(identifier)
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"hf-hub:{identifier}: no config.json", expected="config.json and model.safetensors"
        )
    if not (folder / "model.safetensors").is_file():
        raise CheckpointError(
            f"hf-hub:{identifier}: no model.safetensors",
            cure="Only safetensors are loaded: other formats can run code.",
        )
    config = load_json(folder / "config.json")
    try:
        checkpoint = (
            _from_timm(config, folder) if "architecture" in config else _from_transformers(config, folder)
        )
    except RuntimeError as error:
        raise CheckpointError(
            f"hf-hub:{identifier}: weights do not fit its config", cure="Check the repository's files."
        ) from error
    checkpoint.torch_network.to(device or torch.device("cpu")).eval()
    return checkpoint.replace(details={"source": f"hf-hub:{identifier}"}, from_hub=True)


def hub_folder(identifier: str) -> Path:
    """The folder with the files published as `identifier` (`owner/name[@revision]`),
    fetched where it is not a local folder already.
    """
    local = Path(identifier).expanduser()
    if local.is_dir():
        return local
    from huggingface_hub import snapshot_download

    repository, _, revision = identifier.partition("@")
    # Where the hub does not answer, only what lies in its cache is looked for.
    offline = not hub_answers()
    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision or None,
                allow_patterns=["*.json", "model.safetensors"],
                local_files_only=offline,
            )
        )
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, LightfastError):
            raise
        reason = "the hub does not answer, and its cache holds no copy" if offline else _first_line(error)
        raise DownloadError(
            f"hf-hub:{identifier} could not be fetched ({reason})",
            cure="Check the name and the connection, or give a local folder: hf-hub:FOLDER.",
        ) from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"


def _from_transformers(config: dict[str, Any], folder: Path) -> Checkpoint:
    names = config.get("id2label") or {}
    if "model_type" not in config or not names:
        raise CheckpointError(
            f"{folder / 'config.json'}", expected="model_type and id2label of an image classifier"
        )
    class_names = tuple(names[key] for key in sorted(names, key=int))
    channels = int(config.get("num_channels", 3))
    file = folder / "preprocessor_config.json"
    processing = load_json(file) if file.is_file() else {}
    height, width = _size(processing.get("size", config.get("image_size", 224)))
    centred = processing.get("do_normalize", True)
    mean = tuple(processing.get("image_mean", [0.5] * channels)) if centred else (0.0,) * channels
    std = tuple(processing.get("image_std", [0.5] * channels)) if centred else (1.0,) * channels
    # transformers renames tensors between versions; only its own loader knows the names that a published file
    # uses.
    automatic = _transformers().AutoModelForImageClassification
    model = automatic.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, trust_remote_code=False
    )
    preprocess = Preprocess((height, width), channels, mean, std)
    config = {"hub_config": model.config.to_dict()}
    return _described("hub-transformers", class_names, preprocess, TransformersClassifier(model), config)


def _described(
    model: str, class_names: tuple[str, ...], preprocess: Preprocess, network: Any, config: dict[str, Any]
) -> Checkpoint:
    return Checkpoint(
        role="classifier",
        model=model,
        image_shape=(*preprocess.size, preprocess.channels),
        outputs=len(class_names),
        class_names=class_names,
        preprocess=preprocess,
        network=network,
        config=config,
    )


def _size(said: Any) -> tuple[int, int]:
    """(H, W) from the forms that config files use: 224, [224, 224], {"height": …, "width": …},
    {"shortest_edge": …}.
    """
    if isinstance(said, dict):
        edge = said.get("shortest_edge", 224)
        return int(said.get("height", edge)), int(said.get("width", edge))
    height, width = said if isinstance(said, tuple | list) else (said, said)
    return int(height), int(width)


def _from_timm(config: dict[str, Any], folder: Path) -> Checkpoint:
    from lightfast.models.backbones import timm_network

    settings = config.get("pretrained_cfg", config)
    channels, height, width = settings.get("input_size", (3, 224, 224))
    outputs = int(config.get("num_classes", settings.get("num_classes", 1000)))
    class_names = tuple(map(str, config.get("label_names") or settings.get("label_names") or range(outputs)))
    mean, std = tuple(settings.get("mean", (0.5,) * channels)), tuple(settings.get("std", (0.5,) * channels))
    extra = dict(config.get("model_args", {}))
    network = timm_network((height, width, channels), outputs, config["architecture"], **extra)
    network.load_state_dict(load_tensors(folder / "model.safetensors"))
    preprocess = Preprocess((height, width), channels, mean, std)
    return _described(f"timm:{config['architecture']}", class_names, preprocess, network, extra)
