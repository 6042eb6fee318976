"""The page of explanations: the pictures with their maps, where it looked when it was wrong,
and whether the maps can be believed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightfast.base.plain import FLAT, HIDDEN
from lightfast.explain.pictures import ExplainedImages, Explanation, PredictedImages
from lightfast.pages.explain_checks import ExplanationChecks, checked_section
from lightfast.report.contact_sheet import SheetCell, write_contact_sheet
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.overlay import coloured, overlay, rgb
from lightfast.report.page import (
    Card,
    Cards,
    Figure,
    FigureRow,
    PictureGrid,
    PictureRow,
    Section,
    SectionPart,
    Text,
    Tone,
    write_page,
)
from lightfast.report.strips import colour_key, strip, strip_panel
from lightfast.report.tables import confidence_text, duration
from lightfast.report.thumbnails import side_within, thumbnail

if TYPE_CHECKING:
    from lightfast.explain.enhancer_change import EnhancerChange
    from lightfast.explain.methods import Explainer, ExplainSettings

_SHOWN, SHOWN_WRONG = 24, 16
"""Pictures of the contact sheet, and wrong predictions of the page; of all others there are files."""
_ON_SHEET = 48
_PICTURE_BYTES = 900_000
_WIDE, _HALF = 820, 400
_WRONG = "Where it looked when it was wrong"


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplainResult(Envelope):
    """What `explain` found by a method of `EXPLAINERS`.

    Attributes:
        run: whose predictions they are.
        found: the pictures, their predictions and maps.
        settings: those of the method.
        check: whether the maps can be believed; None: not checked.
        enhancer: what it changed, of a classifier behind one.
        explainer: the method.
        other: row → map for the true class of a wrong prediction, float32 (H, W).
    """

    run: str
    found: ExplainedImages = field(metadata=FLAT)
    settings: ExplainSettings
    check: ExplanationChecks | None = None
    enhancer: EnhancerChange | None = None
    explainer: Explainer = field(metadata=HIDDEN)
    other: Mapping[int, NDArray[np.float32]] = field(default_factory=dict, metadata=HIDDEN)


def write_explain_page(path: Path, result: ExplainResult) -> Path:
    """Write the report."""
    found, entry = result.found, result.explainer
    predicted, source = found.predicted, entry.source.strip().rstrip(".")
    sections = [_pictures_section(found, noted(result))]
    if predicted.right is not None:
        sections.append(_wrong_section(result))
    if result.enhancer is not None:
        sections.append(_change_section(found, result.enhancer))
    sections.append(checked_section(result.check, found.method))
    subtitle = (
        f"{_pictures(len(predicted))} explained by {found.method}: {entry.summary.rstrip('.')}"
        f"{f' ({source})' * bool(source)}."
    )
    title = f"Why {predicted.network} reads {result.data} as it does"
    return write_page(path, title, subtitle, sections, result.provenance)


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' * (count != 1)}"


def write_explain_sheet(path: Path, found: ExplainedImages) -> Path:
    """contact-sheet.png: picture, map, prediction and true label of some pictures."""
    predicted, rows = found.predicted, evenly(len(found.predicted), _ON_SHEET)
    images = predicted.images.images
    cells = [
        SheetCell((rgb(images[row]), found.drawn(row)), _sheet_lines(found.explanations[row])) for row in rows
    ]
    layer = f", layer {found.target_layer}" if found.target_layer else ""
    some = "" if len(cells) == len(predicted) else f", {len(cells)} of {len(predicted):,} pictures"
    title = f"{found.method}{layer}: {predicted.network} on {predicted.images.name}{some}"
    return write_contact_sheet(path, cells, title)


def _sheet_lines(one: Explanation) -> tuple[tuple[str, Tone], ...]:
    marks: dict[bool | None, tuple[str, Tone]] = {
        None: ("", "strong"),
        True: ("✓ ", "good"),
        False: ("✗ ", "bad"),
    }
    (mark, tone), (first, *others) = marks[one.right], one.top
    return ((mark + first.text, tone), *((other.text, "") for other in others), (_last_line(one), ""))


def evenly(total: int, most: int) -> list[int]:
    """Up to `most` rows of `total`, evenly spread over their order."""
    return np.unique(np.linspace(0, total - 1, min(total, most)).round().astype(int)).tolist()


def _last_line(one: Explanation) -> str:
    """What is known of a picture, and the file's name."""
    return " · ".join([*one.known, PurePath(one.id).name])


def _pictures_section(found: ExplainedImages, notes: Sequence[SectionPart]) -> Section:
    predicted = found.predicted
    rows = evenly(len(predicted), _SHOWN)
    drawn = {row: found.drawn(row) for row in rows}
    side = max(96, side_within([*drawn.values()], _PICTURE_BYTES // 2))
    grid = tuple(_picture_row(found, row, drawn[row], side) for row in rows)
    shown = f"All {len(rows):,} pictures."
    if len(rows) < len(predicted):
        shown = (
            f"{len(rows)} of {len(predicted):,} pictures, evenly spread over their order; the overlays of "
            "all lie in overlays/."
        )
    under = "its name" if predicted.right is None else "what it truly is"
    caption = (
        f"{shown} The map is about {_about(predicted)}. Under it the three likeliest classes, under the "
        f"picture {under}."
    )
    return Section(
        "Pictures", (_cards(found), *notes, _key(found), PictureGrid(("picture", "map"), grid, caption))
    )


def _picture_row(found: ExplainedImages, row: int, drawn: NDArray[np.uint8], side: int) -> PictureRow:
    one = found.explanations[row]
    alt = f"{one.id}, read as {_sure(one)}; map of {found.method} for {one.target}"
    # The mark of right or wrong stands once, under the prediction.
    picture = thumbnail(found.predicted.images.images[row], _last_line(one), one.id, side)
    over = thumbnail(drawn, " · ".join(guess.text for guess in one.top), alt, side)
    return PictureRow((picture, dataclasses.replace(over, right=one.right)))


def _sure(one: Explanation) -> str:
    return f"{one.top[0].label} ({confidence_text(one.top[0].probability)})"


def _cards(found: ExplainedImages) -> Cards:
    predicted = found.predicted
    n, seen = len(predicted), int(predicted.seen.sum())
    network = f"{predicted.network}, {predicted.classifier.outputs} classes"
    cards = [Card(f"{n:,}", "pictures", network, "strong")]
    if predicted.right is not None:
        cards.append(
            Card(f"{len(predicted.wrong):,}", "read wrongly", "read, not scored: no accuracy of the run")
        )
    cards.append(
        Card(_pace(found.seconds / n), "a picture", f"{found.method}, {_pace(found.seconds)} in all")
    )
    if seen:
        evidence = "what the run says of these is no evidence of what it can"
        cards.append(Card(f"{seen:,}", "seen in training", evidence))
    layer = f" at the layer {found.target_layer}" if found.target_layer else ""
    about = f"Each map shows what in the picture speaks for {_about(predicted)}, by {found.method}{layer}."
    return Cards(tuple(cards), about)


def _about(predicted: PredictedImages) -> str:
    if predicted.common_target is None:
        return "the class that the picture was read as"
    return f"the class {predicted.classifier.class_names[predicted.common_target]}"


def _key(found: ExplainedImages) -> Figure:
    signed = ("speaks against it", "nothing", "speaks for it")
    caption = "Every map has its own scale: colours compare places in a picture, not pictures."
    if found.blur >= 1:
        caption += (
            f" For the eye the maps are drawn blurred by {found.blur:.1f} pixels; the files in maps/ are as "
            "computed."
        )
    words = signed if found.signed else ("little", "speaks most for it")
    return Figure(colour_key(words, signed=found.signed), caption)


def _wrong_section(result: ExplainResult) -> Section:
    """The wrong predictions, the most confident first, with the map for the true class where there is one."""
    predicted = result.found.predicted
    wrong, n = predicted.wrong, len(predicted)
    if not len(wrong):
        return Section(_WRONG, (), f"None of the {n:,} pictures was read wrongly.")
    rows = [int(row) for row in wrong[:SHOWN_WRONG]]
    lead = f"{len(wrong):,} of {n:,} pictures {'was' if len(wrong) == 1 else 'were'} read wrongly"
    lead += ", the most confident first" * (len(wrong) > 1)
    lead += "." if len(rows) == len(wrong) else f"; {len(rows)} are shown."
    caption = "Left the picture, then what speaks for the class that it was read as"
    caption += ", then what would speak for the true class." if result.other else "."
    parts: list[SectionPart] = [FigureRow(tuple(_wrong_figure(result, row) for row in rows), caption)]
    if seen := int(predicted.seen[rows].sum()):
        parts.append(
            Text(
                f"Seen in training: {seen} of these. What is read wrongly all the same deserves a look at "
                "its label."
            )
        )
    return Section(_WRONG, tuple(parts), lead)


def _wrong_figure(result: ExplainResult, row: int) -> Figure:
    found, predicted = result.found, result.found.predicted
    one, top = found.explanations[row], [guess.text for guess in found.explanations[row].top]
    about = f"{'read:' if predicted.common_target is None else 'for'} {one.target}"
    stages = [
        strip_panel(predicted.images.images[row], "picture", one.known),
        strip_panel(found.drawn(row), about, top),
    ]
    label = predicted.true_label(row)
    if row in result.other and label is not None:
        name = predicted.classifier.class_names[label]
        probability = f"{name} {confidence_text(float(predicted.probs[row, label]))}"
        stages.append(strip_panel(found.drawn(row, result.other[row]), f"true: {name}", [probability]))
    alt = f"{one.id}: {one.truth or 'none'} read as {_sure(one)}"
    share = confidence_text(one.top[0].probability)
    title = f"{one.truth or 'none of the classes'} read as {one.top[0].label}, {share} sure"
    return Figure(strip(stages, alt, width=_HALF, columns=3), PurePath(one.id).name, alt, title)


def _change_section(found: ExplainedImages, change: EnhancerChange) -> Section:
    """Input, output, difference and both maps of some pictures."""
    n = len(found.predicted)
    lead = (
        f"Behind the enhancer {change.changed:,} of {n:,} pictures "
        f"{'has' if change.changed == 1 else 'have'} another first reading."
    )
    if change.gained is not None:
        lead += (
            f" Wrong before, right after: {change.gained:,}; right before, wrong after: {change.lost:,} "
            "(read, not scored)."
        )
    order = "those with another first reading first" if change.changed else "the most confident first"
    caption = (
        f"{len(change.rows)} of {n:,} pictures, {order}. The difference is |output − input|, its contrast "
        "stretched: the number under it is the largest true difference in levels of 255. Before: the "
        "classifier alone."
    )
    figures = (_change_figure(found, change, place) for place in range(len(change.rows)))
    key = Figure(colour_key(("unchanged", "changed most")), caption)
    return Section("What the enhancer changed", (key, *figures), lead)


def _change_figure(found: ExplainedImages, change: EnhancerChange, place: int) -> Figure:
    row = int(change.rows[place])
    image, top, one = found.predicted.images.images[row], change.tops[row], found.explanations[row]
    before, after = (
        [f"{name} {confidence_text(share)}" for name, share in side] for side in (top.before, top.after)
    )
    right_before = None if change.right_before is None else bool(change.right_before[row])
    levels = [f"up to {change.pixels.largest[place]:.0f} of 255", f"mean {change.pixels.mean[place]:.2f}"]
    over = overlay(image, change.before[place], signed=found.signed, blur=found.blur)
    stages = [
        strip_panel(image, "input"),
        strip_panel(change.outputs[place], "output"),
        strip_panel(coloured(change.pixels.maps[place]), "difference", levels),
        strip_panel(over, "map before", before, right_before),
        strip_panel(found.drawn(row), "map after", after, one.right),
    ]
    words = f"{top.before[0][0]} → {top.after[0][0]}" if top.changed else f"{top.after[0][0]}, as before"
    alt = f"{one.id}: {words}; before {', '.join(before)}; after {', '.join(after)}"
    drawing = strip(stages, alt, width=_WIDE, columns=5)
    return Figure(drawing, _moved(change, place), alt, f"{words} · {_last_line(one)}")


def _moved(change: EnhancerChange, place: int) -> str:
    correlation, distance = change.maps.correlation[place], change.maps.distance[place]
    said = f"Rank correlation of both maps {correlation:.2f}"
    if np.isnan(correlation):
        said = "The maps cannot be ranked: one is the same everywhere"
    moved = f"; what speaks for the class moved by {distance:.1f} pixels"
    return f"{said}{'' if np.isnan(distance) else moved}."


def _pace(seconds: float) -> str:
    """A time that may be far below a second: "6 ms", "0.3 s"."""
    if seconds < 5e-4:
        return "< 1 ms"
    return f"{1000 * seconds:.0f} ms" if seconds < 0.0995 else duration(seconds)
