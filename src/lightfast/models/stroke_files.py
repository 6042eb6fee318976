"""How a classifier of strokes is known on disk, without loading torch."""

from __future__ import annotations

from pathlib import Path

STROKES = "strokes"
"""What the network is called where a model is named."""
STROKES_FILE = "strokes.json"


def holds_stroke_classifier(folder: Path | str) -> bool:
    """Whether a folder, or `checkpoint/` in it, is one that `StrokeClassifier.save` wrote."""
    return any((place / STROKES_FILE).is_file() for place in (Path(folder), Path(folder, "checkpoint")))
