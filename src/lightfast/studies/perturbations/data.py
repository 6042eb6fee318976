"""What the perturbations study reads: photographs where they are at hand,
digits over textures at scale "quick".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.data.dataset import ImageSpec, LoadedData
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits, split_loaded
from lightfast.studies.perturbations.networks import StudyImages
from lightfast.studies.registry import StudyOptions
from lightfast.studies.svhn.digits_over_photos import digits_over_photos, textures

CIFAR = ("cifar10", "cifar10-20k")
INTEL, STL = "intel-scenes", "stl10"
_SIDE = 96
# The paper's own division of STL-10's labelled training part.
STL_TEST = 990 / 5_000
_QUICK = (400, 80, 60)
"""Pictures of the stand-in: training, validation, test."""
Cut = tuple[int | None, int | None, int | None]
"""Pictures for (training, validation, test) at most; None = all."""
CUTS: Mapping[str, Mapping[str, Cut]] = {
    "quick": {"cifar": (240, None, None)},
    # Two cores and an hour: few pictures make a classifier of the paper's level that knows all of them.
    "cpu": {"cifar": (1_500, 1_000, 2_000), "cifar-more": (6_000, 1_000, 2_000)},
    "paper": {},
}
_PUBLISHED = {
    "stl-990": ("STL-10, 4,010 / 990 pictures", "82.8 → 85.0"),
    "stl": ("STL-10, official split", "78.5 → 82.3"),
    "cifar": ("CIFAR-10", "75.7 → 79.6"),
    "intel": ("Intel scenes", "90.6 → 93.2"),
}
"""The paper's data sets: title, and test accuracy in % without and with its U-Net."""


def pictures_of(options: StudyOptions) -> dict[str, StudyImages]:
    """The pictures at hand by name: "cifar" ("cifar-more": more of them to train on), "intel", "stl",
    "stl-990".

    Scale "quick" makes its own. Raises DataError when nothing is at hand at another scale.
    """
    if options.scale == "quick":
        return {"cifar": _cut(_stand_in(options), CUTS["quick"]["cifar"], options.seed)}
    found = _cifar(options) | _intel(options) | _stl(options)
    if not found:
        raise DataError(
            "study perturbations finds none of its pictures",
            expected=f"{CIFAR[0]}, {INTEL} or {STL} in the data folder",
            cure="Fetch one: lightfast data fetch cifar10; or set LIGHTFAST_DATA.",
        )
    return found


def not_run(known: Mapping[str, StudyImages], scale: str) -> list[tuple[str, str]]:
    """(title, published figures) of the paper's data sets that are not at hand; none at scale "quick",
    which reads none of them.
    """
    return [] if scale == "quick" else [_PUBLISHED[name] for name in _PUBLISHED if name not in known]


def _cifar(options: StudyOptions) -> dict[str, StudyImages]:
    name = next((one for one in CIFAR if options.has(one)), None)
    if name is None:
        return {}
    splits = options.pictures(name).splits(options.seed)
    cuts = CUTS[options.scale] or {"cifar": (None, None, None)}
    return {one: _cut(splits, cut, options.seed) for one, cut in cuts.items()}


def _intel(options: StudyOptions) -> dict[str, StudyImages]:
    if not options.has(INTEL):
        return {}
    return {"intel": StudyImages(options.pictures(INTEL, ImageSpec((_SIDE, _SIDE), 3)).splits(options.seed))}


def _stl(options: StudyOptions) -> dict[str, StudyImages]:
    if not options.has(STL):
        return {}
    loaded = options.pictures(STL).data
    own = split_loaded(LoadedData(train=loaded.train), test=STL_TEST, seed=options.seed)
    return {"stl": StudyImages(split_loaded(loaded, seed=options.seed)), "stl-990": StudyImages(own)}


def _cut(splits: Splits, sizes: Cut, seed: int) -> StudyImages:
    """At most so many pictures of each part, drawn by seed;
    training pictures that are left over are new to the classifier.
    """
    parts, rest = [], None
    for part, size in zip((splits.train, splits.val, splits.test), sizes, strict=True):
        order = _order(part, seed)
        if size is not None and part is splits.train and size < len(order):
            rest = part.take(order[size:])
        # Test pictures from the end of their order: those at its beginning were read while the study's plans
        # were still being made.
        ends = slice(-(size or 0), None) if part is splits.test else slice(size)
        parts.append(part if size is None else part.take(order[ends]))
    return StudyImages(dataclasses.replace(splits, train=parts[0], val=parts[1], test=parts[2]), rest)


def _order(images: ImageSet, seed: int) -> NDArray[np.int64]:
    return generator(seed, "perturbations", images.name).permutation(len(images))


def _stand_in(options: StudyOptions) -> Splits:
    """Digits over textures, 32 × 32; no digit and no texture of one part is in another."""
    seed = options.seed
    digits = options.pictures("mnist-5k").splits(seed)
    parts: Sequence[ImageSet] = [
        digits_over_photos(
            part,
            textures(count, seed, f"textures/{part.name}"),
            count,
            seed,
            f"digits-over-textures/{part.name}",
        )
        for part, count in zip((digits.train, digits.val, digits.test), _QUICK, strict=True)
    ]
    return dataclasses.replace(digits, train=parts[0], val=parts[1], test=parts[2])
