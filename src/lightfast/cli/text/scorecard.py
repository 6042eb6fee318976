"""The scorecard, for a terminal."""

from __future__ import annotations

from lightfast.baselines.services import ServiceScore
from lightfast.cli.text.columns import columns
from lightfast.pages.paired import kappa_text
from lightfast.pages.scorecard import ReaderCost, ScorecardResult
from lightfast.report.tables import percent, points_text, share_text
from lightfast.statistics.intervals import p_text


def scorecard_lines(result: ScorecardResult) -> list[str]:
    """Accuracy beside cost, ours against each service, agreement: for a terminal."""
    card = result.card
    rows = [
        _line(one, result.costs[one.name]) for one in (card.ours, *(one.service for one in card.services))
    ]
    tests = [
        (
            f"{one.service.name} → {one.ours.name}",
            f"{one.test.n:,}",
            percent(one.ours.top1),
            points_text(one.test.difference, one.test.difference_interval),
            p_text(one.p_holm),
        )
        for one in card.services
    ]
    agreement = [
        (
            f"{one.first} – {one.second}",
            f"{one.kappa.n:,}",
            percent(one.kappa.observed, 1),
            kappa_text(one.kappa, n=False),
        )
        for one in card.agreement
    ]
    return [
        *columns(
            ("reader", "n", "top 1", "top 3", "no class named", "price of 1,000", "seconds for 1,000"), rows
        ),
        *columns(("pair, same pictures", "n", "ours", "difference in points", "p (Holm)"), tests),
        *columns(("agreement", "n", "same answer", "kappa"), agreement),
        "brackets: 95 % intervals, of each pair alone; p: McNemar, corrected for all pairs (Holm)",
    ]


def _line(score: ServiceScore, cost: ReaderCost) -> tuple[str, ...]:
    return (
        score.name,
        f"{score.n:,}",
        share_text(score.top1, score.top1_interval),
        share_text(score.top3, score.top3_interval),
        f"{score.unanswered:,}",
        *cost.texts,
    )
