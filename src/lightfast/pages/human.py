"""The page of a blinded test: people, the model on the same pictures, their agreement,
and the pictures most often misread.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.base.plain import FLAT, HIDDEN
from lightfast.baselines.human_score import HumanBaseline, Majority, ModelScore, PictureScore
from lightfast.pages.paired import kappa_cell, paired_cells
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.page import (
    Card,
    Cards,
    Cell,
    Folded,
    Gallery,
    Section,
    SectionPart,
    Table,
    Text,
    Tone,
    write_page,
)
from lightfast.report.pictures import picture
from lightfast.report.tables import percent, share_card, share_cell
from lightfast.statistics.intervals import wilson_bounds

if TYPE_CHECKING:
    from lightfast.data.images import ImageSet

_SHOWN, CONFUSIONS = 24, 12
_METHOD = (
    "Everybody was shown the same sample of the test part, drawn class by class, each in an order of their "
    "own. Label, file name and id were never shown, and nobody was told what was right. The first answer to "
    'a picture counts; "don\'t know" counts as wrong.'
)


@dataclass(frozen=True, eq=False, kw_only=True)
class HumanSession(Envelope):
    """What one session of `human` asked.

    Attributes:
        person: who was asked. log: where the answers are kept.
        n: pictures in the sample. answered, asked: by this person, in all and in this session.
    """

    JSON_PROPERTIES = ("status", "left")

    person: str
    n: int
    answered: int
    asked: int
    log: Path

    @property
    def left(self) -> int:
        """Pictures that the person has not answered."""
        return self.n - self.answered

    @property
    def status(self) -> str:
        """ "complete", or "stopped" while pictures are left."""
        return "stopped" if self.left else "complete"


@dataclass(frozen=True, eq=False, kw_only=True)
class HumanResult(Envelope):
    """What people answered, scored.

    Attributes:
        baseline: the scores; its status is "not run" where nobody has answered.
        log: the answers. model_run: the run that people are paired with. report: the page.
        images: the test part that the rows of the pictures point into.
    """

    baseline: HumanBaseline = field(metadata=FLAT)
    log: Path
    model_run: str | None
    report: Path | None = None
    images: ImageSet = field(metadata=HIDDEN)


def write_human_page(path: Path, result: HumanResult) -> Path:
    """The report of `human_results`."""
    baseline = result.baseline
    sections = [
        Section("Result", (_cards(baseline), _people_table(baseline), *noted(result))),
        *([_model_section(baseline, baseline.model.name)] if baseline.model else []),
        *([_agreement_section(baseline)] if baseline.pairs else []),
        _misread_section(baseline, result.images),
        Section("How it was asked", (Text(_METHOD),)),
    ]
    many = f"{len(baseline.people)} people" if len(baseline.people) > 1 else "One person"
    subtitle = (
        f"{many}, {baseline.n:,} of {baseline.sample:,} sampled test pictures, "
        f"{len(result.images.class_names)} classes."
    )
    return write_page(path, f"People on {result.data}", subtitle, sections, result.provenance)


def _cards(baseline: HumanBaseline) -> Cards:
    who = "people, on average" if len(baseline.people) > 1 else "".join(one.person for one in baseline.people)

    def card(one: HumanBaseline | Majority | ModelScore, label: str, tone: Tone = "", what: str = "") -> Card:
        return share_card(
            one.accuracy, label, one.accuracy_interval, tone, digits=1, more=f", n = {one.n:,}{what}"
        )

    cards = [card(baseline, who, "strong", " pictures")]
    if baseline.majority is not None:
        cards.append(card(baseline.majority, "their majority"))
    if baseline.model is not None:
        cards.append(card(baseline.model, f"{baseline.model.name}, whole sample"))
    if baseline.fleiss is not None and baseline.fleiss.value is not None:
        detail = f"n = {baseline.fleiss.n:,}; 1 agree always, 0 as by chance"
        cards.append(Card(f"{baseline.fleiss.value:.2f}", "agreement (Fleiss kappa)", detail))
    return Cards(tuple(cards), _lead(baseline))


def _lead(baseline: HumanBaseline) -> str:
    tests = [person.versus_model for person in baseline.people if person.versus_model is not None]
    if len(tests) == 1:
        return tests[0].sentence()
    if tests:
        better, worse = (
            sum(test.significant and (test.difference > 0) == side for test in tests)
            for side in (True, False)
        )
        return (
            f"Beside {tests[0].before_name} on exactly the same pictures, {better} of {len(tests)} people "
            f"are right more often and {worse} less often, beyond chance; for "
            f"{len(tests) - better - worse} no difference is shown."
        )
    return f"{baseline.answers:,} answers to {baseline.n:,} pictures."


def _people_table(baseline: HumanBaseline) -> Table:
    rows = tuple(
        (
            one.person,
            f"{one.n:,}",
            share_cell(one.accuracy, one.accuracy_interval, digits=1),
            f"{one.dont_know:,}",
            f"{one.median_seconds:.1f} s",
            f"{one.left:,}",
        )
        for one in baseline.people
    )
    notes = (
        "Small print: 95 % Wilson intervals. The average over people counts each picture once, however many "
        "looked at it.",
    )
    return Table(
        ("person", "answered", "right", "don't know", "median time", "left"),
        rows,
        f"By person, of {baseline.sample:,} pictures, seed {baseline.seed}",
        notes,
    )


def _model_section(baseline: HumanBaseline, model: str) -> Section:
    tests = [(one.person, one.versus_model, one.kappa_with_model) for one in baseline.people]
    if baseline.majority is not None:
        tests.append(("their majority", baseline.majority.versus_model, None))
    rows = [
        (
            Cell(name, f"n = {test.n:,}"),
            percent(test.before_accuracy, 1),
            percent(test.after_accuracy, 1),
            *paired_cells(test, digits=1),
            kappa_cell(kappa),
        )
        for name, test, kappa in tests
        if test is not None
    ]
    notes = (
        "Difference in points, person minus model, with its 95 % interval; p from McNemar's test on the same "
        "pictures.",
        "Only person, only model: pictures that only one of the two read rightly. Kappa: agreement of the "
        "two readings.",
        "Each row is a test of its own: among twenty people like the model about one row has p below 0.05 by "
        "chance.",
    )
    columns = ("reader", "model", "person", "difference", "only person", "only model", "p", "kappa")
    caption = f"People and {model} on exactly the same pictures"
    return Section("Against the model", (Table(columns, tuple(rows), caption, notes),))


def _agreement_section(baseline: HumanBaseline) -> Section:
    rows = [
        (f"{pair.first} and {pair.second}", kappa_cell(pair.kappa), f"{pair.kappa.n:,}")
        for pair in baseline.pairs
    ]
    if baseline.fleiss is not None:
        rows.append(
            (f"all {len(baseline.people)} (Fleiss)", kappa_cell(baseline.fleiss), f"{baseline.fleiss.n:,}")
        )
    note = (
        "Cohen's kappa with its 95 % interval: 1 is full agreement, 0 what chance gives. \"Don't know\" is a "
        "category of its own."
    )
    return Section(
        "Agreement",
        (Table(("people", "kappa", "pictures"), tuple(rows), "Do people agree with each other?", (note,)),),
    )


def _misread_section(baseline: HumanBaseline, images: ImageSet) -> Section:
    wrong = sorted(
        (one for one in baseline.pictures if one.right < one.n),
        key=lambda one: (one.right / one.n, -one.n, one.row),
    )
    parts: list[SectionPart] = []
    if wrong:
        shots = tuple(
            picture(images.images[one.row], _said(one), alt=f"{one.label}, read as {_wrong(one)}")
            for one in wrong[:_SHOWN]
        )
        more = f" {_SHOWN} of {len(wrong):,} are shown." if len(wrong) > _SHOWN else ""
        parts += [
            Gallery(shots, f"The label → what it was taken for; the most often misread first.{more}"),
            _confusions(baseline),
        ]
    parts.append(Folded("By class", (_by_class(baseline),)))
    by_all = sum(not one.right for one in wrong)
    lead = (
        f"{len(wrong):,} of {baseline.n:,} pictures were misread by somebody, {by_all:,} by all who saw them."
    )
    return Section("Most often misread", tuple(parts), lead)


def _said(one: PictureScore) -> str:
    model = (
        "" if one.model is None else "; model right" if one.model == one.label else f"; model: {one.model}"
    )
    return f"{one.label} → {_wrong(one)}; {one.right} of {one.n} right{model}"


def _wrong(one: PictureScore) -> str:
    return ", ".join(
        name if count == 1 else f"{name} {count}×" for name, count in one.answers.items() if name != one.label
    )


def _confusions(baseline: HumanBaseline) -> Table:
    pairs: Counter[tuple[str, str]] = Counter()
    shown: Counter[str] = Counter()
    for one in baseline.pictures:
        shown[one.label] += one.n
        pairs.update(
            {(one.label, answer): count for answer, count in one.answers.items() if answer != one.label}
        )
    rows = tuple(
        (label, answer, f"{count:,}", f"{shown[label]:,}")
        for (label, answer), count in pairs.most_common(CONFUSIONS)
    )
    return Table(("label", "answered", "times", "answers to this label"), rows, "What was taken for what")


def _by_class(baseline: HumanBaseline) -> Table:
    rows: list[tuple[Cell | str, ...]] = []
    for label in sorted({one.label for one in baseline.pictures}):
        pictures = [one for one in baseline.pictures if one.label == label]
        total = sum(one.right / one.n for one in pictures)
        low, high = wilson_bounds(total, len(pictures))
        rows.append(
            (
                label,
                f"{len(pictures):,}",
                f"{sum(one.n for one in pictures):,}",
                share_cell(total / len(pictures), (float(low), float(high)), digits=1),
            )
        )
    return Table(
        ("class", "pictures", "answers", "right"),
        tuple(rows),
        "By class",
        ("Small print: 95 % Wilson intervals, by pictures.",),
    )
