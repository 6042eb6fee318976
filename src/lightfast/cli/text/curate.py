"""What `curate` says on a terminal."""

from __future__ import annotations

from lightfast.cli.text.columns import columns
from lightfast.pages.curate_result import CURATE_QUEUE_FILE, ISSUES_FILE, CurateResult
from lightfast.report.tables import points_text, share_text

_WORST = 8


def curate_lines(result: CurateResult) -> list[str]:
    """The counts, the worst labels, the figures of a test part, and where everything stands."""
    lines = [f"pictures   {result.n:,}" + _parts(result)]
    if result.method:
        lines.append(f"judged by  {result.method}")
    for part in result.labels:
        low, high = part.wrong.interval
        accuracy = share_text(part.accuracy, part.accuracy_interval)
        name = f" ({part.part})" if len(result.labels) > 1 else ""
        lines.append(
            f"labels     {part.issues:,} probably wrong of {part.n:,}{name}; {part.wrong.wrong:.0f} "
            f"estimated [{low:.0f} to {high:.0f}]; read as labelled {accuracy}"
        )
    for kind, count in result.found.items():
        if kind != "label":
            lines.append(f"{'':<10} {count:,} × {kind}")
    if result.test:
        given = share_text(result.test.given, result.test.given_interval)
        after = share_text(result.test.after, result.test.after_interval)
        lines.append(f"test part  {given} by its labels; {after} once cleaned, which is inflated")
    if result.pruning:
        chosen, gain = result.pruning.chosen, points_text(result.pruning.gain, result.pruning.interval)
        said = f"{chosen:.0%} left out: {gain} points" if chosen else "none: no share raises the accuracy"
        said += ", no gain shown" * bool(chosen and not result.pruning.shown)
        lines.append(f"pruning    {said}")
    lines += [f"not run    {what}: {why}" for what, why in result.not_run.items()]
    lines += _worst(result)
    return [
        *lines,
        f"table      {result.out / ISSUES_FILE}, queue {result.out / CURATE_QUEUE_FILE}",
        f"report     {result.out / 'report.html'}",
    ]


def _parts(result: CurateResult) -> str:
    several = ", ".join(f"{count:,} {name}" for name, count in result.parts.items())
    return f" ({several})" if len(result.parts) > 1 else ""


def _worst(result: CurateResult) -> list[str]:
    labels = [one for one in result.issues if one.kind in ("label", "missing label", "superfluous label")]
    rows = [(one.given_label, one.suggested_label, f"{one.score:.3f}", one.id) for one in labels[:_WORST]]
    return ["", *columns(("given", "suggested", "quality", "picture"), rows), ""] if rows else []
