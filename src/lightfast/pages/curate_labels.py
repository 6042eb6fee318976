"""What the page of `curate` says about labels: each wrong one with its evidence, how many are wrong, what
cleaning does to the figures of a test part, and the share to leave out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lightfast.curate.cut import WrongLabels
from lightfast.curate.issue_table import Issue
from lightfast.pages.curate_result import CurateResult
from lightfast.report.page import (
    Card,
    Cards,
    Cell,
    Figure,
    Folded,
    LabelIssueCard,
    LabelIssueGrid,
    Picture,
    Section,
    SectionPart,
    Table,
    Text,
)
from lightfast.report.statistics import interval_figure
from lightfast.report.tables import percent, points_text, share_card
from lightfast.report.thumbnails import thumbnail
from lightfast.statistics.resampled import corrected_interval

MOST_SHOWN, OF_EACH = 120, 4
"""LabelIssueCard labels on the page: the worst of all, and the worst of every given label."""
_KINDS = ("label", "missing label", "superfluous label")
_SIDE, _NEAR_SIDE = 128, 72


def labels_section(result: CurateResult) -> list[Section]:
    """Every probably wrong label that is shown, and the estimates a class."""
    issues = [one for one in result.issues if one.kind in _KINDS]
    if not result.method:
        return []
    parts: list[SectionPart] = []
    if issues:
        caption = "Of all probably wrong labels the worst, and of every given label the worst few."
        parts.append(LabelIssueGrid(_cards_of(result, _chosen(issues)), len(issues), caption))
    else:
        parts.append(Text("No label is probably wrong.", note=True))
    for part in result.labels:
        table = _estimates(part.wrong_by_class, part.part, len(result.labels) > 1)
        parts.append(Folded(table.caption, (table,)))
    return [Section("Probably wrong labels", tuple(parts), _lead(result))]


def _lead(result: CurateResult) -> str:
    if result.tag_issues:
        return "Left of the arrow what a picture carries, right what is missing (+) or superfluous (−)."
    return (
        "Left of the arrow the label as given, right the suggested one; below, the nearest pictures that "
        "carry either. Where the picture is like those on the right, the label is wrong."
    )


def _chosen(issues: Sequence[Issue]) -> list[Issue]:
    """The worst of all and the worst of each given label, in their order."""
    seen: Counter[str] = Counter()
    chosen: list[Issue] = []
    for place, one in enumerate(issues):
        seen[one.given_label] += 1
        if place < MOST_SHOWN or seen[one.given_label] <= OF_EACH:
            chosen.append(one)
    return chosen


def _cards_of(result: CurateResult, issues: Sequence[Issue]) -> tuple[LabelIssueCard, ...]:
    images = result.images
    row_of = {name: row for row, name in enumerate(images.ids)}
    small: dict[str, Picture] = {}

    def near(ids: Sequence[str]) -> tuple[Picture, ...]:
        for name in ids:
            if name not in small:
                small[name] = thumbnail(images.images[row_of[name]], "", name, _NEAR_SIDE)
        return tuple(small[name] for name in ids)

    return tuple(
        LabelIssueCard(
            thumbnail(images.images[row_of[one.id]], "", one.id, _SIDE),
            one.id,
            one.given_label or "nothing",
            one.suggested_label,
            _sentence(one.reason),
            near(one.agreeing),
            near(one.disagreeing),
            "test part" if one.part == "test" else "",
        )
        for one in issues
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." * (not text.endswith("."))


def _estimates(rows: Sequence[WrongLabels], part: str, several: bool) -> Table:
    ordered = sorted(rows, key=lambda one: -one.wrong)
    cells = tuple(
        (
            one.class_name,
            Cell(f"{one.wrong:.1f}", f"{one.interval.low:.1f}–{one.interval.high:.1f}"),
            f"{one.n:,}",
            percent(one.wrong / max(one.n, 1), 1),
        )
        for one in ordered
    )
    of = f" of the {part} part" if several else ""
    notes = ("Small print: 95 % intervals.",)
    return Table(
        ("given label", "probably wrong", "pictures", "share"),
        cells,
        f"How many labels are wrong, class by class{of}",
        notes,
    )


def test_section(result: CurateResult) -> list[Section]:
    """Both figures of a test part: by the labels as given, and by the cleaned ones."""
    test = result.test
    if test is None:
        return []
    cards = Cards(
        (
            share_card(
                test.given, "by the labels as they are: the figure to report", test.given_interval, "strong"
            ),
            share_card(test.after, "by the suggested labels: inflated", test.after_interval, "bad"),
            Card(f"{test.cleaned:,}", "test labels that are probably wrong", f"of {test.n:,}"),
        ),
        "Cleaning a test part by the word of a model raises the figure of that model: it agrees with itself.",
    )
    said = Text(
        "Whoever corrects test labels should look at each of them, say that it was done, and report both."
    )
    return [Section("Test part", (cards, said))]


def pruning_section(result: CurateResult) -> list[Section]:
    """Accuracy by the share that is left out."""
    found = result.pruning
    if found is None:
        return []
    ratio = 1 / (found.accuracy.shape[1] - 1)
    rows = [
        (f"{share:.0%} left out", float(scores.mean()), _within(corrected_interval(scores, ratio)))
        for share, scores in zip(found.shares, found.accuracy, strict=True)
    ]
    if found.chosen:
        gain = points_text(found.gain, found.interval)
        shown = "a gain" if found.shown else "no gain shown: the interval holds 0"
        lead = f"Best with {found.chosen:.0%} of the most doubtful pictures left out: {gain} points, {shown}."
    else:
        lead = "Leaving out doubtful pictures does not raise the accuracy: none are left out."
    caption = (
        "Cross-validated accuracy on pictures that are never left out, by the labels that they carry, with "
        "95 % intervals. Nothing about a held-out picture decides what is left out."
    )
    return [Section("Leaving out", (Figure(interval_figure(rows, unit="%"), caption),), lead)]


def _within(ends: tuple[float, float]) -> tuple[float, float]:
    return max(0.0, ends[0]), min(1.0, ends[1])
