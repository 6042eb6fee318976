"""Why the model says so: the picture with a map over it. PyTorch is loaded by the first question."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.base.errors import UnknownName

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint


class MapDrawer:
    """Draws attribution maps, one at a time, by the classifier of the run that was asked last."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._held: tuple[str, Checkpoint] | None = None
        self._lock = threading.Lock()

    def png(self, run: str, path: Path, method: str, label: str | None = None) -> bytes:
        """A PNG of the picture in `path` as the classifier of `run` sees it, coloured where it speaks for
        `label` (None: for what is predicted).

        Raises UnknownName for a label or method that is none, UnreadablePicture, and CheckpointError for a
        run without a checkpoint and for a method that it has nothing for.
        """
        import numpy as np

        from lightfast.base.png import png
        from lightfast.data.decode.decode import decode_file
        from lightfast.explain.attribution import explain
        from lightfast.report.overlay import overlay

        with self._lock:
            classifier = self._classifier(run)
            height, width, channels = classifier.image_shape
            image = decode_file(path, (height, width), channels)
            targets = None if label is None else np.array([_place(classifier, label)], dtype=np.int64)
            found = explain(classifier, image[None], method=method, targets=targets)
        return png(overlay(image, found.maps[0], signed=found.signed))

    def _classifier(self, run: str) -> Checkpoint:
        if self._held is None or self._held[0] != run:
            from lightfast.models.load import load_classifier

            self._held = (run, load_classifier(run, self._device))
        return self._held[1]


def _place(classifier: Checkpoint, label: str) -> int:
    names = classifier.class_names or ()
    if label not in names:
        raise UnknownName("label of the model", label, names)
    return names.index(label)
