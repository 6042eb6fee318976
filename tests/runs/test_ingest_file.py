"""ingest.json: what became of every picture file of a training's source."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from lightfast.base.plain import as_json
from lightfast.data.images import ImageSet
from lightfast.pages.run import TrainResult
from lightfast.runs.options import RunOptions
from lightfast.runs.train import train_run


def bars(blobs: ImageSet, root: Path) -> Path:
    for row, image in enumerate(blobs.images):
        folder = root / blobs.class_names[blobs.require_labels()[row]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / f"{row}.png")
    return root


def trained(source: Path, folder: Path) -> tuple[TrainResult, dict]:
    """(result, content of ingest.json)."""
    metrics = train_run(str(source), RunOptions(out=folder), model="random-forest", config={"trees": 5})
    return metrics, json.loads((folder / "ingest.json").read_text(encoding="utf-8"))


def test_it_says_what_was_read_and_what_was_not(blobs: ImageSet, tmp_path: Path):
    root = bars(blobs, tmp_path / "bars")
    (root / "left" / "empty-\udce9.png").touch()
    (root / "right" / "page.png").write_text("<html></html>")
    metrics, ingest = trained(root, tmp_path / "run")
    assert ingest["read"] == 120
    assert ingest["sizes"] == {"12x12": 120}
    assert ingest["unreadable"] == [
        {"path": f"{root}/left/empty-\\xe9.png", "reason": "empty file"},
        {"path": f"{root}/right/page.png", "reason": "not a picture (an HTML page)"},
    ]
    assert ingest["unreadable"] == as_json(metrics.unreadable)
    assert ingest["notes"] == list(metrics.notes)


def test_it_is_there_when_everything_was_readable(blobs: ImageSet, tmp_path: Path):
    _, ingest = trained(bars(blobs, tmp_path / "bars"), tmp_path / "run")
    assert (ingest["read"], ingest["unreadable"]) == (120, [])
