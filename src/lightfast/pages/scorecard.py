"""The page of `scorecard`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightfast.baselines.services import Scorecard
from lightfast.report.noted import noted_dicts
from lightfast.report.page import Cards, Cell, Figure, Folded, Section, SectionPart, Table, Text, write_page
from lightfast.report.statistics import interval_figure
from lightfast.report.tables import percent, points_cell, share_card, share_cell
from lightfast.statistics.intervals import p_text

THOUSAND = 1000


SHOWN_LABELS = 40


SHOWN_MISSING = 200


def write_scorecard_page(
    path: Path, card: Scorecard, result: Mapping[str, Any], facts: Mapping[str, Any]
) -> Path:
    """The report of `scorecard`; `result` is the content of metrics.json."""
    sections = [
        Section("Result", (_cards(card), *noted_dicts(result["notes"], result["unreadable"]))),
        Section("Accuracy and cost", _accuracy_parts(card, result)),
        Section("Ours against each service", (_pairs_table(card),)),
        Section("Agreement", (_agreement_table(card),)),
        Section("What was left aside", _left_parts(card)),
    ]
    names = ", ".join(one.service.name for one in card.versus)
    subtitle = f"Saved responses, replayed on {card.ours.n:,} pictures of {result['data']}."
    return write_page(path, f"{card.ours.name} beside {names}", subtitle, sections, facts)


def _cost_texts(cost: Mapping[str, float | None]) -> tuple[str, str]:
    price, seconds = cost["price_per_1000"], cost["seconds_per_1000"]
    told = "–" if price is None else "< 0.0001" if 0 < price < 1e-4 else f"{price:.4g}"
    return told, "–" if seconds is None else f"{seconds:.3g}"


def _cards(card: Scorecard) -> Cards:
    scores = sorted((card.ours, *(one.service for one in card.versus)), key=lambda one: -one.top1)
    shown = [
        share_card(
            one.top1,
            one.name,
            one.top1_interval,
            "strong" if one is card.ours else "",
            digits=1,
            more=f", n = {one.n:,}",
        )
        for one in scores[:5]
    ]
    return Cards(tuple(shown), " ".join(one.test.sentence() for one in card.versus))


def _accuracy_parts(card: Scorecard, result: Mapping[str, Any]) -> tuple[SectionPart, ...]:
    scores = sorted((card.ours, *(one.service for one in card.versus)), key=lambda one: -one.top1)
    figure = Figure(
        interval_figure(
            [(one.name, one.top1, one.top1_interval) for one in scores], unit="first answer right, %"
        ),
        "First answers that are right, with 95 % intervals; the number of pictures stands in the table.",
    )
    rows = tuple(
        (
            Cell(one.name, "this run") if one is card.ours else one.name,
            f"{one.n:,}",
            share_cell(one.top1, one.top1_interval),
            share_cell(one.top3, one.top3_interval),
            f"{one.unanswered:,}",
            *_cost_texts(result["costs"][one.name]),
        )
        for one in scores
    )
    notes = (
        "Small print: 95 % Wilson intervals. Of a service only those labels count that are classes of the "
        "data; a response without any is a wrong answer (no class named).",
        "Our seconds were measured here, with the pictures in memory. Prices are those that were given; a "
        "dash: none was.",
    )
    columns_ = (
        "reader",
        "pictures",
        "top 1",
        "top 3",
        "no class named",
        "price of 1,000",
        "seconds for 1,000",
    )
    return figure, Table(columns_, rows, "Each reader on the pictures that it has answered", notes)


def _pairs_table(card: Scorecard) -> Table:
    rows = tuple(
        (
            f"{one.service.name} → {one.ours.name}",
            f"{one.test.n:,}",
            percent(one.service.top1),
            percent(one.ours.top1),
            points_cell(one.test.difference, one.test.difference_interval),
            f"{one.test.gained:,}",
            f"{one.test.lost:,}",
            Cell(p_text(one.p_holm), p_text(one.test.p_value)),
        )
        for one in card.versus
    )
    notes = (
        "Difference: ours less the service, in points, with Newcombe's 95 % interval. Gained: pictures that "
        "only ours reads rightly; lost: only the service.",
        f"p: McNemar, with Holm's correction for {len(rows)} tests; small print: without it.",
    )
    return Table(
        ("pair", "pictures", "service", "ours", "difference", "gained", "lost", "p"),
        rows,
        "The same pictures in both",
        notes,
    )


def _agreement_table(card: Scorecard) -> Table:
    rows = tuple(
        (
            f"{one} – {other}",
            f"{kappa.n:,}",
            percent(kappa.observed, 1),
            Cell("–", kappa.note)
            if kappa.value is None
            else Cell(f"{kappa.value:.2f}", "{:.2f} to {:.2f}".format(*kappa.interval)),
        )
        for one, other, kappa in card.agreement
    )
    return Table(
        ("pair", "pictures", "same first answer", "kappa"),
        rows,
        "How often two readers say the same",
        ("Kappa: agreement beyond chance, 1 = full (Cohen 1960), with its 95 % interval.",),
    )


def _left_parts(card: Scorecard) -> tuple[SectionPart, ...]:
    parts: list[SectionPart] = []
    for name, labels in card.unmapped.items():
        if labels:
            shown = list(labels.items())[:SHOWN_LABELS]
            told = f", the {len(shown)} most frequent" * (len(shown) < len(labels))
            table = Table(
                ("label", "responses"),
                tuple((label, f"{count:,}") for label, count in shown),
                "",
                ("Where one of them means a class, say so in a synonyms file.",),
            )
            parts.append(Folded(f"{name}: {len(labels):,} labels that are no class{told}", (table,)))
    for name, ids in card.missing.items():
        if ids:
            more = f" … and {len(ids) - SHOWN_MISSING:,} more" if len(ids) > SHOWN_MISSING else ""
            parts.append(
                Folded(
                    f"{name}: {len(ids):,} pictures without a response",
                    (Text(", ".join(ids[:SHOWN_MISSING]) + more),),
                )
            )
    return tuple(parts) or (
        Text("Nothing: every label is a class, and every picture has a response of every service."),
    )
