"""Small classifiers with random weights, and picture files of noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lightfast.data.dataset import Entry
from lightfast.data.preprocess import Preprocess, to_pixels
from lightfast.export.graph import export_graph
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.tagging.runtime import Tagger, load_tagger

Shape = tuple[int, int, int]


def _classifier(
    name: str, shape: Shape, outputs: int = 4, config: dict[str, Any] | None = None, **changes: Any
) -> Checkpoint:
    """A network whose batch norms are not at rest, so that folding them wrongly shows."""
    network = fresh_network(name, "classifier", shape, outputs, config or {}, 0)
    rng = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=rng))
    mean, std = (0.4, 0.5, 0.3)[: shape[2]], (0.2, 0.3, 0.25)[: shape[2]]
    made = Checkpoint(
        "classifier",
        name,
        shape,
        outputs,
        tuple("abcdefgh"[:outputs]),
        Preprocess(shape[:2], shape[2], mean, std),
        network.eval(),
        config or {},
        0.7,
    )
    return made.replace(**changes)


def _noise(shape: Shape, count: int = 5) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)


@torch.inference_mode()
def _by_torch(checkpoint: Checkpoint, images: np.ndarray) -> np.ndarray:
    """The plainest reference: the checkpoint's own modules, one after the other, in torch."""
    logits = (
        checkpoint.torch_network(checkpoint.preprocess(to_pixels(torch.from_numpy(images))))
        / checkpoint.temperature
    )
    return (logits.sigmoid() if checkpoint.task == "multi-label" else logits.softmax(dim=1)).numpy()


class Kit:
    """What these tests build from."""

    classifier = staticmethod(_classifier)
    noise = staticmethod(_noise)
    by_torch = staticmethod(_by_torch)


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small colour CNN for 16 x 16, exported."""
    return export_graph(
        _classifier("cnn", (16, 16, 3)), tmp_path_factory.mktemp("onnx") / "small.onnx", "abc"
    )


@pytest.fixture(scope="session")
def lite(kit: Kit) -> Checkpoint:
    """EfficientNet-Lite0 for 64 x 64, whose convolutions pad as TensorFlow does."""
    return kit.classifier("timm:tf_efficientnet_lite0", (64, 64, 3))


@pytest.fixture(scope="session")
def lite_file(lite: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_graph(lite, tmp_path_factory.mktemp("onnx") / "lite.onnx")


@pytest.fixture
def tagger(small: Path) -> Tagger:
    return load_tagger(small, threads=2)


@pytest.fixture
def files(tmp_path: Path) -> Callable[[int], list[Entry]]:
    """`files(n)`: n PNG files of noise of several sizes."""

    def make(count: int) -> list[Entry]:
        rng = np.random.default_rng(2)
        entries = []
        for index in range(count):
            path = tmp_path / f"{index:03}.png"
            Image.fromarray(rng.integers(0, 256, (20 + index % 5, 24, 3), dtype=np.uint8)).save(path)
            entries.append(Entry(path, path.name, 0))
        return entries

    return make
