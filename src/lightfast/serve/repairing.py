"""Damage and repair of single pictures by the kit of a run. PyTorch is loaded by the first question."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.runs.library.model_card import require_repair_kit

if TYPE_CHECKING:
    from lightfast.restore.pipeline import Pipeline
    from lightfast.runs.repair.picture import PictureRepair

_KEPT = 16


class PictureRepairer:
    """Repairs one picture at a time, by the kit of the run that was asked last; the last results are kept,
    since who reads one asks for its two pictures next.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._held: tuple[str, Pipeline] | None = None
        self._last: OrderedDict[tuple[str, str], PictureRepair] = OrderedDict()
        self._lock = threading.Lock()

    def repaired(self, run: str, content: str, path: Path) -> PictureRepair:
        """The picture in `path`, whose pixels have the hash `content`, through the kit of `run`.

        Raises NotFoundError where the run has none, UnreadablePicture.
        """
        # Before PyTorch is loaded for nothing.
        require_repair_kit(run)
        from lightfast.runs.repair.picture import repair_picture

        with self._lock:
            pipeline = self._pipeline(run)
            if (run, content) not in self._last:
                self._last[run, content] = repair_picture(pipeline, path)
                if len(self._last) > _KEPT:
                    self._last.popitem(last=False)
            return self._last[run, content]

    def _pipeline(self, run: str) -> Pipeline:
        if self._held is None or self._held[0] != run:
            from lightfast.runs.repair.picture import kit_of_run

            self._held = (run, kit_of_run(run, self._device))
        return self._held[1]
