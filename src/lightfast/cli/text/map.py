"""What `map` found, for a terminal."""

from __future__ import annotations

from lightfast.cli.text.columns import columns
from lightfast.pages.map import MapResult, alike_text
from lightfast.report.tables import percent
from lightfast.runs.folder import REPORT_FILE

_SHOWN = 12


def map_lines(result: MapResult) -> list[str]:
    """How far the map may be trusted, the first clusters, the files."""
    layout, trust, found = result.layout, result.layout.trust, result.found
    low, high = trust.interval
    made = "2 principal components" if layout.method == "pca" else f"t-SNE of {layout.dimensions} components"
    lines = [
        f"{result.n:,} pictures, {len(found.clusters):,} clusters, features of {result.features}",
        f"map        {made}, {percent(layout.variance_kept)} of the variance kept "
        f"({percent(layout.variance_drawn)} in two)",
        f"trust      trustworthiness {trust.trustworthiness:.3f} [{low:.3f} to {high:.3f}], n = {trust.n:,}; "
        f"{percent(trust.neighbours_kept)} of the {trust.k} nearest kept: {trust.verdict}",
    ]
    shown = found.clusters[:_SHOWN]
    rows = [
        (str(one.number + 1), f"{one.size:,}", f"{one.core:,}", alike_text(one), ", ".join(one.names))
        for one in shown
    ]
    lines += columns(("cluster", "pictures", "core", "alike", "name"), rows)
    more = len(found.clusters) - len(shown)
    lines += [f"… and {more:,} more"] if more else []
    return [*lines, f"report     {result.out / REPORT_FILE}"]
