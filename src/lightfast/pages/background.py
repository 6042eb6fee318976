"""The page of `background`: does the run look at the thing or at what stands behind it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from lightfast.base.plain import FLAT
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.overlay import rgb
from lightfast.report.page import Card, Cards, Figure, Section, SectionPart, Table, Text, Tone, write_page
from lightfast.report.statistics import interval_figure
from lightfast.report.strips import strip, strip_panel
from lightfast.report.tables import percent, points_text, share_card, share_cell

if TYPE_CHECKING:
    from lightfast.explain.background import BackgroundCheck, CompositeImages, ReadShare

_WIDE = 820
BACKGROUND_METHOD = (
    "The foreground is cut out by the colours of the picture's border (GrabCut, Rother et al. 2004), without "
    "asking the network, and put on the background of another picture, whose own foreground was filled from "
    "its surroundings (Xiao et al. 2020). Both backgrounds are pasted, so that seams count alike."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class BackgroundResult(Envelope):
    """What `background` found.

    Attributes:
        check: the figures and the verdict.
        run: as it was typed.
        sentence: the verdict in one sentence.
        class_names: of the run.
    """

    check: BackgroundCheck = field(metadata=FLAT)
    run: str
    sentence: str
    class_names: tuple[str, ...]


def read_rows(check: BackgroundCheck) -> tuple[tuple[str, ReadShare], ...]:
    """What was read, in words, with its share."""
    return (
        ("the picture itself, right", check.original),
        ("foreground on a background of its own class, right", check.own_class),
        ("foreground on a background of another class, right", check.other_class),
        ("the same, read as the class of the background", check.as_background),
        ("the background alone, read as the class of its picture", check.alone),
    )


def left_out_words(check: BackgroundCheck) -> str:
    """Why pictures were left out, with counts."""
    without = check.without_foreground - check.at_frame
    return (
        f"{check.at_frame:,} not cut, reaches the frame; {without:,} without a foreground that could be told "
        "from the border, or without a second background"
    )


_SHORT = ("itself", "own-class background", "another class's", "read as that class", "background alone")
"""The same in a figure's margin."""


def write_background_page(path: Path, result: BackgroundResult) -> Path:
    """Write the report."""
    check = result.check
    sections = [
        Section("Result", (_cards(check), Text(result.sentence), *noted(result))),
        Section("What was read", _read_parts(check), BACKGROUND_METHOD),
        *([Section("Which backgrounds draw", (_pulls_table(check),))] if check.pulls else []),
        Section("Look at the cuts", _examples(check, result.class_names), _LOOK),
    ]
    subtitle = f"{check.n:,} pictures of {result.data} on other backgrounds, read by {result.run}."
    return write_page(path, "Is it looking at the background?", subtitle, sections, result.provenance)


_LOOK = (
    "The figures are worth what the cuts are worth: where the thing is not cut out whole, or the picture is "
    "a scene without one, they say little. Under each picture what it is read as. Half of those shown are "
    "read rightly on a background of their own class and as the background on another, where there are "
    "such; the rest is evenly spread over the others."
)


def _cards(check: BackgroundCheck) -> Cards:
    low, high = (100 * end for end in check.gap.difference_interval)
    gap = Card(
        f"{100 * check.gap.difference:.1f} points",
        "own class − another class",
        f"95 % interval {low:.1f} to {high:.1f}",
        "bad" if check.leans_if_whole else "strong",
    )
    shares = [
        share_card(one.value, name, one.interval, digits=1, more=f", n = {one.n:,}")
        for name, one in (
            ("right on own-class backgrounds", check.own_class),
            ("right on other backgrounds", check.other_class),
            ("read as the background", check.as_background),
        )
    ]
    return Cards((gap, *shares))


def _read_parts(check: BackgroundCheck) -> tuple[SectionPart, ...]:
    rows = read_rows(check)
    shown = [(name, one.value, one.interval) for name, (_, one) in zip(_SHORT, rows, strict=True)]
    figure = Figure(
        interval_figure(shown, unit="of the pictures, %"),
        f"n = {check.n:,} pictures, 95 % Wilson intervals, seed {check.seed}. "
        f"{check.without_foreground:,} pictures more were left out: {left_out_words(check)}.",
    )
    test, gain = check.gap, check.foreground_gain
    said = (
        f"Own class − another class: {points_text(test.difference, test.difference_interval)} points, paired "
        f"on the same foregrounds ({test.interval_method}); {test.gained:,} right on the one alone, "
        f"{test.lost:,} on the other alone. The foreground on a background of its own class − the background "
        f"alone: {points_text(gain.difference, gain.difference_interval)} points."
    )
    return figure, Text(said)


def _pulls_table(check: BackgroundCheck) -> Table:
    rows = tuple(
        (
            one.name,
            share_cell(one.on_it.value, one.on_it.interval, _tone(one.on_it, one.elsewhere), 1),
            f"{one.on_it.n:,}",
            share_cell(one.elsewhere.value, one.elsewhere.interval, digits=1),
            f"{one.elsewhere.n:,}",
        )
        for one in check.pulls
    )
    columns = ("background of", "things of other classes read as it", "n", "elsewhere", "n elsewhere")
    note = (
        "Elsewhere: things of other classes on backgrounds of other classes that are read as this class all "
        "the same. 95 % Wilson intervals; marked where both intervals lie apart."
    )
    return Table(columns, rows, "Read as the class of the background", (note,))


def _tone(on_it: ReadShare, elsewhere: ReadShare) -> Tone:
    return "bad" if on_it.interval.low > elsewhere.interval.high else ""


def _examples(check: BackgroundCheck, names: tuple[str, ...]) -> tuple[Figure, ...]:
    found = check.examples
    return tuple(_example(found, place, names) for place in range(len(found.ids)))


def _example(found: CompositeImages, place: int, names: tuple[str, ...]) -> Figure:
    label, behind = names[found.labels[place]], names[found.background_labels[place]]
    whole, own, other, alone = (one[place] for one in found.shown)
    read = [names[one[place]] for one in found.predicted]
    cut = np.where(found.masks[place, ..., None], rgb(whole), np.uint8(255))
    stages = (
        strip_panel(whole, "picture", [read[0]], read[0] == label),
        strip_panel(cut, "cut out", [f"true: {label}"]),
        strip_panel(own, f"on another {label}", [read[1]], read[1] == label),
        strip_panel(other, f"on a {behind}", [read[2]], read[2] == label),
        strip_panel(alone, "background alone", [read[3]], read[3] == label),
    )
    alt = f"{found.ids[place]}: {label}, read as {read[0]}; on another {label} {read[1]}, on a {behind} "
    alt += f"{read[2]}, the background alone {read[3]}"
    return Figure(strip(stages, alt, width=_WIDE, columns=5), PurePath(found.ids[place]).name, alt)


def pull_words(check: BackgroundCheck) -> str:
    """The strongest pull in words; "" where no class's backgrounds draw more than others."""
    marked = [one for one in check.pulls if _tone(one.on_it, one.elsewhere)]
    if not marked:
        return ""
    one = marked[0]
    return (
        f"{one.name}: on its backgrounds {percent(one.on_it.value, 1)} of things of other classes are read "
        f"as it (n = {one.on_it.n:,}), elsewhere {percent(one.elsewhere.value, 1)}"
    )
