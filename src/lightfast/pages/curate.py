"""The page of what is wrong with pictures: labels to judge at a glance, then everything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from lightfast.curate.copies import CopyGroup
from lightfast.pages.curate_labels import labels_section, pruning_section, test_section
from lightfast.pages.curate_result import CURATE_QUEUE_FILE, ISSUES_FILE, SCORES_FILE, CurateResult
from lightfast.report.noted import noted
from lightfast.report.page import Card, Cards, Gallery, Picture, Section, SectionPart, Table, Text, write_page
from lightfast.report.tables import percent, percent_range, share_cell
from lightfast.report.thumbnails import side_within, thumbnail

_SHOWN, _GROUPS, _PAIRS = 24, 24, 15
_BYTES = 1_500_000
_FLAWS = {
    "blurred": "Blurred",
    "dark": "Dark",
    "glaring": "Glaring",
    "plain": "All but plain",
    "odd size": "Of an odd size",
    "damage": "Damaged, by the detector of the run",
}


def write_curate_page(path: Path, result: CurateResult) -> Path:
    """The report: wrong labels, test part, copies, outliers, flaws, classes, the share to leave out."""
    sections = [
        Section("Result", (_cards(result), *noted(result), *_not_run(result))),
        *labels_section(result),
        *test_section(result),
        *_copies_section(result),
        *_outliers_section(result),
        *_flaws_section(result),
        *_classes_section(result),
        *pruning_section(result),
        Section("Files", (_files(result),)),
    ]
    parts = ", ".join(f"{count:,} {name}" for name, count in result.parts.items())
    several = f" ({parts})" if len(result.parts) > 1 else ""
    subtitle = f"{result.n:,} pictures{several}. Nothing was changed or deleted."
    return write_page(path, f"What is wrong with {result.data}", subtitle, sections, result.provenance)


def _cards(result: CurateResult) -> Cards:
    found = result.found
    cards = []
    for part in result.labels[:1]:
        low, high = part.wrong.interval
        wrong = f"{part.wrong.wrong:.0f} estimated wrong, 95 % interval {low:.0f}–{high:.0f}"
        detail = f"of {part.n:,} judged; {wrong}"
        cards.append(Card(f"{part.issues:,}", "probably wrong labels", detail, "strong"))
    if result.tag_issues:
        missing, more = found.get("missing label", 0), found.get("superfluous label", 0)
        cards.append(
            Card(
                f"{missing + more:,}",
                "probably wrong labels",
                f"{missing:,} missing, {more:,} superfluous",
                "strong",
            )
        )
    copies = sum(len(one.rows) for one in result.copies)
    conflicts = sum(len(one.rows) for one in result.copies if one.conflict)
    leaks = sum(one.leak for one in result.copies)
    said = ", ".join(
        [f"{conflicts:,} under two labels"] * bool(conflicts)
        + [f"{leaks:,} leaks between parts"] * bool(leaks)
    )
    cards.append(Card(f"{copies:,}", "pictures that are there more than once", said, "bad" if said else ""))
    cards.append(Card(f"{len(result.outliers.rows):,}", "outliers"))
    flawed = {one.row for one in result.flaws}
    kinds = ", ".join(f"{found[kind]:,} {kind}" for kind in _FLAWS if found.get(kind))
    cards.append(Card(f"{len(flawed):,}", "hard to see anything on", kinds))
    return Cards(tuple(cards), _lead(result))


def _lead(result: CurateResult) -> str:
    if not result.method:
        return f"Labels were not judged: {result.not_run.get('label issues', 'none were given')}."
    share = ""
    for part in result.labels[:1]:
        share = (
            f" They read {percent(part.accuracy, 1)} [{percent_range(part.accuracy_interval)}] as labelled."
        )
    said = "no picture by a model that had seen it or a copy of it"
    return f"Labels were judged by {result.method}: {said}.{share}"


def _not_run(result: CurateResult) -> tuple[SectionPart, ...]:
    if not result.not_run:
        return ()
    rows = tuple(result.not_run.items())
    return (Table(("not looked for", "because"), rows, "What was not looked for"),)


def _thumbnails(
    result: CurateResult, rows: Sequence[tuple[int, str]], budget: int = _BYTES
) -> tuple[Picture, ...]:
    """Pictures by row with their captions, small enough to stay within the budget."""
    images = result.images
    side = side_within([images.images[row] for row, _ in rows], budget)
    return tuple(
        thumbnail(images.images[row], caption, f"{images.ids[row]}: {caption}", side) for row, caption in rows
    )


def _called(result: CurateResult, row: int) -> str:
    images = result.images
    if images.tags is not None:
        return " + ".join(
            name for name, held in zip(images.class_names, images.tags[row], strict=True) if held
        )
    return "" if images.labels is None else images.class_names[images.labels[row]]


def _copies_section(result: CurateResult) -> list[Section]:
    if not result.copies:
        return []
    kinds: dict[str, list[CopyGroup]] = defaultdict(list)
    for one in result.copies:
        kinds[one.kind].append(one)
    table = Table(
        ("kind", "groups", "pictures"),
        tuple(
            (kind, f"{len(some):,}", f"{sum(len(one.rows) for one in some):,}")
            for kind, some in kinds.items()
        ),
        "Groups of pictures that show the same",
        ("A leak stands in several parts: what is learned there is asked again in the test.",),
    )
    shown = result.copies[:_GROUPS]
    rows = [
        (row, _copy_caption(result, number, one, row))
        for number, one in enumerate(shown, 1)
        for row in one.rows[:4]
    ]
    caption = "Group by group, the gravest first"
    caption += (
        f"; {len(shown):,} of {len(result.copies):,} groups." if len(shown) < len(result.copies) else "."
    )
    return [Section("Copies", (table, Gallery(_thumbnails(result, rows), caption)))]


def _copy_caption(result: CurateResult, number: int, group: CopyGroup, row: int) -> str:
    part = f", {result.part_of[row]}" if group.leak else ""
    return f"{number}: {_called(result, row) or 'same picture'}{part}"


def _outliers_section(result: CurateResult) -> list[Section]:
    found = result.outliers
    if not len(found.rows):
        return []
    rows = [
        (row, f"{_called(result, row)} {found.similarity[row]:.2f}".strip())
        for row in found.rows[:_SHOWN].tolist()
    ]
    lead = (
        f"{len(found.rows):,} picture{'s are' if len(found.rows) > 1 else ' is'} unlike all others, by "
        f"{result.features}: the similarity to the nearest ones is below {found.cut:.2f}, usual is "
        f"{found.usual:.2f}."
    )
    return [
        Section("Outliers", (Gallery(_thumbnails(result, rows), _shown(len(rows), len(found.rows))),), lead)
    ]


def _flaws_section(result: CurateResult) -> list[Section]:
    parts: list[SectionPart] = []
    for kind, title in _FLAWS.items():
        some = [one for one in result.flaws if one.kind == kind]
        if some:
            rows = [(one.row, one.reason) for one in some[: _SHOWN // 2]]
            shown = _thumbnails(result, rows, _BYTES // 3)
            parts.append(Gallery(shown, f"{title}: {len(some):,}. {_shown(len(rows), len(some))}".strip()))
    lead = "Plain statistics of the pixels, and where a run has a damage detector its word."
    return [Section("Hard to see", tuple(parts), lead)] if parts else []


def _shown(shown: int, total: int) -> str:
    return f"{shown:,} of {total:,} shown, the worst first." if shown < total else ""


def _classes_section(result: CurateResult) -> list[Section]:
    balance = result.balance
    if balance is None:
        return []
    parts: list[SectionPart] = []
    pairs = result.overlaps[:_PAIRS]
    if pairs:
        rows = tuple(
            (
                f"{one.first} and {one.second}",
                share_cell(one.share, one.interval),
                f"{one.first_as_second:,}",
                f"{one.second_as_first:,}",
                f"{one.n:,}",
            )
            for one in pairs
        )
        notes = ("Small print: 95 % Wilson intervals. Pairs in the order of their low ends.",)
        heads = ("classes", "taken for the other", "first as second", "second as first", "pictures")
        parts.append(Table(heads, rows, "Classes that overlap, by models that never saw the pictures", notes))
    names = result.images.class_names
    order = sorted(range(len(names)), key=lambda place: -balance.counts[place])
    some = order if len(order) <= 12 else [*order[:6], *order[-6:]]
    table = Table(
        ("class", "pictures"),
        tuple((names[place], f"{balance.counts[place]:,}") for place in some),
        "Pictures a class" if len(some) == len(order) else "The six largest and the six smallest classes",
    )
    uneven = " Uneven classes: the rare ones are judged and learned worse." if balance.uneven else ""
    few = f" Fewer than ten pictures: {', '.join(balance.few)}." if balance.few else ""
    lead = (
        f"{len(names)} classes, the largest has {balance.ratio:.1f} times the pictures of the smallest; "
        f"they are as varied as {balance.effective_classes:.1f} even ones.{uneven}{few}"
    )
    return [Section("Classes", (*parts, table), lead)]


def _files(result: CurateResult) -> Text:
    return Text(
        f"{ISSUES_FILE}: every issue, one a row. {SCORES_FILE}: every picture with its scores. "
        f"{CURATE_QUEUE_FILE}: what a person has to decide, the worst first; fill its column decided_label, "
        "and `relabel` takes it. "
        "metrics.json: the counts and estimates of this page."
    )
