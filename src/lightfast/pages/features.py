"""What every layer makes of a picture: the maps of the first two convolutions and of every later stage,
and two pictures side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.explain.features import FeatureMaps
from lightfast.explain.pictures import MAPS, PredictedImages
from lightfast.pages.explain import model_name
from lightfast.report.overlay import mosaic, mosaic_uri
from lightfast.report.page import Figure, FigureRow, Folded, Section, SectionPart, write_page
from lightfast.report.strips import colour_key, strip, strip_panel
from lightfast.report.tables import confidence_text

FEATURES = "features"
CHANNELS, SHOWN_FEATURES = 16, 8
"""Channels of a layer that are drawn, and pictures that the page shows."""
_TILE, _SMALL_TILE = 48, 44


@dataclass(frozen=True, eq=False)
class Channels:
    """What is drawn of one layer, the same for every picture: `chosen` (K,) channels of `total`, `ranges` (K,
    2) their colours' ends.
    """

    name: str
    total: int
    size: tuple[int, int]
    chosen: NDArray[np.intp]
    ranges: NDArray[np.float32]

    @property
    def words(self) -> str:
        """The layer in words."""
        some = f"{len(self.chosen)} of {self.total}" if len(self.chosen) < self.total else f"{self.total}"
        return f"{self.name}: {some} channels of {self.size[0]} × {self.size[1]}"

    def drawn(self, maps: NDArray[np.float32], columns: int, side: int) -> NDArray[np.uint8]:
        """The chosen channels of one picture's maps (C, h, w) beside each other."""
        return mosaic(maps[self.chosen], self.ranges, columns=columns, side=side)


def channels_of(found: FeatureMaps) -> Channels:
    """The channels that vary most over these pictures, in their order;
    each channel's colours go from its 1st to its 99th percentile.
    """
    maps = found.maps
    spread = maps.std(axis=(0, 2, 3))
    chosen = np.sort(np.argsort(-spread, kind="stable")[:CHANNELS])
    ranges = np.percentile(maps[:, chosen], (1, 99), axis=(0, 2, 3)).T
    return Channels(
        found.name, maps.shape[1], (maps.shape[2], maps.shape[3]), chosen, ranges.astype(np.float32)
    )


def pair_of(predicted: PredictedImages) -> tuple[int, ...]:
    """Two pictures to compare: the first, and the first that was read as another class (else the second);
    one where there is one.
    """
    others = np.flatnonzero(predicted.predicted_labels != predicted.predicted_labels[0])
    return (0,) if len(predicted) == 1 else (0, int(others[0]) if len(others) else 1)


Drawn = tuple[Sequence[Channels], list[NDArray[np.float32]]]


def _lines(predicted: PredictedImages, row: int) -> list[str]:
    known = predicted.true_names(row)
    read = " · ".join(f"{name} {confidence_text(share)}" for name, share in predicted.top(row))
    said = [predicted.images.ids[row], f"read as {read}"]
    said += [f"true: {', '.join(known) or 'none'}"] if known is not None else []
    return said + ["seen in training"] * bool(predicted.seen[row])


def write_features_page(
    path: Path,
    predicted: PredictedImages,
    drawn: tuple[Sequence[Channels], dict[int, list[NDArray[np.float32]]]],
    noted_parts: tuple[SectionPart, ...],
    facts: Mapping[str, Any],
) -> None:
    """Write the page of the feature maps: a pair to compare, and every shown picture with its layers."""
    chosen, kept = drawn
    pair = pair_of(predicted)
    n = len(predicted)
    shown = list(range(min(SHOWN_FEATURES, n)))
    some = f"All {n}" if len(shown) == n else f"{len(shown)} of {n:,}"
    lead = f"{some} pictures; the figures of all lie in {FEATURES}/, the maps of every channel in {MAPS}/."
    key = Figure(
        colour_key(("little", "much")),
        f"Of each layer the {CHANNELS} channels that vary most, the same for every picture. Each has its own "
        "scale, the same over the pictures: in a channel the same colour is the same value.",
    )
    sections = [
        Section(
            "Layer by layer",
            (*noted_parts, key, *(_fold(predicted, row, (chosen, kept[row])) for row in shown)),
            lead,
        )
    ]
    if len(pair) == 2:
        sections.insert(0, _pair_section(predicted, chosen, [kept[row] for row in pair], pair))
    title = f"What {model_name(predicted.classifier)} makes of {predicted.images.name.split('/')[0]}"
    write_page(
        path,
        title,
        f"The maps of {len(chosen)} layers, from the first convolution to the last stage.",
        sections,
        facts,
    )


def _pair_section(
    predicted: PredictedImages,
    chosen: Sequence[Channels],
    maps: list[list[NDArray[np.float32]]],
    pair: Sequence[int],
) -> Section:
    parts: list[SectionPart] = [FigureRow(tuple(_picture(predicted, row) for row in pair))]
    for layer, one in enumerate(chosen):
        figures = tuple(
            Figure(
                mosaic_uri(one.drawn(maps[side][layer], CHANNELS // 2, _SMALL_TILE)),
                "",
                f"{one.words}, picture {side + 1}",
            )
            for side in range(2)
        )
        parts.append(FigureRow(figures, one.words))
    return Section(
        "Two pictures side by side",
        tuple(parts),
        "The same channels of both, from the first convolution down.",
    )


def _picture(predicted: PredictedImages, row: int) -> Figure:
    lines = _lines(predicted, row)
    return Figure(
        strip([strip_panel(predicted.images.images[row], Path(lines[0]).name)], lines[0], width=240),
        " · ".join(lines[1:]),
    )


def _fold(predicted: PredictedImages, row: int, drawn: Drawn) -> Folded:
    figures = tuple(
        Figure(mosaic_uri(one.drawn(maps, CHANNELS, _TILE)), one.words)
        for one, maps in zip(*drawn, strict=True)
    )
    first, *rest = _lines(predicted, row)
    return Folded(f"{first}: {', '.join(rest)}", (_picture(predicted, row), *figures))
