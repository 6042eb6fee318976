"""What the perturbations study reads: photographs where they are at hand,
digits over textures at scale "quick".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.data.catalogue.catalogue import data_folder
from lightfast.data.dataset import ImageSpec, LoadedData
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits, split_loaded
from lightfast.studies.perturbations.networks import StudyImages
from lightfast.studies.registry import StudyOptions
from lightfast.studies.rows import at_hand
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
    cuts = CUTS[options.scale]
    if options.scale == "quick":
        return {"cifar": _cut(_stand_in(options), cuts["cifar"], options.seed)}
    folder = options.data_folder or data_folder()
    found = _cifar(options, folder) | _intel(options, folder) | _stl(options, folder)
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


def _cifar(options: StudyOptions, folder: Path) -> dict[str, StudyImages]:
    name = next((one for one in CIFAR if at_hand(one, folder)), None)
    if name is None:
        return {}
    splits = options.pictures(name).splits(options.seed)
    names = [one for one in CUTS[options.scale] if one.startswith("cifar")] or ["cifar"]
    return {
        one: _cut(splits, CUTS[options.scale].get(one, (None, None, None)), options.seed) for one in names
    }


def _intel(options: StudyOptions, folder: Path) -> dict[str, StudyImages]:
    if not at_hand(INTEL, folder):
        return {}
    return {"intel": StudyImages(options.pictures(INTEL, ImageSpec((_SIDE, _SIDE), 3)).splits(options.seed))}


def _stl(options: StudyOptions, folder: Path) -> dict[str, StudyImages]:
    if not at_hand(STL, folder):
        return {}
    loaded = options.pictures(STL).data
    own = split_loaded(LoadedData(train=loaded.train), test=STL_TEST, seed=options.seed)
    return {"stl": StudyImages(split_loaded(loaded, seed=options.seed)), "stl-990": StudyImages(own)}


def _cut(splits: Splits, sizes: Cut, seed: int) -> StudyImages:
    """At most so many pictures of each part, drawn by seed;
    training pictures that are left over are new to the classifier.
    """
    orders = [_order(part, seed) for part in (splits.train, splits.val, splits.test)]
    # Test pictures from the end of their order: those at its beginning were read while the study's plans were
    # still being made.
    taken = [
        order if size is None else order[-size:] if part is splits.test else order[:size]
        for part, order, size in zip((splits.train, splits.val, splits.test), orders, sizes, strict=True)
    ]
    parts = [
        part if size is None else part.take(rows)
        for part, rows, size in zip((splits.train, splits.val, splits.test), taken, sizes, strict=True)
    ]
    rest = orders[0][len(parts[0]) :]
    new = splits.train.take(rest) if len(rest) else None
    return StudyImages(dataclasses.replace(splits, train=parts[0], val=parts[1], test=parts[2]), new)


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
