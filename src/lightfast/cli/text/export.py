"""What `export` wrote and checked, for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lightfast.cli.text.columns import NAMED
from lightfast.export.check import GraphCheck
from lightfast.export.int8 import QuantizationCost
from lightfast.export.xmp import Refused
from lightfast.report.tables import percent, points_text, share_text
from lightfast.runs.export import ExportResult, PhotoprismExport, XmpExport


def export_lines(result: ExportResult) -> list[str]:
    """What an export did, for people."""
    if isinstance(result, XmpExport):
        return [
            f"{result.n:,} pictures read; {result.sidecars:,} sidecar(s) beside them: {result.suggested:,} "
            f"with a suggestion, {result.confirmed:,} with a confirmed keyword",
            *_refused_lines(result.refused),
        ]
    if isinstance(result, PhotoprismExport):
        return [f"written    {result.vision}", "next       docs/export.md says where PhotoPrism looks for it"]
    return [
        *graph_lines(result.check),
        *(quantization_lines(result.int8) if result.int8 else []),
        f"written    {result.out} ({result.bytes / 1e6:.1f} MB)",
    ]


def _refused_lines(refused: Sequence[Refused]) -> list[str]:
    """The pictures without a sidecar, the first ones by name, and what to do about them."""
    if not refused:
        return []
    more = [f"  … and {len(refused) - NAMED:,} more (--json names all)"] if len(refused) > NAMED else []
    return [
        f"{len(refused):,} picture(s) got no sidecar:",
        *(f"  {one.path}: {one.reason}" for one in refused[:NAMED]),
        *more,
        *(f"for {n:,} of them: {cure}" for cure, n in Counter(one.cure for one in refused).items()),
    ]


def graph_lines(check: GraphCheck) -> list[str]:
    """What a check says, for people."""
    ties = f", {check.ties:,} of them by a tie" if check.ties else ""
    other = check.n - check.same
    verdict = f"{other:,} decision(s) differ{ties}" if other else "all decisions the same"
    against = f"against torch on {check.n:,} {check.pictures}"
    return [f"checked    {against}: {verdict}, probabilities within {check.max_difference:.1e}"]


def quantization_lines(cost: QuantizationCost) -> list[str]:
    """The cost of 8 bits for people: accuracy with interval and n where labels are known,
    agreement, speed.
    """
    test, slow, fast = cost.paired, *(cost.pictures_per_second[name] for name in ("int8", "fp32"))
    lines = []
    if test:
        gap = points_text(test.difference, test.difference_interval, unit=" points")
        lines.append(
            f"int8 cost  {percent(test.before_accuracy)} → {percent(test.after_accuracy)}, {gap}, "
            f"n = {test.n:,}, {test.gained:,} gained, {test.lost:,} lost, p = {test.p_value:.2g} "
            f"({test.method})"
        )
    same = share_text(cost.same / cost.n, cost.same_interval)
    lines.append(f"int8       the same decision on {cost.same:,} of {cost.n:,} pictures ({same})")
    slower = slow < fast and not cost.dot_products
    why = ": slower here, the processor has no 8-bit dot products (VNNI)" if slower else ""
    lines.append(f"speed      int8 {slow:,.0f} pictures a second in memory, fp32 {fast:,.0f}{why}")
    return lines
