"""What `explain` wrote, for a terminal."""

from __future__ import annotations

from lightfast.explain.pictures import FEATURES, MAPS, OVERLAYS
from lightfast.pages.explain import ExplainResult
from lightfast.pages.explain_checks import ExplanationChecks
from lightfast.pages.features import FeaturesResult
from lightfast.report.tables import duration
from lightfast.runs.folder import REPORT_FILE


def explain_lines(result: ExplainResult | FeaturesResult) -> list[str]:
    """What `explain` found, for a terminal."""
    found, predicted = result.found, result.found.predicted
    n, wrong = len(predicted), len(predicted.wrong)
    layer = f", layer {found.target_layer}" if found.target_layer else ""
    pace = f", {duration(found.seconds_per_picture)} a picture" if found.seconds_per_picture >= 0.1 else ""
    pictures, model = "picture" if n == 1 else "pictures", predicted.classifier.model
    lines = [f"{found.method}: {n:,} {pictures} read by {model}{layer}{pace}"]
    if predicted.right is not None:
        were = "picture was" if wrong == 1 else "pictures were"
        lines.append(f"wrong      {wrong:,} {were} read as another class than theirs (read, not scored)")
    if found.flat_maps:
        lines.append(f"flat       {found.flat_maps:,} of {n:,} maps show nothing and are not coloured")
    if result.check is not None:
        lines += _check_lines(result.check)
    if result.enhancer is not None:
        lines.append(f"enhancer   changed the first reading of {result.enhancer.changed:,} of {n:,} pictures")
    files = f"overlays   {found.out / OVERLAYS}, maps in {found.out / MAPS}"
    if isinstance(result, FeaturesResult):
        files = f"features   {found.out / FEATURES}"
    return [*lines, files, f"report     {found.out / REPORT_FILE}"]


def _check_lines(check: ExplanationChecks) -> list[str]:
    curves, weights = check.faithfulness, check.randomisation
    lines = [
        f"{one.name:<10} area {one.area:.3f}, in a random order {one.random_area:.3f}; gain {one.gain:+.3f} "
        f"[{one.gain_interval.low:+.3f} to {one.gain_interval.high:+.3f}], n = {curves.n}: {one.verdict}"
        for one in (curves.deletion, curves.insertion)
    ]
    why = f": {weights.reason}" if weights.reason else ""
    for row in weights.rows[-1:]:
        low, high = row.interval
        alike = f"{row.correlation:.2f} [{low:.2f} to {high:.2f}]"
        why += f" (rank correlation {alike} after all weights were drawn anew)"
    return [*lines, f"weights    {weights.verdict}{why}"]
