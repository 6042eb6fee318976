"""The page of explanations: the pictures with their maps, where it looked when it was wrong,
and whether the maps can be believed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.explain.attribution import explainers
from lightfast.explain.enhancer_change import EnhancerChange
from lightfast.explain.faithfulness import Faithfulness
from lightfast.explain.pictures import ExplainedImages, PredictedImages
from lightfast.explain.randomisation import Randomisation
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import split_enhanced
from lightfast.models.enhanced_network import MODEL as ENHANCED
from lightfast.pages.figures_faithfulness import faithfulness_curves
from lightfast.report.contact_sheet import SheetCell, write_contact_sheet
from lightfast.report.noted import noted_dicts
from lightfast.report.overlay import coloured, overlay, rgb
from lightfast.report.page import (
    Card,
    Cards,
    Cell,
    Figure,
    FigureRow,
    PictureGrid,
    PictureRow,
    Section,
    SectionPart,
    Table,
    Text,
    Tone,
    write_page,
)
from lightfast.report.strips import colour_key, strip, strip_panel
from lightfast.report.tables import MINUS, MISSING, confidence_text, duration
from lightfast.report.thumbnails import side_within, thumbnail

_SHOWN, SHOWN_WRONG = 24, 16
"""Pictures of the contact sheet, and wrong predictions of the page; of all others there are files."""
ON_SHEET = 48
_PICTURE_BYTES = 900_000
_WIDE, _HALF = 820, 400
_SEEN = "seen in training"


@dataclass(frozen=True, eq=False)
class ExplanationChecks:
    """Whether the explanation is any good."""

    faithfulness: Faithfulness
    randomisation: Randomisation

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"faithfulness": self.faithfulness.as_json(), "randomisation": self.randomisation.as_json()}


@dataclass(frozen=True, eq=False)
class ExplainReport:
    """All that the page shows; `other`: row → map for the true class of a wrong prediction, float32 (H,
    W).
    """

    found: ExplainedImages
    checked: ExplanationChecks | None
    other: Mapping[int, NDArray[np.float32]]
    change: EnhancerChange | None


def write_explain_page(
    path: Path,
    shown: ExplainReport,
    facts: Mapping[str, Any],
    notes: Sequence[str],
    unreadable: Sequence[Mapping[str, str]],
) -> Path:
    """Write the report; `notes` and `unreadable` as in `run_page.noted`."""
    found = shown.found
    predicted, entry = found.predicted, explainers().get(found.method)
    sections = [_pictures_section(found, noted_dicts(notes, unreadable))]
    if predicted.labelled:
        sections.append(_wrong_section(shown))
    if shown.change is not None:
        sections.append(_change_section(found, shown.change))
    sections.append(_checked_section(shown.checked, found.method))
    title = f"Why {model_name(predicted.classifier)} reads {predicted.images.name.split('/')[0]} as it does"
    pictures = "picture" if len(predicted) == 1 else "pictures"
    subtitle = (
        f"{len(predicted):,} {pictures} explained by {found.method}: "
        f"{entry.summary.rstrip('.')}{_of_source(entry.source)}."
    )
    return write_page(path, title, subtitle, sections, facts)


def write_explain_sheet(path: Path, found: ExplainedImages) -> Path:
    """contact-sheet.png: picture, map, reading and true label of up to ON_SHEET pictures."""
    predicted = found.predicted
    images, rows = predicted.images.images, evenly(len(predicted), ON_SHEET)
    cells = [SheetCell((rgb(images[row]), found.drawn(row)), _sheet_lines(predicted, row)) for row in rows]
    layer = f", layer {found.target_layer}" if found.target_layer else ""
    some = "" if len(cells) == len(predicted) else f", {len(cells)} of {len(predicted):,} pictures"
    return write_contact_sheet(
        path,
        cells,
        f"{found.method}{layer}: {model_name(predicted.classifier)} on {predicted.images.name}{some}",
    )


def _sheet_lines(predicted: PredictedImages, row: int) -> tuple[tuple[str, Tone], ...]:
    right = None if predicted.right is None else bool(predicted.right[row])
    first: tuple[str, Tone] = (
        first_line(predicted, row),
        "strong" if right is None else "good" if right else "bad",
    )
    others: list[tuple[str, Tone]] = [
        (f"{name} {confidence_text(share)}", "") for name, share in predicted.top(row)[1:]
    ]
    return (first, *others, (last_line(predicted, row), ""))


def model_name(classifier: Checkpoint) -> str:
    """The model by name; behind an enhancer that of the classifier there."""
    return (
        f"{split_enhanced(classifier)[1].model} behind an enhancer"
        if classifier.model == ENHANCED
        else classifier.model
    )


def evenly(total: int, most: int) -> list[int]:
    """Up to `most` rows of `total`, evenly spread over their order."""
    return (
        list(range(total))
        if total <= most
        else np.unique(np.linspace(0, total - 1, most).round().astype(int)).tolist()
    )


def first_line(predicted: PredictedImages, row: int) -> str:
    """The reading with its probability."""
    name, share = predicted.top(row)[0]
    mark = {None: "", True: "✓ ", False: "✗ "}[
        None if predicted.right is None else bool(predicted.right[row])
    ]
    return f"{mark}{name} {confidence_text(share)}"


def last_line(predicted: PredictedImages, row: int) -> str:
    """The true label where it is known, the file's name, and whether the run had seen it."""
    known = predicted.true_names(row)
    said = [] if known is None else [f"true: {', '.join(known) or 'none'}"]
    return " · ".join(
        [*said, *([_SEEN] if predicted.seen[row] else []), PurePath(predicted.images.ids[row]).name]
    )


def _pictures_section(found: ExplainedImages, notes: Sequence[SectionPart]) -> Section:
    predicted = found.predicted
    rows = evenly(len(predicted), _SHOWN)
    drawn = {row: found.drawn(row) for row in rows}
    side = max(96, side_within([*drawn.values()], _PICTURE_BYTES // 2))
    grid = tuple(_picture_row(found, row, drawn[row], side) for row in rows)
    shown = (
        f"All {len(rows):,} pictures."
        if len(rows) == len(predicted)
        else (
            f"{len(rows)} of {len(predicted):,} pictures, evenly spread over their order; the "
            "overlays of all "
            "lie in overlays/."
        )
    )
    caption = (
        f"{shown} The map is about {_about(predicted)}. Under it the three likeliest classes, under the "
        "picture what it truly is."
    )
    if not predicted.labelled:
        caption = caption.replace("under the picture what it truly is", "under the picture its name")
    return Section(
        "Pictures", (_cards(found), *notes, _key(found), PictureGrid(("picture", "map"), grid, caption))
    )


def _picture_row(found: ExplainedImages, row: int, drawn: NDArray[np.uint8], side: int) -> PictureRow:
    predicted = found.predicted
    name, share = predicted.top(row)[0]
    right = None if predicted.right is None else bool(predicted.right[row])
    top = " · ".join(f"{label} {confidence_text(prob)}" for label, prob in predicted.top(row))
    alt = (
        f"{predicted.images.ids[row]}, read as {name} ({confidence_text(share)}); map of {found.method} for "
        f"{_target_name(predicted, row)}"
    )
    # The mark of right or wrong stands once, under the prediction.
    picture = thumbnail(
        predicted.images.images[row], last_line(predicted, row), predicted.images.ids[row], side
    )
    over = thumbnail(drawn, top, alt, side)
    return PictureRow((picture, dataclasses.replace(over, right=right)))


def _cards(found: ExplainedImages) -> Cards:
    predicted = found.predicted
    cards = [
        Card(
            f"{len(predicted):,}",
            "pictures",
            f"{model_name(predicted.classifier)}, {predicted.classifier.outputs} classes",
            "strong",
        )
    ]
    if predicted.labelled:
        cards.append(
            Card(f"{len(predicted.wrong):,}", "read wrongly", "read, not scored: no accuracy of the run")
        )
    cards.append(
        Card(
            _pace(found.seconds / len(predicted)),
            "a picture",
            f"{found.method}, {_pace(found.seconds)} in all",
        )
    )
    if predicted.seen.any():
        cards.append(
            Card(
                f"{int(predicted.seen.sum()):,}",
                _SEEN,
                "what the run says of these is no evidence of what it can",
            )
        )
    layer = f" at the layer {found.target_layer}" if found.target_layer else ""
    return Cards(
        tuple(cards),
        f"Each map shows what in the picture speaks for {_about(predicted)}, by {found.method}{layer}.",
    )


def _about(predicted: PredictedImages) -> str:
    if predicted.common_target is None:
        return "the class that the picture was read as"
    return f"the class {predicted.classifier.class_names[predicted.common_target]}"


def _key(found: ExplainedImages) -> Figure:
    words = (
        ("speaks against it", "nothing", "speaks for it")
        if found.signed
        else ("little", "speaks most for it")
    )
    caption = "Every map has its own scale: colours compare places in a picture, not pictures."
    if found.blur >= 1:
        caption += (
            f" For the eye the maps are drawn blurred by {found.blur:.1f} pixels; the files in maps/ are as "
            "computed."
        )
    return Figure(colour_key(words, signed=found.signed), caption)


def _target_name(predicted: PredictedImages, row: int) -> str:
    return predicted.classifier.class_names[predicted.targets[row]]


def _wrong_section(shown: ExplainReport) -> Section:
    """The wrong predictions, the most confident first, with the map for the true class where there is one."""
    predicted = shown.found.predicted
    wrong = predicted.wrong
    if not len(wrong):
        return Section(
            "Where it looked when it was wrong",
            (),
            f"None of the {len(predicted):,} pictures was read wrongly.",
        )
    rows = [int(row) for row in wrong[:SHOWN_WRONG]]
    figures = tuple(_wrong_figure(shown, row) for row in rows)
    count = (
        f"{len(wrong):,} of {len(predicted):,} pictures {'was' if len(wrong) == 1 else 'were'} read wrongly"
    )
    order = ", the most confident first" if len(wrong) > 1 else ""
    lead = count + order + ("." if len(rows) == len(wrong) else f"; {len(rows)} are shown.")
    caption = "Left the picture, then what speaks for the class that it was read as"
    caption += ", then what would speak for the true class." if shown.other else "."
    return Section(
        "Where it looked when it was wrong", (FigureRow(figures, caption), *_all_seen(predicted, rows)), lead
    )


def _all_seen(predicted: PredictedImages, rows: Sequence[int]) -> tuple[SectionPart, ...]:
    seen = int(predicted.seen[list(rows)].sum())
    return (
        (
            Text(
                f"Seen in training: {seen} of these. What is read wrongly all the same deserves a look at "
                "its label."
            ),
        )
        if seen
        else ()
    )


def _wrong_figure(shown: ExplainReport, row: int) -> Figure:
    found, predicted = shown.found, shown.found.predicted
    true = predicted.true_names(row) or ()
    about = _target_name(predicted, row)
    under = [f"true: {', '.join(true) or 'none'}", *([_SEEN] if predicted.seen[row] else [])]
    stages = [
        strip_panel(predicted.images.images[row], "picture", under),
        strip_panel(
            found.drawn(row),
            f"read: {about}" if predicted.common_target is None else f"for {about}",
            _top_lines(predicted, row),
        ),
    ]
    if row in shown.other:
        label = predicted.true_label(row)
        name = predicted.classifier.class_names[label] if label is not None else ""
        probability = f"{name} {confidence_text(float(predicted.probs[row, label]))}"
        stages.append(strip_panel(found.drawn(row, shown.other[row]), f"true: {name}", [probability]))
    read, share = predicted.top(row)[0]
    alt = (
        f"{predicted.images.ids[row]}: {', '.join(true) or 'none'} read as {read} ({confidence_text(share)})"
    )
    return Figure(
        strip(stages, alt, width=_HALF, columns=3),
        PurePath(predicted.images.ids[row]).name,
        alt,
        f"{', '.join(true) or 'none of the classes'} read as {read}, {confidence_text(share)} sure",
    )


def _top_lines(predicted: PredictedImages, row: int) -> list[str]:
    return [f"{name} {confidence_text(share)}" for name, share in predicted.top(row)]


def _change_section(found: ExplainedImages, change: EnhancerChange) -> Section:
    """Input, output, difference and both maps of some pictures."""
    n = len(found.predicted)
    lead = (
        f"Behind the enhancer {change.changed:,} of {n:,} pictures "
        f"{'has' if change.changed == 1 else 'have'} another first reading."
    )
    if change.gained_lost is not None:
        gained, lost = change.gained_lost
        lead += (
            f" Wrong before, right after: {gained:,}; right before, wrong after: {lost:,} (read, not scored)."
        )
    order = "those with another first reading first" if change.changed else "the most confident first"
    caption = (
        f"{len(change.rows)} of {n:,} pictures, {order}. The difference is |output − input|, its contrast "
        "stretched: the number under it is the largest true difference in levels of 255. Before: the "
        "classifier alone."
    )
    figures = tuple(_change_figure(found, change, place) for place in range(len(change.rows)))
    key = Figure(colour_key(("unchanged", "changed most")), caption)
    return Section("What the enhancer changed", (key, *figures), lead)


def _change_figure(found: ExplainedImages, change: EnhancerChange, place: int) -> Figure:
    predicted, row = found.predicted, int(change.rows[place])
    image, top = predicted.images.images[row], change.tops[row]
    before, after = (
        [f"{name} {confidence_text(share)}" for name, share in side] for side in (top.before, top.after)
    )
    right = [None if side is None else bool(side[row]) for side in (change.right_before, change.right_after)]
    heat = coloured(change.pixels.maps[place])
    stages = [
        strip_panel(image, "input"),
        strip_panel(change.outputs[place], "output"),
        strip_panel(
            heat,
            "difference",
            [f"up to {change.pixels.largest[place]:.0f} of 255", f"mean {change.pixels.mean[place]:.2f}"],
        ),
    ]
    over = overlay(image, change.before[place], signed=found.signed, blur=found.blur)
    stages += [
        strip_panel(over, "map before", before, right[0]),
        strip_panel(found.drawn(row), "map after", after, right[1]),
    ]
    words = f"{top.before[0][0]} → {top.after[0][0]}" if top.changed else f"{top.after[0][0]}, as before"
    alt = f"{predicted.images.ids[row]}: {words}; before {', '.join(before)}; after {', '.join(after)}"
    return Figure(
        strip(stages, alt, width=_WIDE, columns=5),
        _moved(change, place),
        alt,
        f"{words} · {last_line(predicted, row)}",
    )


def _moved(change: EnhancerChange, place: int) -> str:
    correlation, distance = change.maps.correlation[place], change.maps.distance[place]
    ranked = f"Rank correlation of both maps {correlation:.2f}"
    said = "The maps cannot be ranked: one is the same everywhere" if np.isnan(correlation) else ranked
    return said + (
        "." if np.isnan(distance) else f"; what speaks for the class moved by {distance:.1f} pixels."
    )


def _checked_section(checked: ExplanationChecks | None, method: str) -> Section:
    title = "Is the explanation any good?"
    if checked is None:
        return Section(
            title,
            (
                Text(
                    "This was not checked. A map that looks plausible may still say nothing about the "
                    "network."
                ),
            ),
        )
    curves, weights = checked.faithfulness, checked.randomisation
    sides = {"deletion": curves.deletion, "insertion": curves.insertion}
    panels = {
        name: {
            "mean": one.mean,
            "random_mean": one.random_mean,
            "area": one.area,
            "random_area": one.random_area,
        }
        for name, one in sides.items()
    }
    figure = Figure(
        faithfulness_curves(curves.shares, panels),
        f"Mean probability of the explained class over n = {curves.n} pictures, {curves.steps} steps "
        "(Petsiuk et al. 2018); pixels are taken away by a strong blur. The random order has the grain of "
        f"the map. Seed {curves.seed}.",
    )
    rows = tuple(
        (
            name,
            _area(one.area, one.interval),
            _area(one.random_area, one.random_interval),
            Cell(
                one.verdict,
                tone="good" if one.gain_interval.low > 0 else "bad" if one.gain_interval.high < 0 else "",
            ),
        )
        for name, one in sides.items()
    )
    table = Table(
        ("curve", "area, map", "area, random order", "verdict"),
        rows,
        f"Areas under the curves, n = {curves.n} pictures",
        ("Small print: 95 % bootstrap intervals over pictures. The verdict goes by the paired difference.",),
    )
    lead = (
        f"Deletion: {curves.deletion.verdict}. Insertion: {curves.insertion.verdict}. Weights drawn anew: "
        f"{weights.verdict}."
    )
    return Section(title, (figure, table, *_weights_parts(weights, method)), lead)


def _weights_parts(weights: Randomisation, method: str) -> tuple[SectionPart, ...]:
    if not weights.rows:
        return (
            Text(f"The weight-randomisation check of {method} could not run: {weights.reason}.", note=True),
        )
    rows = tuple(
        (
            row.part,
            f"{row.modules:,}",
            _signed_cell(row.correlation, row.interval),
            f"{row.flat:,}" if row.flat else MISSING,
        )
        for row in weights.rows
    )
    notes = (
        f"Spearman rank correlation ({weights.ranked}s of the maps) with the maps of the trained network, "
        "mean and 95 % bootstrap interval; near 1 the maps would be the same without anything learned, and "
        "show the picture rather than the reasons (Adebayo et al. 2018).",
    )
    return (
        Table(
            ("weights drawn anew", "modules", "likeness of the maps", "flat maps"),
            rows,
            f"Weight randomisation, n = {weights.n} pictures: {weights.verdict}",
            notes,
        ),
    )


def _area(area: float, interval: Sequence[float]) -> Cell:
    low, high = interval
    return Cell(f"{area:.3f}", f"{low:.3f}–{high:.3f}")


def _signed_cell(value: float, interval: Sequence[float]) -> Cell:
    text, low, high = (f"{one:.2f}".replace("-", MINUS) for one in (value, *interval))
    return Cell(text, f"{low} to {high}")


def _of_source(source: str) -> str:
    return f" ({source.strip().rstrip('.')})" if source.strip() else ""


def _pace(seconds: float) -> str:
    """A time that may be far below a second: "6 ms", "0.3 s"."""
    return (
        f"{1000 * seconds:.0f} ms"
        if 5e-4 <= seconds < 0.0995
        else "< 1 ms"
        if seconds < 5e-4
        else duration(seconds)
    )
