"""Figures 2, 5 and 6 of the damaged-digits paper: damaged digits, what the autoencoder and ours make of them,
and how both learnt.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import generator
from lightfast.corrupt.suite import corrupt
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import pred_probs
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import restore
from lightfast.report.page import Figure, Picture, PictureRow, Section
from lightfast.report.pictures import picture, picture_grid
from lightfast.report.statistics import lines_figure
from lightfast.report.strips import StripPanel, strip, strip_panel
from lightfast.report.tables import confidence_text
from lightfast.restore.pipeline import Pipeline
from lightfast.studies.mnist_c.networks import PAPER_MIX, SEVERITY_OF, Parts
from lightfast.studies.mnist_c.tables import PAPER_BCE

_A_STRIP, _WIDE, _SIDE = 8, 820, 112
_FRAME = 128


def digits_sections(parts: Parts, pipeline: Pipeline) -> tuple[Section, ...]:
    """The three figures, from test digits and from the histories of the trained parts."""
    return (_examples_section(parts), _restored_section(parts, pipeline), _loss_section(parts, pipeline))


def first_of_each(images: ImageSet) -> NDArray[np.intp]:
    """The first picture of every class that has one, in the order of the classes."""
    labels = images.require_labels()
    return np.array([np.flatnonzero(labels == label)[0] for label in np.unique(labels)], dtype=np.intp)


# ---- Figure 2


def _examples_section(parts: Parts) -> Section:
    """Every kind of damage on a digit of its own, the digit above it."""
    test = parts.splits.test
    rows = np.resize(first_of_each(test), len(SEVERITY_OF))
    panels = [
        _pair_panel(test.take([int(row)]), name, parts.options.seed)
        for row, name in zip(rows, SEVERITY_OF, strict=True)
    ]
    cut = [panels[start : start + _A_STRIP] for start in range(0, len(panels), _A_STRIP)]
    figures = tuple(
        Figure(
            strip(
                some, "Clean and damaged: " + ", ".join(one.heading for one in some), width=_WIDE, columns=8
            ),
            "" if some is not cut[-1] else _EXAMPLES.format(seed=parts.options.seed),
        )
        for some in cut
    )
    lead = "A test digit as it was written, and under it the same digit under each of the 15 kinds of damage."
    return Section("Damaged digits (the paper's Figure 2)", figures, lead)


_EXAMPLES = (
    "Above clean, below damaged at the one severity that MNIST-C has of each kind, made anew by our "
    "generator; "
    "one digit a kind, seed {seed}."
)


def _pair_panel(one: ImageSet, name: str, seed: int) -> StripPanel:
    damaged = corrupt(one, name, SEVERITY_OF[name], seed).images[0]
    # A grey frame: some damages turn the border as white as the page.
    both = np.concatenate([_framed(one.images[0]), _framed(damaged)])
    return strip_panel(both, name.replace("_", " "), side=2 * _SIDE)


def _framed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=_FRAME)


# ---- Figure 5


def _restored_section(parts: Parts, pipeline: Pipeline) -> Section:
    """Ten digits under the paper's two kinds of damage: into the networks and out of them."""
    seed, test = parts.options.seed, parts.splits.test
    clean = test.take(first_of_each(test))
    drawn = np.arange(len(clean)) % len(PAPER_MIX.choices)
    damaged = PAPER_MIX.apply(clean.images, drawn, generator(seed, "figure 5"))
    stages = {
        "in": damaged,
        "paper": restore(parts.autoencoder, damaged),
        "ours": restore(pipeline.restorer, damaged),
        "clean": clean.images,
    }
    shown = [_stage_pictures(parts.classifier, clean, images) for images in stages.values()]
    rows = [
        PictureRow(
            tuple(stage[place] for stage in shown),
            f"{clean.class_names[clean.require_labels()[place]]}: "
            + PAPER_MIX.choices[drawn[place]][0].replace("_", " "),
        )
        for place in range(len(clean))
    ]
    caption = (
        f"{len(clean)} test digits, the first of each class, by turns under {_kinds()}; column “paper”: "
        "its autoencoder; under each how the "
        "frozen reader, which knows clean digits only, reads it. The paper's autoencoder has learnt "
        "these two "
        "kinds, ours all 15; every picture is restored here. The table of the autoencoder has the "
        "figures over "
        f"all test digits; seed {seed}."
    )
    return Section(
        "Into the autoencoder and out of it (Figure 5)",
        (picture_grid(rows, tuple(stages), caption),),
        "What the paper's autoencoder and our restorer make of damaged digits.",
    )


def _kinds() -> str:
    return " and ".join(name.replace("_", " ") for name, _ in PAPER_MIX.choices)


def _stage_pictures(reader: Checkpoint, clean: ImageSet, images: NDArray[np.uint8]) -> list[Picture]:
    """The pictures of one stage with their readings."""
    probs, labels = pred_probs(reader, images), clean.require_labels()
    read = probs.argmax(axis=1)
    return [
        picture(
            images[place],
            f"{clean.class_names[read[place]]}: {confidence_text(float(probs[place].max()))}",
            bool(read[place] == labels[place]),
        )
        for place in range(len(images))
    ]


# ---- Figure 6


def _loss_section(parts: Parts, pipeline: Pipeline) -> Section:
    """The loss of the paper's autoencoder over the epochs beside the paper's, and ours."""
    own, ours = parts.autoencoder, pipeline.restorer
    drawing = lines_figure(
        _losses(own), x_label="epoch", y_label="binary cross-entropy", level=("the paper's last", PAPER_BCE)
    )
    last = own.history[-1]
    caption = (
        f"The paper's autoencoder, {len(own.history)} epochs (the paper: 50) of "
        f"{parts.plan.autoencoder.per_epoch:,} damaged digits; validation on {len(parts.splits.val):,} "
        "others. "
        f"Last losses: training {last['train_loss']:.4f}, validation {last['val_loss']:.4f}; the paper's "
        f"{PAPER_BCE}, of which pictures is not told. One training, seed {parts.options.seed}: no interval."
    )
    other = Figure(
        lines_figure(_losses(ours), x_label="epoch", y_label="loss of our restorer"),
        f"Ours ({ours.model}), {len(ours.history)} epochs of {parts.plan.restorer.per_epoch:,} digits "
        "under all 15 "
        "kinds: pixels and recognition by the frozen reader, a loss that cannot be compared with the one "
        "above.",
    )
    return Section("How they learnt (Figure 6)", (Figure(drawing, caption), other))


def _losses(network: Checkpoint) -> dict[str, list[tuple[float, float, None]]]:
    history = network.history
    return {
        name: [(float(row["epoch"]), float(row[key]), None) for row in history]
        for name, key in (("training", "train_loss"), ("validation", "val_loss"))
        if all(key in row for row in history)
    }
