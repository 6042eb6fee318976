"""Is an explanation any good? Its curves and its weight-randomisation check, as a section of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightfast.pages.figures_faithfulness import faithfulness_curves
from lightfast.report.page import Cell, Figure, Section, SectionPart, Table, Text
from lightfast.report.tables import MINUS, MISSING

if TYPE_CHECKING:
    from lightfast.explain.faithfulness import Faithfulness, FaithfulnessCurve
    from lightfast.explain.randomisation import Randomisation

_TITLE = "Is the explanation any good?"


@dataclass(frozen=True, eq=False)
class ExplanationChecks:
    """Whether the explanation is any good."""

    faithfulness: Faithfulness
    randomisation: Randomisation


def checked_section(checked: ExplanationChecks | None, method: str) -> Section:
    """Both checks; where there was none, that."""
    if checked is None:
        said = "This was not checked. A map that looks plausible may still say nothing about the network."
        return Section(_TITLE, (Text(said),))
    curves, weights = checked.faithfulness, checked.randomisation
    figure = Figure(
        faithfulness_curves(curves),
        f"Mean probability of the explained class over n = {curves.n} pictures, {curves.steps} steps "
        "(Petsiuk et al. 2018); pixels are taken away by a strong blur. The random order has the grain of "
        f"the map. Seed {curves.seed}.",
    )
    table = Table(
        ("curve", "area, map", "area, random order", "gain", "verdict"),
        (_area_row(curves.deletion), _area_row(curves.insertion)),
        f"Areas under the curves, n = {curves.n} pictures",
        (
            "Small print: 95 % intervals over pictures, of areas by their range 0..1, of the gain by "
            "Student's t. The verdict goes by the gain, the paired difference.",
        ),
    )
    lead = (
        f"Deletion: {curves.deletion.verdict}. Insertion: {curves.insertion.verdict}. Weights drawn anew: "
        f"{weights.verdict}."
    )
    return Section(_TITLE, (figure, table, _weights_part(weights, method)), lead)


def _area_row(one: FaithfulnessCurve) -> tuple[str | Cell, ...]:
    low, high = one.gain_interval
    verdict = Cell(one.verdict, tone="good" if low > 0 else "bad" if high < 0 else "")
    areas = _area(one.area, one.interval), _area(one.random_area, one.random_interval)
    return one.name, *areas, _signed_cell(one.gain, one.gain_interval), verdict


def _weights_part(weights: Randomisation, method: str) -> SectionPart:
    if not weights.rows:
        said = f"The weight-randomisation check of {method} could not run: {weights.reason}."
        return Text(said, note=True)
    rows = tuple(
        (
            row.part,
            f"{row.modules:,}",
            _signed_cell(row.correlation, row.interval),
            f"{row.flat:,}" if row.flat else MISSING,
        )
        for row in weights.rows
    )
    note = (
        f"Spearman rank correlation ({weights.ranked}s of the maps) with the maps of the trained network, "
        "mean and 95 % interval (Student's t); near 1 the maps would be the same without anything learned, "
        "and show the picture rather than the reasons (Adebayo et al. 2018)."
    )
    return Table(
        ("weights drawn anew", "modules", "likeness of the maps", "flat maps"),
        rows,
        f"Weight randomisation, n = {weights.n} pictures: {weights.verdict}",
        (note,),
    )


def _area(area: float, interval: Sequence[float]) -> Cell:
    low, high = interval
    return Cell(f"{area:.3f}", f"{low:.3f}–{high:.3f}")


def _signed_cell(value: float, interval: Sequence[float]) -> Cell:
    text, low, high = (f"{one:.2f}".replace("-", MINUS) for one in (value, *interval))
    return Cell(text, f"{low} to {high}")
