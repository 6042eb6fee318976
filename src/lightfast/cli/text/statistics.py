"""What crossval, compare and sweep found, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightfast.cli.text.columns import columns
from lightfast.experiments.sweep import SweepPoint
from lightfast.pages.compare import cost_texts
from lightfast.pages.crossval import CrossvalResult
from lightfast.pages.sweep import level_name
from lightfast.report.tables import duration, percent, percent_range, points_text, share_text
from lightfast.statistics.intervals import p_text


def compare_lines(result: Mapping[str, Any]) -> list[str]:
    """The conclusion, accuracy beside cost, all pairs: for a terminal."""
    models = []
    for row, one in zip(result["evaluations"], result["runs"], strict=True):
        cost = one["cost"]
        models.append(
            (
                one["name"],
                share_text(row["accuracy"], row["accuracy_interval"]),
                percent(row["macro_f1"]),
                *cost_texts(cost),
            )
        )
    pairs = [
        (
            f"{pair['first']} → {pair['second']}",
            points_text(pair["difference"], pair["difference_interval"]),
            f"{pair['gained']:,}",
            f"{pair['lost']:,}",
            p_text(pair["p_value"]),
            p_text(pair["p_holm"]),
        )
        for pair in result["pairs"]
    ]
    return [
        *columns(
            ("run", "accuracy", "macro F1", "model", "training", "MB", "parameters", "pictures/s"), models
        ),
        *columns(("pair", "difference in points", "gained", "lost", "p", "p (Holm)"), pairs),
        f"n = {result['n']:,} pictures, the same for all; brackets: 95 % intervals; seed {result['seed']}",
        result["sentence"],
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
        "Brackets: 95 % interval corrected for shared training pictures; "
        f"n = {len(validated.predictions):,}, {validated.k} folds × {validated.repeats}, seed "
        f"{validated.seed}.",
        f"out of fold {result.predictions}",
    ]


def sweep_lines(result: Mapping[str, Any]) -> list[str]:
    """Levels and conclusions: for a terminal."""
    shown = result["minority_recall"] or result["levels"]
    what = f"recall of {result['minority']}" if result["minority"] else "accuracy"
    rows = []
    for level in shown:
        point = dict(level["point"])
        point["minority"] = tuple(point["minority"]) if point["minority"] else None
        rows.append(
            (
                level_name(SweepPoint(**point)),
                f"{level['n_train']:,}",
                str(level["repeats"]),
                percent(level["value"]),
                percent_range(level["interval"]),
            )
        )
    return [
        *columns(("level", "training pictures", "repeats", what, "95 % interval"), rows),
        *result["sentences"],
        f"{len(result['points'])} trainings, scored on {result['n_test']:,} held-out pictures, seed "
        f"{result['seed']}",
    ]
