"""What every layer makes of a picture: the maps of the first two convolutions and of every later stage,
and two pictures side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightfast.base.plain import FLAT, HIDDEN
from lightfast.explain.pictures import CHANNELS, FEATURES, MAPS, ExplainedImages, Explanation
from lightfast.report.contact_sheet import write_feature_sheet
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.overlay import mosaic_uri, rgb
from lightfast.report.page import Figure, FigureRow, Folded, Section, SectionPart, write_page
from lightfast.report.strips import colour_key, strip, strip_panel

if TYPE_CHECKING:
    from lightfast.explain.features import Channels

SHOWN_FEATURES = 8
"""Pictures that the page shows."""
_TILE, _SMALL_TILE = 48, 44
Maps = Sequence[NDArray[np.float32]]
"""The maps float32 (C, h, w) of one picture, of every layer."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FeaturesResult(Envelope):
    """What `explain` found by the method "features".

    Attributes:
        run: whose layers they are.
        found: the pictures, their predictions and files.
        layers: their names, in the order of the forward pass.
        check, enhancer: nothing is checked, and nothing told of an enhancer.
        chosen: the channels of every layer that are drawn.
        kept: row → its maps, of the pictures that the page shows.
        pair: the two pictures that stand side by side, or the only one.
    """

    run: str
    found: ExplainedImages = field(metadata=FLAT)
    layers: tuple[str, ...]
    check: None = None
    enhancer: None = None
    chosen: Sequence[Channels] = field(metadata=HIDDEN)
    kept: Mapping[int, Maps] = field(metadata=HIDDEN)
    pair: Sequence[int] = field(metadata=HIDDEN)


def _lines(one: Explanation) -> list[str]:
    return [one.id, f"read as {' · '.join(guess.text for guess in one.top)}", *one.known]


def write_feature_figure(
    path: Path, image: NDArray[np.uint8], one: Explanation, chosen: Sequence[Channels], maps: Maps
) -> Path:
    """features/NNNN-NAME.png: a picture uint8 (H, W, C) and what the layers make of it."""
    mosaics = [
        (layer.words, layer.drawn(drawn, CHANNELS // 2, 2 * _TILE))
        for layer, drawn in zip(chosen, maps, strict=True)
    ]
    return write_feature_sheet(path, rgb(image), _lines(one), mosaics)


def write_features_page(path: Path, result: FeaturesResult) -> Path:
    """Write the page of the feature maps: a pair to compare, and every shown picture with its layers."""
    n, chosen = len(result.found.predicted), result.chosen
    shown = range(min(SHOWN_FEATURES, n))
    some = f"All {n}" if len(shown) == n else f"{len(shown)} of {n:,}"
    lead = f"{some} pictures; the figures of all lie in {FEATURES}/, the maps of every channel in {MAPS}/."
    key = Figure(
        colour_key(("little", "much")),
        f"Of each layer the {CHANNELS} channels that vary most, the same for every picture. Each has its own "
        "scale, the same over the pictures: in a channel the same colour is the same value.",
    )
    parts = (*noted(result), key, *(_fold(result, row) for row in shown))
    sections = [Section("Layer by layer", parts, lead)]
    if len(result.pair) == 2:
        sections.insert(0, _pair_section(result))
    title = f"What {result.found.predicted.network} makes of {result.data}"
    subtitle = f"The maps of {len(chosen)} layers, from the first convolution to the last stage."
    return write_page(path, title, subtitle, sections, result.provenance)


def _pair_section(result: FeaturesResult) -> Section:
    parts: list[SectionPart] = [FigureRow(tuple(_picture(result, row) for row in result.pair))]
    for layer, one in enumerate(result.chosen):
        figures = tuple(
            Figure(
                mosaic_uri(one.drawn(result.kept[row][layer], CHANNELS // 2, _SMALL_TILE)),
                "",
                f"{one.words}, picture {side}",
            )
            for side, row in enumerate(result.pair, start=1)
        )
        parts.append(FigureRow(figures, one.words))
    lead = "The same channels of both, from the first convolution down."
    return Section("Two pictures side by side", tuple(parts), lead)


def _picture(result: FeaturesResult, row: int) -> Figure:
    name, *more = _lines(result.found.explanations[row])
    panel = strip_panel(result.found.predicted.images.images[row], Path(name).name)
    return Figure(strip([panel], name, width=240), " · ".join(more))


def _fold(result: FeaturesResult, row: int) -> Folded:
    figures = (
        Figure(mosaic_uri(one.drawn(maps, CHANNELS, _TILE)), one.words)
        for one, maps in zip(result.chosen, result.kept[row], strict=True)
    )
    first, *rest = _lines(result.found.explanations[row])
    return Folded(f"{first}: {', '.join(rest)}", (_picture(result, row), *figures))
