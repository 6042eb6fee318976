"""The page of a blinded test: people, the model on the same pictures, their agreement,
and the pictures most often misread.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightfast.baselines.human_score import HumanBaseline, PictureScore
from lightfast.data.images import ImageSet
from lightfast.report.noted import noted_dicts
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
    write_page,
)
from lightfast.report.pictures import picture
from lightfast.report.tables import MISSING, percent, percent_range, points_cell, share_cell
from lightfast.statistics.agreement import Kappa
from lightfast.statistics.intervals import p_text, wilson_bounds

_SHOWN, CONFUSIONS = 24, 12
_METHOD = (
    "Everybody was shown the same sample of the test part, drawn class by class, each in an order of their "
    "own. Label, file name "
    "and id were never shown, and nobody was told what was right. The first answer to a picture counts; "
    '"don\'t know" counts as '
    "wrong."
)


def write_human_page(
    path: Path, baseline: HumanBaseline, images: ImageSet, result: Mapping[str, Any], facts: Mapping[str, Any]
) -> Path:
    """The report of `human_results`; `images` is the test part that the rows of the pictures point into."""
    sections = [
        Section(
            "Result",
            (_cards(baseline), _people_table(baseline), *noted_dicts(result["notes"], result["unreadable"])),
        )
    ]
    if baseline.model_name is not None:
        sections.append(_model_section(baseline))
    sections += [_agreement_section(baseline)] if baseline.pairs else []
    sections += [_misread_section(baseline, images), Section("How it was asked", (Text(_METHOD),))]
    many = f"{len(baseline.people)} people" if len(baseline.people) > 1 else "One person"
    subtitle = (
        f"{many}, {baseline.n:,} of {baseline.sample:,} sampled test pictures, {len(images.class_names)} "
        "classes."
    )
    return write_page(path, f"People on {result['data']}", subtitle, sections, facts)


def kappa_text(kappa: Mapping[str, Any] | None, *, n: bool = True) -> str:
    """ "0.81 [0.70 to 0.92], n = 100"; "–" where it is not defined."""
    if kappa is None or kappa["value"] is None:
        return MISSING
    low, high = kappa["interval"]
    return f"{kappa['value']:.2f} [{low:.2f} to {high:.2f}]" + (f", n = {kappa['n']:,}" if n else "")


def _cards(baseline: HumanBaseline) -> Cards:
    spread = percent_range(baseline.accuracy_interval)
    who = "people, on average" if len(baseline.people) > 1 else "".join(one.person for one in baseline.people)
    cards = [
        Card(
            percent(baseline.accuracy, 1),
            who,
            f"95 % interval {spread}, n = {baseline.n:,} pictures",
            "strong",
        )
    ]
    if baseline.majority is not None:
        most = baseline.majority
        detail = f"95 % interval {percent_range(most.accuracy_interval)}, n = {most.n:,}"
        cards.append(Card(percent(most.accuracy, 1), "their majority", detail))
    if baseline.model_accuracy is not None:
        detail = f"95 % interval {percent_range(baseline.model_interval)}, n = {baseline.sample:,}"
        cards.append(
            Card(percent(baseline.model_accuracy, 1), f"{baseline.model_name}, whole sample", detail)
        )
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
            f"Beside {baseline.model_name} on exactly the same pictures, {better} of {len(tests)} people are "
            f"right more often and {worse} less often, beyond chance; for {len(tests) - better - worse} no "
            "difference is shown."
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


def _model_section(baseline: HumanBaseline) -> Section:
    tests = [(one.person, one.versus_model, one.kappa_with_model) for one in baseline.people]
    if baseline.majority is not None:
        tests.append(("their majority", baseline.majority.versus_model, None))
    rows = []
    for name, test, kappa in tests:
        if test is not None:
            gap = points_cell(test.difference, test.difference_interval, digits=1)
            rows.append(
                (
                    Cell(name, f"n = {test.n:,}"),
                    percent(test.before_accuracy, 1),
                    percent(test.after_accuracy, 1),
                    gap,
                    f"{test.gained:,}",
                    f"{test.lost:,}",
                    p_text(test.p_value),
                    _kappa_cell(kappa),
                )
            )
    notes = (
        "Difference in points, person minus model, with its 95 % interval; p from McNemar's test on the same "
        "pictures.",
        "Only person, only model: pictures that only one of the two read rightly. Kappa: agreement of the "
        "two readings.",
        "Each row is a test of its own: among twenty people like the model about one row has p below 0.05 by "
        "chance.",
    )
    columns = ("reader", "model", "person", "difference", "only person", "only model", "p", "kappa")
    caption = f"People and {baseline.model_name} on exactly the same pictures"
    return Section("Against the model", (Table(columns, tuple(rows), caption, notes),))


def _kappa_cell(kappa: Kappa | None) -> Cell:
    if kappa is None or kappa.value is None:
        return Cell(MISSING)
    return Cell(f"{kappa.value:.2f}", f"{kappa.interval.low:.2f} to {kappa.interval.high:.2f}")


def _agreement_section(baseline: HumanBaseline) -> Section:
    rows = [
        (f"{pair.first} and {pair.second}", _kappa_cell(pair.kappa), f"{pair.kappa.n:,}")
        for pair in baseline.pairs
    ]
    if baseline.fleiss is not None:
        rows.append(
            (f"all {len(baseline.people)} (Fleiss)", _kappa_cell(baseline.fleiss), f"{baseline.fleiss.n:,}")
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
    groups: dict[str, list[PictureScore]] = defaultdict(list)
    for one in baseline.pictures:
        groups[one.label].append(one)
    rows: list[tuple[Cell | str, ...]] = []
    for label, pictures in sorted(groups.items()):
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
