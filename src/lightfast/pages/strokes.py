"""The page of a training on strokes: how rightly drawings are read while they are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.page import Card, Cards, Figure, Section, Table, write_page
from lightfast.report.statistics import interval_figure
from lightfast.report.tables import share_card, share_cell

if TYPE_CHECKING:
    from lightfast.evaluate.strokes import SeenShare

_METHOD = (
    "Every test drawing up to a share of its points, in the order of drawing. What is there is framed by "
    "itself: nothing tells how large the whole will be. The network sees the points alone, no picture."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class StrokeTrainResult(Envelope):
    """What `train` found on strokes.

    Attributes:
        run: the run folder.
        model: "strokes".
        parts: drawings a part.
        class_names: in the order of the probabilities.
        while_drawn: accuracy on the test drawings at every share of their points, the whole last.
        parameters: trainable numbers.
        temperature: that the logits are divided by.
        epochs: that were trained.
    """

    run: Path
    model: str
    parts: Mapping[str, int]
    class_names: tuple[str, ...]
    while_drawn: Sequence[SeenShare]
    parameters: int
    temperature: float
    epochs: int
    JSON_PROPERTIES: ClassVar = ("n", "accuracy", "accuracy_interval")

    @property
    def n(self) -> int:
        """Test drawings."""
        return self.while_drawn[-1].n

    @property
    def accuracy(self) -> float:
        """On whole test drawings, 0..1."""
        return self.while_drawn[-1].accuracy

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Its 95 % Wilson interval."""
        return self.while_drawn[-1].interval


def write_strokes_page(path: Path, result: StrokeTrainResult) -> Path:
    """Write the report."""
    rows = result.while_drawn
    cards = Cards(
        (
            share_card(
                result.accuracy,
                "whole drawings read rightly",
                result.accuracy_interval,
                more=f", n = {result.n:,}",
            ),
            Card(f"{result.parameters:,}", "trainable numbers", f"{result.epochs} epochs"),
        )
    )
    shown = [(f"{100 * one.share:.0f} % of the points", one.accuracy, one.interval) for one in rows]
    figure = Figure(
        interval_figure(shown), f"n = {result.n:,} test drawings, 95 % Wilson intervals, seed {result.seed}."
    )
    cells = tuple(
        (f"{100 * one.share:.0f} %", share_cell(one.accuracy, one.interval), f"{one.n:,}") for one in rows
    )
    table = Table(("of the points seen", "read rightly", "n"), cells)
    sizes = ", ".join(f"{count:,} {name}" for name, count in result.parts.items())
    sections = [
        Section("Result", (cards, *noted(result))),
        Section("While it is drawn", (figure, table), _METHOD),
    ]
    subtitle = f"Drawings of {result.data} as strokes: {sizes}; {len(result.class_names)} classes."
    return write_page(path, "Trained on strokes", subtitle, sections, result.provenance)
