"""What the Quick, Draw! study trains and on what: its drawings, or what stands in for them,
and the points of its sweeps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lightfast.base.errors import DataError
from lightfast.base.parallel import usable_cores
from lightfast.base.randomness import generator
from lightfast.data.catalogue.known_sets import QUICKDRAW_CATEGORIES
from lightfast.data.dataset import concatenate
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits, split_off
from lightfast.experiments.sweep import PointResult, SweepPoint, keep_classes, run_points
from lightfast.models.classifiers import VIEWS
from lightfast.pages.sweep import REMEDY
from lightfast.studies.registry import Scale, StudyOptions
from lightfast.studies.rows import ModelRow
from lightfast.train.fit import ClassifierPlan
from lightfast.train.recipe import Recipe

DRAWINGS = "quickdraw"
_EMBEDDED = "mnist-5k"
A_CLASS: Mapping[Scale, int] = {"quick": 60, "paper": 3_000}
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.05
MAJORITY, MINORITY = "rainbow", "airplane"

# Adam and ten epochs as the paper tells; what it does not tell as Keras has it: batches of 32, step size
# 0.001, no decay, no clipping, the weights of the last epoch.
_AS_PUBLISHED = Recipe.of(
    epochs=10, batch_size=32, learning_rate=1e-3, schedule="constant", weight_decay=0.0, clip=1e9, keep="last"
)
PAPER_CATEGORIES = (
    "fish",
    "fork",
    "hot dog",
    "flamingo",
    "airplane",
    "alarm clock",
    "baseball bat",
    "bicycle",
    "dolphin",
    "elephant",
)
SHARED_CATEGORIES = tuple(name for name in QUICKDRAW_CATEGORIES if name in PAPER_CATEGORIES)
_DIFFERS = (
    "3,000 drawings a class (paper: 10,000); "
    f"{len(SHARED_CATEGORIES)} of its ten categories; 5 % of the training pictures set aside for "
    "temperature and curves; not told, Keras's defaults here: batch 32, step size 0.001; weights begin as "
    "torch draws them"
)
PAPER_GRID = "3–10 classes, 7,000–20,000 rows a class"
# A drawing keeps its class when it is mirrored, turned and moved.
_OURS = Recipe.of(
    epochs=24,
    batch_size=128,
    learning_rate=5e-3,
    weight_decay=0.05,
    label_smoothing=0.05,
    averaging=0.998,
    augment="mirror-affine",
)
SWEEP_MODEL = "drawing-cnn-1"
QUICK_EPOCHS = 2

DRAWING_ROWS = (
    *(
        ModelRow(part, f"the paper's {title}", part, _AS_PUBLISHED, differs=_DIFFERS)
        for part, title in (("drawing-fc", "FC"), ("drawing-cnn-1", "CNN 1"), ("drawing-cnn-2", "CNN 2"))
    ),
    ModelRow(
        "ours",
        "ours (resnet9, 16 wide)",
        "resnet9-small",
        _OURS,
        differs="not in the paper: 24 epochs, augmentation, smoothed labels, averaged weights and views",
        views=VIEWS,
    ),
)


@dataclass(frozen=True)
class Grid:
    """The sizes of the sweeps at one scale; `epochs` of H3, of H4, of H5 and H6."""

    sizes: Sequence[int]
    majority: int
    minorities: Sequence[int]
    fresh: int
    remedied: Sequence[int]
    classes: Sequence[int]
    rows: Sequence[int]
    repeats: tuple[int, int, int]
    epochs: tuple[int, int, int]

    @property
    def span(self) -> str:
        """The grid of H5 and H6 in words."""
        classes, rows = self.classes, self.rows
        return f"{classes[0]}–{classes[-1]} classes, {rows[0]:,}–{rows[-1]:,} rows a class"


GRIDS: Mapping[Scale, Grid] = {
    "quick": Grid((40, 120, 240, 480), 120, (12, 120), 30, (12,), (3, 5), (20, 40), (1, 1, 2), (2, 1, 1)),
    "paper": Grid(
        (500, 1_000, 3_000, 5_000, 7_000, 10_000, 24_000),
        7_500,
        (15, 150, 750, 1_500, 3_750, 7_500),
        1_500,
        (15, 150, 750),
        tuple(range(3, 11)),
        (500, 1_400, 2_400),
        (3, 3, 1),
        (10, 6, 4),
    ),
}


@dataclass(frozen=True, eq=False)
class DrawingsData:
    """The study's drawings: ten classes cut 80/20, and the pair of the imbalance study (train pictures,
    fresh test pictures).
    """

    splits: Splits
    pair: tuple[ImageSet, ImageSet]
    pair_names: tuple[str, str]
    stand_in: bool
    notes: tuple[str, ...]

    @property
    def fitted(self) -> ImageSet:
        """The whole 80 %: what the sweeps cut from."""
        return concatenate([self.splits.train, self.splits.val])


def drawings_data(options: StudyOptions) -> DrawingsData:
    """Google's bitmaps where they are at hand; at scale "quick" without them the embedded digits stand in.

    Raises DataError when, at scale "paper", they are not at hand.
    """
    pair = f"{DRAWINGS}:{MAJORITY},{MINORITY}"
    here = options.has(DRAWINGS) and options.has(pair)
    if not here and options.scale == "paper":
        raise DataError(
            f"study quickdraw: the drawings of {DRAWINGS} and {pair} are not in {options.data_root}",
            cure=f"Run: lightfast data fetch {DRAWINGS}, then lightfast data fetch {pair}.",
        )
    images = options.pictures(DRAWINGS if here else _EMBEDDED).data.train
    two = options.pictures(pair).data.train if here else keep_classes(images, (0, 1))
    chosen = _a_class(images, A_CLASS[options.scale], options.seed)
    fitted, test = split_off(chosen, TEST_SHARE, options.seed, ("train", "test"))
    train, val = split_off(fitted, VALIDATION_SHARE, options.seed)
    rest, fresh = _fresh(two, GRIDS[options.scale].fresh, options.seed)
    names = (MAJORITY, MINORITY) if here else (two.class_names[0], two.class_names[1])
    said = (
        f"Data: {', '.join(QUICKDRAW_CATEGORIES)} of Quick, Draw!, {A_CLASS[options.scale]:,} drawings each "
        "(the paper: 10,000 each of ten categories, of which these are the same: "
        f"{', '.join(SHARED_CATEGORIES)})."
        if here
        else f"Stand-in data, not drawings, which are not in the data folder: {_EMBEDDED}."
    )
    counts = (
        f"{len(fitted):,} pictures to learn from, {len(test):,} held out; the imbalance pair is {names[0]} "
        f"(majority) and {names[1]}, {len(fresh):,} fresh test pictures. Seed {options.seed}."
    )
    return DrawingsData(Splits(train, val, test), (rest, fresh), names, not here, (said, counts))


def h3_points(grid: Grid) -> list[SweepPoint]:
    """Training pictures in all, each with repeats."""
    return [
        SweepPoint(train_size=size, repeat=repeat) for repeat in range(grid.repeats[0]) for size in grid.sizes
    ]


def h4_points(grid: Grid, minority: str) -> list[SweepPoint]:
    """Pictures of the minority, without a remedy and, for the most uneven, with each."""
    return [
        SweepPoint(minority=(minority, count), balance=balance, repeat=repeat)
        for repeat in range(grid.repeats[1])
        for balance in REMEDY
        for count in grid.minorities
        if balance == "none" or count in grid.remedied
    ]


def h5_points(grid: Grid) -> list[SweepPoint]:
    """Classes × rows a class."""
    return [
        SweepPoint(classes=classes, rows=rows, repeat=repeat)
        for repeat in range(grid.repeats[2])
        for classes in grid.classes
        for rows in grid.rows
    ]


def sweep_results(
    options: StudyOptions,
    name: str,
    points: Sequence[SweepPoint],
    pictures: tuple[ImageSet, ImageSet],
    epochs: int,
) -> list[PointResult]:
    """The points of one sweep, kept in `options.out`/sweeps/published/`name`."""
    plan = ClassifierPlan(SWEEP_MODEL, _AS_PUBLISHED.updated([f"epochs={epochs}"]))
    # Few points are not worth starting processes for.
    jobs = 1 if options.scale == "quick" else usable_cores()
    # Points are found again by the model's name: folders of their own keep those of the earlier CNN 1 apart.
    return run_points(points, pictures, plan, options.training("sweeps", "published", name), jobs=jobs)


def majority_cut(data: DrawingsData, grid: Grid) -> ImageSet:
    """The training pictures of the pair, the majority cut to its number."""
    images, majority = data.pair[0], data.pair[0].class_names.index(data.pair_names[0])
    labels = images.require_labels()
    sides = (labels == majority, labels != majority)
    return images.take(np.sort(np.concatenate([np.flatnonzero(side)[: grid.majority] for side in sides])))


def _a_class(images: ImageSet, count: int, seed: int) -> ImageSet:
    """`count` pictures of every class, drawn by seed."""
    order = generator(seed, "quickdraw", images.name).permutation(len(images))
    labels = images.require_labels()
    chosen = [order[labels[order] == label][:count] for label in range(images.num_classes)]
    return images.take(np.sort(np.concatenate(chosen)))


def _fresh(images: ImageSet, count: int, seed: int) -> tuple[ImageSet, ImageSet]:
    """(the rest, `count` test pictures of every class), no content on both sides."""
    test = dataclasses.replace(_a_class(images, count, seed), name=f"{images.name}/test")
    rest = np.flatnonzero(~np.isin(images.content_hashes, test.content_hashes))
    return images.take(rest, name=f"{images.name}/train"), test
