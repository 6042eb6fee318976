"""Figures of the perturbations study, as its paper has them: what the enhancers change, where the classifier
looks before and after, what its layers see, and how the enhancers learnt.

Which pictures are shown is decided by the predictions alone: of every outcome those with the most confident
reading behind our enhancer, the first in the test set where two are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.data.images import ImageSet
from lightfast.evaluate.predictions import Predictions
from lightfast.explain.attribution import explain
from lightfast.explain.difference import Difference, difference, map_change, top_change
from lightfast.explain.features import FeatureMaps, feature_maps
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.infer import restore
from lightfast.models.load import model_summary
from lightfast.pages.enhance import TRIED, TRIED_COLUMNS, tried_rows
from lightfast.pages.features import channels_of
from lightfast.pages.run import curves_figure
from lightfast.report.overlay import coloured, mosaic_uri, overlay
from lightfast.report.page import Cell, Figure, FigureRow, Folded, Section, Table, Text
from lightfast.report.strips import colour_key, strip, strip_panel
from lightfast.report.tables import MINUS, percent
from lightfast.restore.measure import degraded_images
from lightfast.studies.perturbations.networks import (
    CLEAN_STATE,
    DEGRADED,
    MIX,
    NONE,
    OUR_WAY,
    OURS_CLEAN,
    PAPER_WAY,
    TITLES,
    SubjectResult,
)

Inner = Text | Table | Figure | FigureRow
"""What a page shows open and folded alike."""
OUTCOMES = {
    (False, True): "wrong before, right after",
    (True, False): "right before, wrong after",
    (True, True): "right both times",
    (False, False): "wrong both times",
}
EACH = 2
"""Pictures of every outcome whose maps are shown."""
METHOD, _TOP = "grad-cam", 3
_WIDE, _HALF, _SIDE = 820, 400, 160
_TILE, _COLUMNS = 44, 8
_CHOSEN = "Of every outcome those pictures are shown whose reading behind our enhancer is the most confident."


@dataclass(frozen=True, eq=False)
class View:
    """Test pictures in one state, read without (`before`) and behind our enhancer (`after`)."""

    read: SubjectResult
    state: str
    images: ImageSet
    before: Predictions
    after: Predictions

    @property
    def way(self) -> str:
        """The enhancer of ours that is shown."""
        return self.read.ours(self.state)

    def outcome(self, row: int) -> tuple[bool, bool]:
        """Whether the picture was read rightly (before, after)."""
        return bool(self.before.correct[row]), bool(self.after.correct[row])

    def true(self, row: int) -> str:
        """The name of the given class."""
        return self.after.class_names[self.after.require_labels()[row]]

    def pixels(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """The pictures, uint8 (n, H, W, C)."""
        return np.ascontiguousarray(self.images.images[list(rows)])


def subject_views(read: SubjectResult) -> dict[str, View]:
    """The clean and the degraded test pictures of a subject with their predictions."""
    seed = int(read.enhancers[OUR_WAY].details["seed"])
    pictures = {CLEAN_STATE: read.splits.test, DEGRADED: degraded_images(read.splits.test, MIX, seed)}
    return {
        state: View(
            read, state, images, read.predictions[NONE, state], read.predictions[read.ours(state), state]
        )
        for state, images in pictures.items()
    }


def figure_sections(reads: Sequence[SubjectResult]) -> tuple[Section, ...]:
    """The sections after the tables; of several subjects the first is open, the others fold."""
    views = [subject_views(read) for read in reads]
    return (
        _section(
            "What the enhancers change",
            views,
            _differences,
            "The change that each enhancer makes to a picture: the paper's image differences.",
            _difference_key(),
        ),
        _section(
            "Where it looks, before and after",
            views,
            _maps,
            f"Maps of {METHOD} over the same pictures, before and after our enhancer.",
            _map_key(),
        ),
        _section(
            "What its layers see, before and after",
            views,
            _insides,
            "The first two convolutions and every later stage of the frozen classifier, given a picture and "
            "what our enhancer makes of it.",
            _inside_key(),
        ),
        learnt_section(reads),
    )


def _section(
    title: str,
    views: Sequence[Mapping[str, View]],
    parts: Callable[[Mapping[str, View]], list[Inner]],
    lead: str,
    key: Inner,
) -> Section:
    first, *others = [(found[CLEAN_STATE].read.subject.title, parts(found)) for found in views]
    head = [Text(f"{first[0]}:")] if others else []
    return Section(
        title, (key, *head, *first[1], *(Folded(name, tuple(folded)) for name, folded in others)), lead
    )


def chosen_rows(
    view: View, outcome: tuple[bool, bool], count: int, among: NDArray[np.bool_] | None = None
) -> list[int]:
    """Up to `count` rows of an outcome (within the mask `among`),
    the most confident prediction behind the enhancer first.
    """
    fits = (view.before.correct == outcome[0]) & (view.after.correct == outcome[1])
    order = np.argsort(-view.after.confidence, kind="stable")
    return order[(fits if among is None else fits & among)[order]][:count].tolist()


def counts(view: View) -> str:
    """How many test pictures have each outcome, in words."""
    found = {
        words: int(((view.before.correct == was) & (view.after.correct == now)).sum())
        for (was, now), words in OUTCOMES.items()
    }
    return (
        f"{len(view.after):,} {view.state} test pictures: "
        + "; ".join(f"{n:,} {words}" for words, n in found.items())
        + "."
    )


# ---- what the enhancers change


@dataclass(frozen=True, eq=False)
class _Changed:
    """What one way makes of some pictures, uint8 (n, H, W, C), how it reads them, and the difference."""

    pictures: NDArray[np.uint8]
    predictions: Predictions
    difference: Difference


def _differences(views: Mapping[str, View]) -> list[Inner]:
    clean, degraded = views[CLEAN_STATE], views[DEGRADED]
    rows = [row for outcome in OUTCOMES for row in chosen_rows(clean, outcome, 1)]
    parts: list[Inner] = [*_changes(clean, rows), Text("The same on degraded pictures, one of each damage:")]
    return parts + _changes(degraded, damaged_rows(degraded))


def damaged_rows(view: View) -> list[int]:
    """One picture of every damage: a repaired one; where none was, one that was right both times,
    else wrong both times, else harmed.
    """
    kinds = np.array(view.read.kinds)
    found = []
    for kind in sorted(set(view.read.kinds)):
        fits = [
            row
            for outcome in ((False, True), (True, True), (False, False), (True, False))
            for row in chosen_rows(view, outcome, 1, kinds == kind)
        ]
        found.append(fits[0])
    return found


def _changes(view: View, rows: Sequence[int]) -> list[Inner]:
    if not rows:
        return []
    given = view.pixels(rows)
    ways = [way for way in (view.way, PAPER_WAY) if way in view.read.enhancers]
    made = {}
    for way in ways:
        output = restore(view.read.enhancers[way], given)
        made[way] = _Changed(
            output, view.read.predictions[way, view.state].take(rows), difference(given, output)
        )
    return [
        _change_figure(view, row, {way: (one, place) for way, one in made.items()})
        for place, row in enumerate(rows)
    ]


def _change_figure(view: View, row: int, made: Mapping[str, tuple[_Changed, int]]) -> Figure:
    given = view.images.images[row]
    stages = (
        []
        if view.state == CLEAN_STATE
        else [strip_panel(view.read.splits.test.images[row], "clean", side=_SIDE)]
    )
    stages.append(strip_panel(given, "input", [_first(view.before, row)], view.outcome(row)[0], _SIDE))
    for way, (one, place) in made.items():
        largest, mean = one.difference.largest[place], one.difference.mean[place]
        said = [f"up to {largest:.0f} of 255", f"mean {mean:.1f}"]
        stages += [
            strip_panel(
                one.pictures[place],
                TITLES[way],
                [_first(one.predictions, place)],
                bool(one.predictions.correct[place]),
                _SIDE,
            ),
            strip_panel(coloured(one.difference.maps[place]), "difference", said, side=_SIDE),
        ]
    damage = "" if view.state == CLEAN_STATE else f" · {view.read.kinds[row].replace('_', ' ')}"
    title = f"{view.true(row)} · {OUTCOMES[view.outcome(row)]}{damage}"
    return Figure(strip(stages, title, width=_WIDE), "", title, title)


def _first(predictions: Predictions, row: int) -> str:
    name = predictions.class_names[predictions.predicted_labels[row]]
    return f"{name}: {percent(float(predictions.confidence[row]), 1)}"


def _difference_key() -> Figure:
    return Figure(
        colour_key(("unchanged", "changed most")),
        "|output − input|, its contrast stretched picture by picture: the number under it is the largest "
        "true difference in levels of 255. Green frames are right readings, red ones wrong; “before” and "
        f"“after” in a title are the classifier without and with our enhancer. {_CHOSEN}",
    )


# ---- where it looks


def _maps(views: Mapping[str, View]) -> list[Inner]:
    """One row of figures a state; each map is about the class that was read with it."""
    parts: list[Inner] = []
    for view in views.values():
        rows = [row for outcome in OUTCOMES for row in chosen_rows(view, outcome, EACH)]
        given, read = view.pixels(rows), view.read
        alone = explain(read.classifier, given, method=METHOD, targets=view.before.predicted_labels[rows])
        enhanced = prepend_enhancer(read.enhancers[view.way], read.classifier)
        behind = explain(enhanced, given, method=METHOD, targets=view.after.predicted_labels[rows])
        figures = tuple(
            _map_figure(view, row, (alone.maps[[place]], behind.maps[[place]]))
            for place, row in enumerate(rows)
        )
        parts += [Text(counts(view)), FigureRow(figures)]
    return parts


def _map_figure(view: View, row: int, maps: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Figure:
    """`maps`: without and behind the enhancer, float32 (1, H, W)."""
    image, was = view.images.images[row], view.before.take([row])
    top = top_change(was.pred_probs, view.after.pred_probs[[row]], was.class_names, _TOP)[0]
    before, after = (
        [f"{name}: {percent(share, 1)}" for name, share in side] for side in (top.before, top.after)
    )
    right = view.outcome(row)
    damage = [] if view.state == CLEAN_STATE else [view.read.kinds[row].replace("_", " ")]
    stages = [
        strip_panel(image, "picture", [f"true: {view.true(row)}", *damage], side=_SIDE),
        strip_panel(overlay(image, maps[0][0]), "before", before, right[0], _SIDE),
        strip_panel(overlay(image, maps[1][0]), "after", after, right[1], _SIDE),
    ]
    alike = float(map_change(*maps).correlation[0])
    caption = "" if np.isnan(alike) else f"Rank correlation of both maps {alike:.2f}.".replace("-", MINUS)
    title = f"{OUTCOMES[right].capitalize()}: " + " → ".join(
        dict.fromkeys((top.before[0][0], top.after[0][0]))
    )
    return Figure(strip(stages, title, width=_HALF), caption, title, title)


def _map_key() -> Figure:
    return Figure(
        colour_key(("little", "speaks most for it")),
        "A map is about the class that was read with it, named first under it with the two next. Both are "
        "drawn over the unchanged picture, each in its own scale: colours compare places in a picture, not "
        f"pictures. {_CHOSEN}",
    )


# ---- what its layers see


def _insides(views: Mapping[str, View]) -> list[Inner]:
    found = repaired(views)
    if found is None:
        return [
            Text(
                "No test picture was wrong before and right after our enhancer, clean or degraded: there is "
                "no repair to look into."
            )
        ]
    view, row = found
    given = view.pixels([row])
    made = restore(view.read.enhancers[view.way], given)
    # One colour range for both sides, or the difference between them would be drawn away.
    both = np.concatenate([given, made])
    damage = "" if view.state == CLEAN_STATE else f", {view.read.kinds[row].replace('_', ' ')}"
    stages = [
        strip_panel(given[0], "before", [_first(view.before, row)], False, _SIDE),
        strip_panel(made[0], "after", [_first(view.after, row)], True, _SIDE),
    ]
    title = f"{view.true(row)}, {view.state}{damage}: {OUTCOMES[view.outcome(row)]}"
    picture = Figure(strip(stages, title, width=_HALF), "", title, title)
    return [picture, *(_layer_row(one) for one in feature_maps(view.read.classifier, both))]


def repaired(views: Mapping[str, View]) -> tuple[View, int] | None:
    """The most confident repair: a clean picture where there is one, else a degraded one."""
    for view in views.values():
        rows = chosen_rows(view, (False, True), 1)
        if rows:
            return view, rows[0]
    return None


def _layer_row(found: FeatureMaps) -> FigureRow:
    channels = channels_of(found)
    figures = [
        Figure(mosaic_uri(channels.drawn(maps, _COLUMNS, _TILE)), side, f"{channels.words}, {side}")
        for maps, side in zip(found.maps, ("before", "after"), strict=True)
    ]
    return FigureRow(tuple(figures), channels.words)


def _inside_key() -> Figure:
    return Figure(
        colour_key(("little", "much")),
        "Of every layer the channels that vary most. Each channel has its own scale, the same before and "
        "after: in a channel the same colour is the same value. Shown is the most confident repair, a clean "
        "picture where one was repaired.",
    )


# ---- how the enhancers learnt


def learnt_section(reads: Sequence[SubjectResult]) -> Section:
    """The gate's verdicts, the strengths that were tried, and the curves of our and the paper's training."""
    parts: list[Table | Folded] = [gate_table(reads)]
    parts += [table] if (table := tried_table(reads)).rows else []
    for read in reads:
        shown = {
            way: one
            for way, one in read.enhancers.items()
            if way in (OUR_WAY, OURS_CLEAN, PAPER_WAY) and one.history
        }
        curves = tuple(
            curves_figure(
                one.history,
                f"{model_summary(one)}. Accuracy is that of the frozen classifier on the changed pictures.",
                TITLES[way],
            )
            for way, one in shown.items()
        )
        parts.append(Folded(f"Training curves: {read.subject.title}", curves))
    return Section(
        "How the enhancers learnt",
        tuple(parts),
        "Through the frozen classifier, whose weights and statistics are compared bit by bit before and "
        "after.",
    )


def gate_table(reads: Sequence[SubjectResult]) -> Table:
    """What the gate said of every enhancer, in its own words."""
    rows = tuple(
        (
            read.subject.title,
            TITLES[way],
            Cell("passes" if gate.passed else "refused", tone="good" if gate.passed else "bad"),
            gate.reason,
        )
        for read in reads
        for way, gate in read.gates.items()
    )
    return Table(
        ("frozen classifier", "enhancer", "gate", "why"), rows, "The do-no-harm gate, on validation pictures"
    )


def tried_table(reads: Sequence[SubjectResult]) -> Table:
    """Every λ that was tried, the chosen one marked."""
    rows = tuple(
        (read.subject.title, TITLES[way], *row)
        for read in reads
        for way, enhancer in read.enhancers.items()
        for row in tried_rows(enhancer.details.get("tried", ()), enhancer.details.get("strength"), 1)
    )
    return Table(
        ("frozen classifier", "enhancer", *TRIED_COLUMNS),
        rows,
        TRIED,
        (
            "On validation pictures, damaged as in training. Of several λ the largest is taken whose "
            "cross-entropy lies within one standard error of the smallest: of equally helpful enhancers the "
            "one that changes the picture least.",
        ),
    )
