"""What crossval, compare and sweep found, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightfast.cli.text.columns import columns
from lightfast.report.tables import duration, percent, percent_range, points_text, share_text
from lightfast.statistics.intervals import p_text

if TYPE_CHECKING:
    from lightfast.pages.compare import CompareResult
    from lightfast.pages.crossval import CrossvalResult
    from lightfast.pages.sweep import SweepResult


def compare_lines(result: CompareResult) -> list[str]:
    """The conclusion, accuracy beside cost, all pairs: for a terminal."""
    found = result.comparison
    models = [
        (one.name, share_text(row.accuracy, row.accuracy_interval), percent(row.macro_f1), *one.cost.texts)
        for row, one in zip(found.evaluations, result.runs, strict=True)
    ]
    pairs = [
        (
            " → ".join(pair.names),
            points_text(pair.test.difference, pair.test.difference_interval),
            f"{pair.test.gained:,}",
            f"{pair.test.lost:,}",
            p_text(pair.test.p_value),
            p_text(pair.p_holm),
        )
        for pair in found.pairs
    ]
    of_pair = ", like p of each pair alone" if len(pairs) > 1 else ""
    return [
        *columns(
            ("run", "accuracy", "macro F1", "model", "training", "MB", "parameters", "pictures/s"), models
        ),
        *columns(("pair", "difference in points", "gained", "lost", "p", "p (Holm)"), pairs),
        f"n = {found.n:,} pictures, the same for all; brackets: 95 % intervals{of_pair}; seed {found.seed}",
        found.sentence(),
    ]


def crossval_lines(result: CrossvalResult) -> list[str]:
    """Every fold, then mean, spread and corrected interval: for a terminal."""
    validated = result.validated
    rows = [
        (
            f"{one.repeat + 1}.{one.fold + 1}",
            f"{one.n_train:,}",
            f"{one.n_test:,}",
            percent(one.accuracy),
            percent(one.macro_f1),
            duration(one.seconds),
        )
        for one in validated.folds
    ]
    lines = columns(("fold", "fitted on", "read", "accuracy", "macro F1", "fit"), rows)
    for name, measure in (("accuracy", "accuracy"), ("macro F1", "macro_f1")):
        scores = validated.scores(measure)
        lines.append(
            f"{name:<10} {percent(scores.mean())} [{percent_range(validated.interval(measure))}], "
            "spread over "
            f"folds {100 * scores.std(ddof=1):.2f} points"
        )
    return [
        *lines,
        "Brackets: 95 % interval corrected for shared training pictures, nowhere narrower than the counted "
        "pictures allow; "
        f"n = {len(validated.predictions):,}, {validated.k} folds × {validated.repeats}, seed "
        f"{validated.seed}.",
        f"out of fold {result.predictions}",
    ]


def sweep_lines(result: SweepResult) -> list[str]:
    """Levels and conclusions: for a terminal."""
    from lightfast.pages.sweep import level_name

    found = result.found
    rows = [
        (
            level_name(level.point),
            f"{level.n_train:,}",
            str(level.repeats),
            percent(level.value),
            percent_range(level.interval),
        )
        for level in found.shown
    ]
    return [
        *columns(("level", "training pictures", "repeats", found.measure, "95 % interval"), rows),
        *found.sentences,
        f"{len(found.points)} trainings, scored on {result.n_test:,} held-out pictures, seed {result.seed}",
    ]
