"""The page of `scorecard`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lightfast.base.plain import FLAT
from lightfast.baselines.services import Scorecard
from lightfast.pages.paired import kappa_cell, paired_cells
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.page import Cards, Cell, Figure, Folded, Section, SectionPart, Table, Text, write_page
from lightfast.report.statistics import interval_figure
from lightfast.report.tables import MISSING, percent, share_card, share_cell

THOUSAND = 1000
SHOWN_LABELS = 40
SHOWN_MISSING = 200


@dataclass(frozen=True)
class ReaderCost:
    """What 1,000 pictures take: seconds, and a price in the currency that was given; None where not known."""

    seconds_per_1000: float | None = None
    price_per_1000: float | None = None

    @property
    def texts(self) -> tuple[str, str]:
        """Price and seconds as people read them."""
        price, seconds = self.price_per_1000, self.seconds_per_1000
        told = MISSING if price is None else "< 0.0001" if 0 < price < 1e-4 else f"{price:.4g}"
        return told, MISSING if seconds is None else f"{seconds:.3g}"


@dataclass(frozen=True, eq=False, kw_only=True)
class ScorecardResult(Envelope):
    """What `scorecard` found.

    Attributes:
        card: the scores of our run and of the services.
        run: our run, as it was typed. n: labelled pictures.
        costs: of every reader by name.
    """

    card: Scorecard = field(metadata=FLAT)
    run: str
    n: int
    costs: Mapping[str, ReaderCost]


def write_scorecard_page(path: Path, result: ScorecardResult) -> Path:
    """The report of `scorecard`."""
    card = result.card
    sections = [
        Section("Result", (_cards(card), *noted(result))),
        Section("Accuracy and cost", _accuracy_parts(card, result.costs)),
        Section("Ours against each service", (_pairs_table(card),)),
        Section("Agreement", (_agreement_table(card),)),
        Section("What was left aside", _left_parts(card)),
    ]
    names = ", ".join(one.service.name for one in card.services)
    subtitle = f"Saved responses, replayed on {card.ours.n:,} pictures of {result.data}."
    return write_page(path, f"{card.ours.name} beside {names}", subtitle, sections, result.provenance)


def _cards(card: Scorecard) -> Cards:
    shown = [
        share_card(
            one.top1,
            one.name,
            one.top1_interval,
            "strong" if one is card.ours else "",
            digits=1,
            more=f", n = {one.n:,}",
        )
        for one in card.scores[:5]
    ]
    return Cards(tuple(shown), " ".join(one.test.sentence() for one in card.services))


def _accuracy_parts(card: Scorecard, costs: Mapping[str, ReaderCost]) -> tuple[SectionPart, ...]:
    figure = Figure(
        interval_figure(
            [(one.name, one.top1, one.top1_interval) for one in card.scores], unit="first answer right, %"
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
            *costs[one.name].texts,
        )
        for one in card.scores
    )
    notes = (
        "Small print: 95 % Wilson intervals. Of a service only those labels count that are classes of the "
        "data; a response without any is a wrong answer (no class named).",
        "Our seconds were measured here, with the pictures in memory. Prices are those that were given; a "
        "dash: none was.",
    )
    columns = (
        "reader",
        "pictures",
        "top 1",
        "top 3",
        "no class named",
        "price of 1,000",
        "seconds for 1,000",
    )
    return figure, Table(columns, rows, "Each reader on the pictures that it has answered", notes)


def _pairs_table(card: Scorecard) -> Table:
    rows = tuple(
        (
            f"{one.service.name} → {one.ours.name}",
            f"{one.test.n:,}",
            percent(one.service.top1),
            percent(one.ours.top1),
            *paired_cells(one.test, one.p_holm),
        )
        for one in card.services
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
            f"{one.first} – {one.second}",
            f"{one.kappa.n:,}",
            percent(one.kappa.observed, 1),
            kappa_cell(one.kappa),
        )
        for one in card.agreement
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
