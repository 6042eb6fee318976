"""What an enhancer makes of test pictures, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.explain.difference import Difference, TopChange
from lightfast.report.overlay import coloured
from lightfast.report.page import PictureRow, Section
from lightfast.report.pictures import picture, picture_grid

_OUTCOMES = {
    (False, True): "gained",
    (True, False): "lost",
    (False, False): "wrong both times",
    (True, True): "right both times",
}


@dataclass(frozen=True, eq=False)
class ShownChanges:
    """R test pictures with what the enhancer makes of them: uint8 (R, H, W, C) each.

    Attributes:
        changes, tops: how the pixels and the first classes changed.
        labels: the given ones. right: (without, with) whether the prediction is the label.
    """

    inputs: NDArray[np.uint8]
    outputs: NDArray[np.uint8]
    changes: Difference
    tops: tuple[TopChange, ...]
    labels: tuple[str, ...]
    right: tuple[tuple[bool, bool], ...]


def gallery_section(shown: Mapping[str, ShownChanges]) -> Section:
    """Input, output and what changed, with the first three classes before and after."""
    parts = tuple(
        picture_grid(
            _strips(changes),
            ("input", "output", "difference"),
            f"{key.capitalize()} test pictures, drawn by lot among what was gained, lost and stayed.",
        )
        for key, changes in shown.items()
        if changes.labels
    )
    lead = (
        "The difference is |output − input|, the brighter the larger, stretched a picture: under it the true "
        "largest difference."
    )
    return Section("What it changes", parts, lead)


def _strips(shown: ShownChanges) -> list[PictureRow]:
    strips = []
    for row, (label, right, top) in enumerate(zip(shown.labels, shown.right, shown.tops, strict=True)):
        said = f"largest {shown.changes.largest[row]:.0f} of 255, mean {shown.changes.mean[row]:.1f}"
        shots = (
            picture(shown.inputs[row], _tops(top.before), right[0]),
            picture(shown.outputs[row], _tops(top.after), right[1]),
            picture(coloured(shown.changes.maps[row]), said),
        )
        strips.append(PictureRow(shots, f"{label}: {_OUTCOMES[right]}"))
    return strips


def _tops(top: tuple[tuple[str, float], ...]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in top)
