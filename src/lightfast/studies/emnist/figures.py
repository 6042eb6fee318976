"""Figures of the letters study: the paper's 4, 5, 6 and 8, of its final network, then what is compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from lightfast.data.images import ImageSet
from lightfast.evaluate.compare_many import Comparison
from lightfast.explain.attribution import layers_of
from lightfast.explain.features import FeatureMaps, channels_of, feature_maps
from lightfast.pages.classes import MANY_CLASSES, classes_sections
from lightfast.pages.run import curves_figure
from lightfast.report.figures import confusion_figure
from lightfast.report.overlay import mosaic_uri
from lightfast.report.page import Figure, FigureRow, Section, Table
from lightfast.report.statistics import interval_figure, lines_figure
from lightfast.report.strips import colour_key, strip, strip_panel
from lightfast.report.tables import percent, share_cell
from lightfast.studies.emnist.networks import LettersData
from lightfast.studies.rows import Outcome

FINAL = "cnn-4"
"""The row of the network that the paper's figures show."""
PAPER_PREDICTIONS = (20_051, 2_509)
"""The paper's right and wrong predictions (its Figure 6, where they are rounded to 0.88)."""
_TILE, _COLUMNS = 44, 8


def letters_sections(
    comparison: Comparison, dense: Sequence[Outcome], final: Outcome, best: Outcome, data: LettersData
) -> tuple[Section, ...]:
    """All of them: the paper's figures of its `final` network, the intervals, the activations, our `best`."""
    test, name = data.splits.test, data.name
    return (
        _maps_section(final, test, name),
        _final_section(final, data),
        _intervals_section(comparison, name),
        _activations_section(dense, data),
        *(
            dataclasses.replace(section, title=f"{section.title}, {best.row.title}")
            for section in classes_sections(best.predictions, best.evaluation, test)
        ),
    )


def _maps_section(final: Outcome, test: ImageSet, name: str) -> Section:
    """Figure 4: one test picture on its way through the network."""
    given = test.images[:1]
    names = test.class_names
    read = final.predictions
    said = f"read as {names[read.predicted_labels[0]]}, {percent(float(read.confidence[0]), 1)}"
    label = names[test.require_labels()[0]]
    picture = strip([strip_panel(given[0], f"label {label}", [said])], f"the picture: {label}", width=180)
    key = Figure(
        colour_key(("little", "much")),
        "Of every layer up to 16 channels that vary most, each in its own scale.",
    )
    lead = f"What each layer of the paper's final network ({final.row.title}) makes of a picture."
    shown = Figure(picture, f"The first test picture of {name} (n = 1, chosen by its place).")
    parts = (shown, key, *(_layer_row(*layer) for layer in enumerate(layer_maps(final, given), start=1)))
    return Section("Inside the final network (the paper's Figure 4)", parts, lead)


def layer_maps(outcome: Outcome, images: np.ndarray) -> tuple[FeatureMaps, ...]:
    """The maps behind every convolution (with its rectifier and batch norm) of pictures uint8 (N, H, W, C),
    in the order of the layers.
    """
    # Of the layers of one size the last: what goes on into the pool.
    last = {layer.size: layer.name for layer in layers_of(outcome.checkpoint)}
    return feature_maps(outcome.checkpoint, images, list(last.values()))


def pooled_maps(maps: np.ndarray) -> np.ndarray:
    """Float (N, C, h, w) → (N, C, h // 2, w // 2): the largest of each 2 × 2, as the network's max-pool has
    it.
    """
    count, channels, height, width = maps.shape
    even = maps[:, :, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(count, channels, height // 2, 2, width // 2, 2).max(axis=(3, 5))


def _layer_row(number: int, found: FeatureMaps) -> FigureRow | Figure:
    """The maps of one convolution, and of the pool behind it where there is one."""
    height, width = found.maps.shape[2:]
    if height == width == 1:
        # One number a channel: a field of all channels says more than tiles of one colour.
        field = FeatureMaps(found.name, found.maps.reshape(1, 1, _COLUMNS, -1))
        caption = f"Convolution {number}: one number each of {found.maps.shape[1]} channels, as one field."
        return Figure(_drawn(field, 160), caption, caption)
    pool = FeatureMaps(found.name, pooled_maps(found.maps))
    sides = ((f"convolution {number}", found), (f"max-pool {number}", pool))
    figures = tuple(
        Figure(_drawn(maps, _TILE), side.capitalize(), f"{side}: {channels_of(maps).words}")
        for side, maps in sides
    )
    sizes = " → ".join(f"{maps.maps.shape[2]} × {maps.maps.shape[3]}" for _, maps in sides)
    return FigureRow(figures, f"Convolution {number} and its pool, {found.maps.shape[1]} channels: {sizes}.")


def _drawn(found: FeatureMaps, tile: int) -> str:
    return mosaic_uri(channels_of(found).drawn(found.maps[0], _COLUMNS, tile))


def _final_section(final: Outcome, data: LettersData) -> Section:
    """Figures 5, 6 and 8."""
    test, measured = data.splits.test, final.evaluation
    sizes = f"{len(data.splits.train):,} training and {len(data.splits.val):,} validation pictures"
    curves = curves_figure(
        final.checkpoint.history,
        f"Figure 5: {final.row.title} on {sizes} of {data.name}. Noise and dropouts act on training "
        "pictures only.",
    )
    width = 460 if test.num_classes <= MANY_CLASSES else 760
    confusion = Figure(
        confusion_figure(measured.confusion, measured.class_names, width),
        f"Figure 8: {final.row.title}, n = {measured.n:,} test pictures of {data.name}; rows are the given "
        "labels, columns the readings.",
    )
    return Section("The final network (Figures 5, 6 and 8)", (curves, _counts_table(final, data), confusion))


def _counts_table(final: Outcome, data: LettersData) -> Table:
    right = int(final.predictions.correct.sum())
    told, missed = PAPER_PREDICTIONS
    measured = final.evaluation
    stand_in = f"stand-in data ({data.name}); " if data.stand_in else ""
    rows = (
        ("the paper", f"{told:,}", f"{missed:,}", percent(told / (told + missed), 1), ""),
        (
            final.row.title,
            f"{right:,}",
            f"{measured.n - right:,}",
            share_cell(measured.accuracy, measured.accuracy_interval),
            stand_in + final.row.differs,
        ),
    )
    columns = ("final network", "right", "wrong", "accuracy", "differs from the paper")
    notes = ("In brackets: 95 % Wilson interval. The paper prints its accuracy as 0.88.",)
    return Table(columns, rows, "Predictions of the final network (Figure 6)", notes)


def _intervals_section(comparison: Comparison, name: str) -> Section:
    ranked = sorted(comparison.evaluations, key=lambda one: -one.accuracy)
    places = {one.name: place for place, one in enumerate(ranked)}
    groups = [[places[name] for name in group] for group in comparison.groups if len(group) > 1]
    intervals = interval_figure(
        [(one.name, one.accuracy, one.accuracy_interval) for one in ranked], groups=groups
    )
    caption = (
        f"Test accuracy with 95 % intervals, n = {comparison.n:,} pictures of {name}; bars on the right join "
        "classifiers that no corrected test tells apart."
    )
    return Section("Accuracy with intervals", (Figure(intervals, caption),))


def _activations_section(dense: Sequence[Outcome], data: LettersData) -> Section:
    series = {
        one.row.config["activation"]: [
            (float(row["epoch"]), float(row["val_accuracy"]), None) for row in one.checkpoint.history
        ]
        for one in dense
    }
    curves = lines_figure(series, x_label="epoch", y_label="validation accuracy, %")
    caption = f"Dense network, 128 hidden units; n = {len(data.splits.val):,} validation pictures."
    return Section("Activations", (Figure(curves, caption),))
