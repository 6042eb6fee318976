"""A classifier of strokes: convolutions along the line, and the record that keeps it.

It takes points, no pictures, so that it stands beside the table of models, whose contract is pictures.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError
from lightfast.base.files import load_json, make_folder, storage_errors, write_json
from lightfast.base.plain import HIDDEN, fields_json
from lightfast.data.stroke_pictures import framed
from lightfast.data.strokes import Drawing, StrokeSet
from lightfast.models.stroke_files import STROKES_FILE
from lightfast.models.tensors import load_tensors, save_tensors

POINTS = 128
"""Points that the network sees: of a longer drawing the last ones."""
POINT_CHANNELS = 6
"""Of a point: place x, y in −1..1 of the frame of what is there; step from the point before, in the same
unit; 1 where the pen drew that step, 0 where it was lifted; 1 where there is a point at all.
"""
_WEIGHTS_FILE = "weights.safetensors"
_BATCH = 512


def point_rows(strokes: StrokeSet) -> NDArray[np.float32]:
    """float32 (N, POINT_CHANNELS, POINTS): every drawing as the network takes it, empty places 0."""
    return np.stack([_points_of(one) for one in strokes.drawings]) if len(strokes) else _no_rows()


def _no_rows() -> NDArray[np.float32]:
    return np.zeros((0, POINT_CHANNELS, POINTS), dtype=np.float32)


def _points_of(drawing: Drawing) -> NDArray[np.float32]:
    places = np.concatenate(framed(drawing)) / 127.5 - 1
    pen = np.concatenate([np.r_[0, np.ones(len(stroke) - 1)] for stroke in drawing])
    steps = np.diff(places, axis=0, prepend=places[:1])
    rows = np.column_stack([places, steps, pen, np.ones(len(places))])[-POINTS:]
    filled = np.zeros((POINT_CHANNELS, POINTS), dtype=np.float32)
    filled[:, : len(rows)] = rows.T
    return filled


class StrokeNet(nn.Module):
    """Four convolutions along the points (`width` channels, every second one halves the line), the maximum
    and the mean over the places that hold points, a dense layer, logits. Maps float
    (N, POINT_CHANNELS, POINTS) to (N, outputs).
    """

    def __init__(self, outputs: int, width: int = 32, dropout: float = 0.3) -> None:
        super().__init__()
        wide = (POINT_CHANNELS, width, width, 2 * width, 2 * width)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(inputs, outs, 5, stride=1 + number % 2, padding=2, bias=False),
                nn.BatchNorm1d(outs),
                nn.ReLU(inplace=True),
            )
            for number, (inputs, outs) in enumerate(pairwise(wide))
        )
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(4 * width, 2 * width),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(2 * width, outputs),
        )

    def forward(self, points: Tensor) -> Tensor:
        """Logits of float (N, POINT_CHANNELS, POINTS)."""
        there, maps = points[:, -1:], points
        for layer in self.layers:
            maps = layer(maps)
            there = there[..., :: there.shape[2] // maps.shape[2]]
            maps = maps * there
        mean = maps.sum(dim=2) / there.sum(dim=2).clamp(min=1)
        return self.head(torch.cat([maps.amax(dim=2), mean], dim=1))


@dataclass(frozen=True, eq=False)
class StrokeClassifier:
    """A fitted `StrokeNet` that describes itself.

    Attributes:
        class_names: in the order of the logits.
        network: in eval mode.
        config: keyword arguments of `StrokeNet`.
        temperature: divides the logits.
        details: JSON-ready facts that belong to the weights.
        history: one mapping an epoch.
    """

    class_names: tuple[str, ...]
    network: StrokeNet = field(metadata=HIDDEN)
    config: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    details: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()

    def replace(self, **changes: Any) -> Self:
        """A copy with fields changed (the network itself is shared)."""
        return dataclasses.replace(self, **changes)

    @torch.inference_mode()
    def logits(self, strokes: StrokeSet) -> NDArray[np.float32]:
        """float32 (N, K), divided by the temperature."""
        rows = torch.from_numpy(point_rows(strokes))
        device = next(self.network.eval().parameters()).device
        parts = [self.network(part.to(device)).float().cpu() for part in rows.split(_BATCH)]
        found = torch.cat(parts) if len(rows) else torch.zeros(0, len(self.class_names))
        return (found / self.temperature).numpy()

    def pred_probs(self, strokes: StrokeSet) -> NDArray[np.float32]:
        """float32 (N, K): class probabilities of every drawing as far as it goes."""
        return softmax(self.logits(strokes).astype(np.float64), axis=1).astype(np.float32)

    def save(self, folder: Path) -> Path:
        """Write `folder` (weights.safetensors, strokes.json); appears whole or not at all."""
        staging = make_folder(folder.parent) / f".{folder.name}.part"
        shutil.rmtree(staging, ignore_errors=True)
        try:
            make_folder(staging)
            save_tensors(staging / _WEIGHTS_FILE, self.network.state_dict())
            write_json(staging / STROKES_FILE, fields_json(self))
            with storage_errors(folder):
                if folder.exists():
                    shutil.rmtree(folder)
                staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return folder


def load_stroke_classifier(folder: Path | str) -> StrokeClassifier:
    """What `StrokeClassifier.save` wrote; raises CheckpointError where nothing is there, or it is damaged."""
    place = Path(folder) / STROKES_FILE
    if not place.is_file():
        raise CheckpointError(f"no classifier of strokes in {folder}", expected=f"a folder with {place.name}")
    try:
        content = load_json(place)
        names = tuple(content["class_names"])
        network = StrokeNet(len(names), **content["config"])
        network.load_state_dict(load_tensors(Path(folder) / _WEIGHTS_FILE))
        kept = {key: content[key] for key in ("config", "temperature", "details")}
        return StrokeClassifier(names, network.eval(), **kept, history=tuple(content["history"]))
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{place} is damaged ({error})", cure="Train again.") from error
