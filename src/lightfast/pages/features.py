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
from lightfast.explain.pictures import MAPS, Readings
from lightfast.pages.explain import model_name
from lightfast.report.overlay import mosaic, mosaic_uri
from lightfast.report.page import Figure, FigureRow, Folded, Part, Section, write_page
from lightfast.report.strips import colour_key, stage, strip
from lightfast.report.tables import sure

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


def pair_of(readings: Readings) -> tuple[int, ...]:
    """Two pictures to compare: the first, and the first that was read as another class (else the second);
    one where there is one.
    """
    others = np.flatnonzero(readings.read_as != readings.read_as[0])
    return (0,) if len(readings) == 1 else (0, int(others[0]) if len(others) else 1)


Drawn = tuple[Sequence[Channels], list[NDArray[np.float32]]]


def _lines(readings: Readings, row: int) -> list[str]:
    known = readings.true_names(row)
    read = " · ".join(f"{name} {sure(share)}" for name, share in readings.top(row))
    said = [readings.images.ids[row], f"read as {read}"]
    said += [f"true: {', '.join(known) or 'none'}"] if known is not None else []
    return said + ["seen in training"] * bool(readings.seen[row])


def write_features_page(
    path: Path,
    readings: Readings,
    drawn: tuple[Sequence[Channels], dict[int, list[NDArray[np.float32]]]],
    noted_parts: tuple[Part, ...],
    facts: Mapping[str, Any],
) -> None:
    """Write the page of the feature maps: a pair to compare, and every shown picture with its layers."""
    chosen, kept = drawn
    pair = pair_of(readings)
    n = len(readings)
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
            (*noted_parts, key, *(_fold(readings, row, (chosen, kept[row])) for row in shown)),
            lead,
        )
    ]
    if len(pair) == 2:
        sections.insert(0, _pair_section(readings, chosen, [kept[row] for row in pair], pair))
    title = f"What {model_name(readings.classifier)} makes of {readings.images.name.split('/')[0]}"
    write_page(
        path,
        title,
        f"The maps of {len(chosen)} layers, from the first convolution to the last stage.",
        sections,
        facts,
    )


def _pair_section(
    readings: Readings, chosen: Sequence[Channels], maps: list[list[NDArray[np.float32]]], pair: Sequence[int]
) -> Section:
    parts: list[Part] = [FigureRow(tuple(_picture(readings, row) for row in pair))]
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


def _picture(readings: Readings, row: int) -> Figure:
    lines = _lines(readings, row)
    return Figure(
        strip([stage(readings.images.images[row], Path(lines[0]).name)], lines[0], width=240),
        " · ".join(lines[1:]),
    )


def _fold(readings: Readings, row: int, drawn: Drawn) -> Folded:
    figures = tuple(
        Figure(mosaic_uri(one.drawn(maps, CHANNELS, _TILE)), one.words)
        for one, maps in zip(*drawn, strict=True)
    )
    first, *rest = _lines(readings, row)
    return Folded(f"{first}: {', '.join(rest)}", (_picture(readings, row), *figures))
