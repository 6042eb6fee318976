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
from lightfast.explain.difference import difference, grey_differences, map_change, top_change
from lightfast.explain.features import FeatureMaps, channels_of, feature_maps
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.infer import restore
from lightfast.models.load import model_summary
from lightfast.pages.enhance import TRIED, TRIED_COLUMNS, tried_rows
from lightfast.pages.run import curves_figure
from lightfast.report.overlay import coloured, mosaic_uri, overlay
from lightfast.report.page import Cell, Figure, FigureRow, Folded, Section, Table, Text
from lightfast.report.strips import StripPanel, colour_key, strip, strip_panel
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
PICTURES_OF_EACH = 2
"""Pictures of every outcome whose maps are shown."""
METHOD, _TOP = "grad-cam", 3
_STRIP, _HALF, _SIDE = 700, 400, 160
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

    def damage(self, row: int) -> list[str]:
        """The name of the picture's damage; nothing for a clean one."""
        return [] if self.state == CLEAN_STATE else [self.read.kinds[row].replace("_", " ")]

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
    return (*(_section(views, *about) for about in _ABOUT), learnt_section(reads))


def _section(
    views: Sequence[Mapping[str, View]],
    parts: Callable[[Mapping[str, View]], list[Inner]],
    title: str,
    lead: str,
    key: tuple[tuple[str, str], str],
) -> Section:
    first, *others = [(found[CLEAN_STATE].read.subject.title, parts(found)) for found in views]
    head = [Text(f"{first[0]}:")] if others else []
    folds = (Folded(name, tuple(folded)) for name, folded in others)
    return Section(title, (Figure(colour_key(key[0]), key[1]), *head, *first[1], *folds), lead)


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
    before, after = view.before.correct, view.after.correct
    found = "; ".join(
        f"{int(((before == was) & (after == now)).sum()):,} {words}" for (was, now), words in OUTCOMES.items()
    )
    return f"{len(view.after):,} {view.state} test pictures: {found}."


# ---- what the enhancers change


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
    order = ((False, True), (True, True), (False, False), (True, False))
    return [
        next(row for outcome in order for row in chosen_rows(view, outcome, 1, kinds == kind))
        for kind in sorted(set(view.read.kinds))
    ]


def _changes(view: View, rows: Sequence[int]) -> list[Inner]:
    """What our enhancer and the paper's make of some pictures, how each is read then, and the difference; in
    the order of the paper's Figure 4.1, one strip an enhancer.
    """
    parts: dict[tuple[int, str], Inner] = {}
    given = view.pixels(rows)
    ways = [way for way in (view.way, PAPER_WAY) if way in view.read.enhancers]
    for way in ways if rows else ():
        output = restore(view.read.enhancers[way], given)
        change, (grey, factors) = difference(given, output), grey_differences(given, output)
        for place, row in enumerate(rows):
            said = [f"up to {change.largest[place]:.0f} of 255", f"mean {change.mean[place]:.1f}"]
            stages = [
                *([] if view.state == CLEAN_STATE else [_clean_panel(view.read, row)]),
                _panel(given[place], "input", view.before, row),
                _panel(output[place], TITLES[way], view.read.predictions[way, view.state], row),
                strip_panel(grey[place], "|output − input|", [f"grey levels × {factors[place]}"], side=_SIDE),
                strip_panel(coloured(change.maps[place]), "as a heatmap", said, side=_SIDE),
            ]
            outcome = [OUTCOMES[view.outcome(row)]] * (way == view.way)
            words = [view.true(row), *outcome, *view.damage(row), TITLES[way]]
            parts[row, way] = _titled(stages, " · ".join(words), _STRIP)
    return [parts[row, way] for row in rows for way in ways]


def _clean_panel(read: SubjectResult, row: int) -> StripPanel:
    return strip_panel(read.splits.test.images[row], "clean", side=_SIDE)


def _panel(image: NDArray[np.uint8], heading: str, predictions: Predictions, row: int) -> StripPanel:
    """A picture with its reading under it, framed by whether that is right."""
    name = predictions.class_names[predictions.predicted_labels[row]]
    said = f"{name}: {percent(float(predictions.confidence[row]), 1)}"
    return strip_panel(image, heading, [said], bool(predictions.correct[row]), _SIDE)


def _titled(panels: Sequence[StripPanel], title: str, width: int, caption: str = "") -> Figure:
    return Figure(strip(panels, title, width=width), caption, title, title)


# ---- where it looks


def _maps(views: Mapping[str, View]) -> list[Inner]:
    """One row of figures a state; each map is about the class that was read with it."""
    parts: list[Inner] = []
    for view in views.values():
        rows = [row for outcome in OUTCOMES for row in chosen_rows(view, outcome, PICTURES_OF_EACH)]
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
    stages = [
        strip_panel(image, "picture", [f"true: {view.true(row)}", *view.damage(row)], side=_SIDE),
        strip_panel(overlay(image, maps[0][0]), "before", before, right[0], _SIDE),
        strip_panel(overlay(image, maps[1][0]), "after", after, right[1], _SIDE),
    ]
    alike = float(map_change(*maps).correlation[0])
    caption = "" if np.isnan(alike) else f"Rank correlation of both maps {alike:.2f}.".replace("-", MINUS)
    title = f"{OUTCOMES[right].capitalize()}: " + " → ".join(
        dict.fromkeys((top.before[0][0], top.after[0][0]))
    )
    return _titled(stages, title, _HALF, caption)


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
    stages = [_panel(given[0], "before", view.before, row), _panel(made[0], "after", view.after, row)]
    state = ", ".join([view.state, *view.damage(row)])
    picture = _titled(stages, f"{view.true(row)}, {state}: {OUTCOMES[view.outcome(row)]}", _HALF)
    return [picture, *(_layer_row(one) for one in feature_maps(view.read.classifier, both))]


def repaired(views: Mapping[str, View]) -> tuple[View, int] | None:
    """The most confident repair: a clean picture where there is one, else a degraded one."""
    found = ((view, row) for view in views.values() for row in chosen_rows(view, (False, True), 1))
    return next(found, None)


def _layer_row(found: FeatureMaps) -> FigureRow:
    channels = channels_of(found)
    figures = [
        Figure(mosaic_uri(channels.drawn(maps, _COLUMNS, _TILE)), side, f"{channels.words}, {side}")
        for maps, side in zip(found.maps, ("before", "after"), strict=True)
    ]
    return FigureRow(tuple(figures), channels.words)


_ABOUT = (
    (
        _differences,
        "What the enhancers change",
        "The change that each enhancer makes to a picture: the paper's image differences.",
        (
            ("unchanged", "changed most"),
            "|output − input|: in grey the mean over the channels, its levels multiplied by the factor under "
            "it; coloured the largest channel, its contrast stretched picture by picture: the number "
            "under it "
            "is the largest true difference in levels of 255. Green frames are right readings, red ones "
            "wrong; “before” and "
            f"“after” in a title are the classifier without and with our enhancer. {_CHOSEN}",
        ),
    ),
    (
        _maps,
        "Where it looks, before and after",
        f"Maps of {METHOD} over the same pictures, before and after our enhancer.",
        (
            ("little", "speaks most for it"),
            "A map is about the class that was read with it, named first under it with the two next. Both "
            "are drawn over the unchanged picture, each in its own scale: colours compare places in a "
            f"picture, not pictures. {_CHOSEN}",
        ),
    ),
    (
        _insides,
        "What its layers see, before and after",
        "The first two convolutions and every later stage of the frozen classifier, given a picture and what "
        "our enhancer makes of it.",
        (
            ("little", "much"),
            "Of every layer the channels that vary most. Each channel has its own scale, the same before and "
            "after: in a channel the same colour is the same value. Shown is the most confident repair, a "
            "clean picture where one was repaired.",
        ),
    ),
)


# ---- how the enhancers learnt


def learnt_section(reads: Sequence[SubjectResult]) -> Section:
    """The gate's verdicts, the strengths that were tried, and the curves of our and the paper's training."""
    parts: list[Table | Folded] = [gate_table(reads)]
    parts += [table] if (table := tried_table(reads)).rows else []
    for read in reads:
        curves = tuple(
            curves_figure(
                one.history,
                f"{model_summary(one)}. Accuracy is that of the frozen classifier on the changed pictures.",
                TITLES[way],
            )
            for way, one in read.enhancers.items()
            if way in (OUR_WAY, OURS_CLEAN, PAPER_WAY) and one.history
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
