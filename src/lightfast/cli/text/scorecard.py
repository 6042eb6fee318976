"""The scorecard, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightfast.cli.text.columns import columns
from lightfast.pages.scorecard import _cost_texts
from lightfast.report.tables import percent, points_text, share_text
from lightfast.statistics.intervals import p_text


def scorecard_lines(result: Mapping[str, Any]) -> list[str]:
    """Accuracy beside cost, ours against each service, agreement: for a terminal."""
    rows = [
        _line(result["ours"], result["costs"]),
        *(_line(one["service"], result["costs"]) for one in result["services"]),
    ]
    tests = [
        (
            f"{one['service']['name']} → {one['ours']['name']}",
            f"{one['test']['n']:,}",
            percent(one["ours"]["top1"]),
            points_text(one["test"]["difference"], one["test"]["difference_interval"]),
            p_text(one["p_holm"]),
        )
        for one in result["services"]
    ]
    agreement = [
        (f"{one['first']} – {one['second']}", f"{one['n']:,}", percent(one["observed"], 1), _kappa(one))
        for one in result["agreement"]
    ]
    return [
        *columns(
            ("reader", "n", "top 1", "top 3", "no class named", "price of 1,000", "seconds for 1,000"), rows
        ),
        *columns(("pair, same pictures", "n", "ours", "difference in points", "p (Holm)"), tests),
        *columns(("agreement", "n", "same answer", "kappa"), agreement),
        "brackets: 95 % intervals; p: McNemar",
    ]


def _line(score: Mapping[str, Any], told: Mapping[str, Mapping[str, float | None]]) -> tuple[str, ...]:
    shares = [share_text(score[key], score[f"{key}_interval"]) for key in ("top1", "top3")]
    return (
        score["name"],
        f"{score['n']:,}",
        *shares,
        f"{score['unanswered']:,}",
        *_cost_texts(told[score["name"]]),
    )


def _kappa(one: Mapping[str, Any]) -> str:
    low, high = one["interval"]
    return "–" if one["value"] is None else f"{one['value']:.2f} [{low:.2f} to {high:.2f}]"
