"""What the EMNIST study trains and on what: its data, or what stands in for them,
and the rows of its tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits
from lightfast.models.classifiers import VIEWS
from lightfast.studies.registry import Scale, StudyOptions
from lightfast.studies.rows import ModelRow
from lightfast.train.fit import ClassifierPlan
from lightfast.train.recipe import Recipe

# The first that is at hand is used; the others stand in for it, and the study says so.
DATA_SETS = ("emnist-balanced", "fashion-mnist")
_EMBEDDED = "mnist-5k"
SMALL_SET = "english-handwritten-62"
_VALIDATION_SHARE = 0.05
# Pictures of scale "quick": (train, validation, test).
_QUICK = (560, 140, 300)
# Cross-validation: so many training pictures, so many folds.
CROSS_VALIDATION: Mapping[Scale, tuple[int, int]] = {"quick": (300, 3), "paper": (4_000, 5)}
# Clothes may be mirrored, letters not.
AUGMENT = {"fashion-mnist": "mirror"}

FOREST = Recipe()
# The letters paper's: step size 0.001, batches of 32, 20 epochs; Adam as Keras has it, no decay, no clipping,
# the weights of the last epoch.
AS_PUBLISHED = Recipe.of(
    epochs=20, batch_size=32, learning_rate=1e-3, schedule="constant", weight_decay=0.0, clip=1e9, keep="last"
)
_SMALL_SET = Recipe.of(
    epochs=12, batch_size=64, learning_rate=3e-3, averaging=0.995, label_smoothing=0.05, augment="affine"
)
_OURS = Recipe.of(
    epochs=20, batch_size=128, learning_rate=5e-3, weight_decay=0.05, label_smoothing=0.05, averaging=0.998
)

_SPLIT = (
    "All classes of the set (the paper writes of 10, 46 and 47); 5 % of the training part set aside, its "
    "share "
    "not told"
)
_PLACES = ", places of the four dropouts"

FORESTS = (
    ModelRow(
        "forest-gini",
        "random forest, depth 80, gini",
        "random-forest-80",
        FOREST,
        paper=0.81,
        differs=f'not told: the other settings ("almost default"; scikit-learn\'s here, 100 trees). {_SPLIT}',
    ),
    ModelRow(
        "forest-entropy",
        "random forest, depth 80, entropy",
        "random-forest-80-entropy",
        FOREST,
        differs=f'the paper gives no figure ("almost identical"). {_SPLIT}',
    ),
)
DENSE_ACTIVATIONS = tuple(
    ModelRow(
        f"mlp-{name}",
        f"dense network, {name}",
        "mlp",
        AS_PUBLISHED,
        {"hidden": (128,), "dropout": 0.0, "activation": name},
        differs=f"the paper gives curves, no figure. Not told: the optimiser (Adam here). {_SPLIT}",
    )
    for name in ("relu", "tanh", "sigmoid")
)
CNNS = tuple(
    ModelRow(
        f"cnn-{layers}",
        f"CNN, {layers} layer{'s' * (layers > 1)}",
        f"cnn-{layers}",
        AS_PUBLISHED,
        paper=paper,
        differs=f"not told: the optimiser (Adam here), widths, kernels{_PLACES * (layers > 2)}. {_SPLIT}",
    )
    for layers, paper in ((1, 0.81), (2, 0.81), (3, 0.88), (4, 0.89))
)


@dataclass(frozen=True, eq=False)
class LettersData:
    """The study's pictures: `name` of the data set, its splits, and whether it stands in for EMNIST."""

    name: str
    splits: Splits
    stand_in: bool
    notes: tuple[str, ...]

    @property
    def augment(self) -> str:
        """What our network may do to training pictures without changing what they show."""
        return AUGMENT.get(self.name, "shift")


def letters_data(options: StudyOptions) -> LettersData:
    """EMNIST Balanced where its files are, else Fashion-MNIST, else (scale "quick" only) the embedded digits;
    official test parts.

    Raises DataError when, at scale "paper", neither is at hand.
    """
    name = next((name for name in DATA_SETS if options.has(name)), "")
    if not name and options.scale != "quick":
        raise DataError(
            f"study emnist: neither {' nor '.join(DATA_SETS)} is in {options.data_root}",
            cure="Run: lightfast data fetch emnist-balanced.",
        )
    name = name or _EMBEDDED
    splits = options.pictures(name).splits(options.seed, val=_VALIDATION_SHARE)
    if options.scale == "quick":
        sides = (splits.train, splits.val, splits.test)
        train, val, test = (
            take_sample(side, size, options.seed) for side, size in zip(sides, _QUICK, strict=True)
        )
        splits = Splits(train, val, test)
    stand_in = name != DATA_SETS[0]
    said = (
        f"Stand-in data, not EMNIST Balanced, which is not in the data folder: {name}. The paper's figures "
        "were measured on EMNIST and stand beside ours for orientation."
        if stand_in
        else "Data: EMNIST Balanced, its official parts."
    )
    counts = (
        f"{len(splits.train):,} training, {len(splits.val):,} validation and {len(splits.test):,} test "
        f"pictures, seed {options.seed}."
    )
    return LettersData(name, splits, stand_in, (said, counts, *splits.notes))


def small_set(options: StudyOptions) -> ImageSet | None:
    """The handwritten letters and digits of `SMALL_SET` at 28 × 28, or None where they are not."""
    if options.scale == "quick" or not options.has(SMALL_SET):
        return None
    return options.pictures(SMALL_SET, ImageSpec((28, 28), 1)).data.train


def ours(data: LettersData) -> ModelRow:
    """Our best small network, augmented as the pictures allow."""
    recipe = _OURS.updated([f"augment={data.augment}"])
    views = VIEWS if data.augment == "mirror" else ("one", "shift")
    differs = "not in the paper; beside it the best published small network"
    return ModelRow("ours", "ours (resnet9, 16 wide)", "resnet9-small", recipe, differs=differs, views=views)


def small_set_plans() -> dict[str, ClassifierPlan]:
    """What is cross-validated on the small set: 55 pictures a class need more epochs and moved copies."""
    return {
        FORESTS[0].title: ClassifierPlan("random-forest-80", FOREST),
        "CNN, 3 layers, moved and turned pictures": ClassifierPlan("cnn-3", _SMALL_SET),
    }


def take_sample(images: ImageSet, size: int, seed: int) -> ImageSet:
    """At most `size` pictures, drawn by seed, in their order."""
    if len(images) <= size:
        return images
    return images.take(np.sort(generator(seed, "emnist", images.name).permutation(len(images))[:size]))
