"""Cells that pages share: what a paired test found, and how far two readers agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightfast.report.page import Cell
from lightfast.report.tables import MISSING, points_cell
from lightfast.statistics.intervals import p_text

if TYPE_CHECKING:
    from lightfast.evaluate.compare import PairedTest
    from lightfast.statistics.agreement import Kappa


def paired_cells(test: PairedTest, p_holm: float | None = None, digits: int = 2) -> tuple[Cell | str, ...]:
    """Difference in points, gained, lost and p of two predictions of the same pictures; where p is corrected,
    that without correction is in small print.
    """
    return (
        points_cell(test.difference, test.difference_interval, digits),
        f"{test.gained:,}",
        f"{test.lost:,}",
        p_text(test.p_value) if p_holm is None else Cell(p_text(p_holm), p_text(test.p_value)),
    )


def kappa_cell(kappa: Kappa | None) -> Cell:
    """A kappa, its interval in small print; "–" where it is not defined, with the reason."""
    if kappa is None or kappa.value is None:
        return Cell(MISSING, kappa.note if kappa else "")
    return Cell(f"{kappa.value:.2f}", "{:.2f} to {:.2f}".format(*kappa.interval))


def kappa_text(kappa: Kappa | None, *, n: bool = True) -> str:
    """ "0.81 [0.70 to 0.92], n = 100"; "–" where it is not defined."""
    if kappa is None or kappa.value is None:
        return MISSING
    cell = kappa_cell(kappa)
    return f"{cell.text} [{cell.detail}]" + (f", n = {kappa.n:,}" if n else "")
