"""Suites of corruptions, and the verbs that damage pictures: `corrupt`, `corrupt_array`, `damage_mixture`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import InputError
from lightfast.base.randomness import generator
from lightfast.base.registry import Registry
from lightfast.corrupt import blur, digital, geometry, ink, noise, weather  # noqa: F401 (they register themselves)
from lightfast.corrupt.registry import CORRUPTIONS, IMAGENET_C, MNIST_C, SeverityTable
from lightfast.data.array_cures import dtype_cure, shape_cure
from lightfast.data.images import ImageSet

CLEAN = "clean"
_CHUNK_VALUES = 1 << 19
"""Values (pictures * H * W * C) worked on at once: small enough for the cache,
large enough for whole-batch arithmetic.
"""


@dataclass(frozen=True)
class Suite:
    """A named benchmark: which corruptions at which severities.

    Attributes:
        name: what the command line calls it.
        entries: (corruption, severities, table) in the paper's order.
        source: the paper.
    """

    name: str
    entries: tuple[tuple[str, tuple[int, ...], SeverityTable], ...]
    source: str

    def __len__(self) -> int:
        return sum(len(severities) for _, severities, _ in self.entries)


SUITES: Registry[Suite] = Registry("suite")

# The severities at which MNIST-C is published (the default arguments of its generator); single-strength kinds
# stand at their own.
_MNIST_C = {
    "shot_noise": 5,
    "impulse_noise": 4,
    "glass_blur": 1,
    "motion_blur": 1,
    "shear": 2,
    "scale": 3,
    "rotate": 2,
    "brightness": 5,
    "translate": 3,
    "stripe": 3,
    "fog": 5,
    "spatter": 4,
    "dotted_line": 3,
    "zigzag": 3,
    "canny_edges": 5,
}
_IMAGENET_C = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
_EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
_CAMERA = ("gaussian_noise", "gaussian_blur", "contrast", "jpeg_compression")
_ALL = (1, 2, 3, 4, 5)


def _add(name: str, entries: Sequence[tuple[str, tuple[int, ...], SeverityTable]], source: str) -> None:
    SUITES.add(name, Suite(name, tuple(entries), source))


_add("mnist-c", [(name, (severity,), "standard") for name, severity in _MNIST_C.items()], MNIST_C)
_add("imagenet-c", [(name, _ALL, "standard") for name in _IMAGENET_C], IMAGENET_C)
_add("imagenet-c-extra", [(name, _ALL, "standard") for name in _EXTRA], IMAGENET_C)
_add("cifar10-c", [(name, _ALL, "small") for name in _IMAGENET_C + _EXTRA], IMAGENET_C)
_add(
    "camera",
    [(name, (2, 3, 4), "standard") for name in _CAMERA],
    "this project: noise, blur, low contrast and JPEG, after " + IMAGENET_C,
)
_add("all", [(entry.name, _ALL, "standard") for entry in CORRUPTIONS], "every registered corruption")


def corrupt_array(
    images: NDArray[np.uint8],
    name: str,
    severity: int,
    rng: np.random.Generator,
    table: SeverityTable = "standard",
) -> NDArray[np.uint8]:
    """Damage pictures uint8 (N, H, W, C), C = 1 or 3, side 8..1024; the same rng state gives the same bytes,
    `images` stays as it was.

    Args:
        name: a registered corruption.
        severity: 1 (mild) to 5 (strong).
        table: "standard" (ImageNet-C, MNIST-C) or "small" (CIFAR-10-C).

    Returns:
        uint8 of the same shape. Works in chunks: beyond the result, memory stays below about 100 MB or one
        picture's needs.

    Raises:
        UnknownName: no such corruption; the message lists the closest names.
        InputError: severity, table, dtype or shape cannot be used.
    """
    kind = CORRUPTIONS.get(name)
    parameters = kind.parameters(severity, table)
    _check_images(images)
    # Turned or transposed views are other layouts, which OpenCV's results cannot be written into.
    images = np.ascontiguousarray(images)
    result = np.empty_like(images)
    size = max(1, _CHUNK_VALUES // max(int(np.prod(images.shape[1:])), 1))
    for start in range(0, len(images), size):
        chunk = images[start : start + size]
        if kind.on_levels:
            result[start : start + size] = kind.apply(chunk, parameters, rng)
            continue
        pictures = chunk.astype(np.float32)
        pictures /= 255
        result[start : start + size] = to_uint8(kind.apply(pictures, parameters, rng))
    return result


def to_uint8(pictures: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Clip float32 values to [0, 1] and round them to 0..255."""
    levels = np.clip(pictures, 0, 1)
    levels *= 255
    levels += np.float32(0.5)
    return levels.astype(np.uint8)


def corrupt(
    image_set: ImageSet, name: str, severity: int, seed: int = 0, table: SeverityTable = "standard"
) -> ImageSet:
    """The same pictures with one kind of damage: a new version whose parent is `image_set`; labels and ids
    stay.

    The step names the kind's version where it is not the first (see `Corruption`). Errors as in
    `corrupt_array`.
    """
    images = corrupt_array(
        image_set.images, name, severity, generator(seed, "corrupt", name, severity), table
    )
    step = {"verb": "corrupt", "name": name, "severity": int(severity), "seed": int(seed), "table": table}
    if (version := CORRUPTIONS.get(name).version) > 1:
        step["version"] = version
    return image_set.derived(images, step=step, name=f"{image_set.name}/{name}-{severity}")


def damage_mixture(
    images: NDArray[np.uint8],
    choices: Sequence[tuple[str, int]],
    assignment: NDArray[np.integer],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Damage each picture in its own way: picture i of uint8 (N, H, W, C) gets (name, severity) =
    choices[assignment[i]].

    The name "clean" or severity 0 leaves a picture untouched. Pictures of one choice are damaged together.

    Raises:
        UnknownName, InputError: as `corrupt_array`; or an assignment that does not fit.
    """
    _check_images(images)
    assignment = _checked_assignment(assignment, len(images), len(choices))
    result = images.copy()
    for index, (name, severity) in enumerate(choices):
        members = np.flatnonzero(assignment == index)
        if len(members) and name != CLEAN and severity != 0:
            result[members] = corrupt_array(images[members], name, severity, rng)
    return result


def _checked_assignment(assignment: Any, count: int, choices: int) -> NDArray[np.integer]:
    assignment = np.asarray(assignment)
    if assignment.shape != (count,) or assignment.dtype.kind not in "iu":
        raise InputError(
            "assignment",
            expected=f"whole numbers of shape ({count},), one a picture",
            got=f"{assignment.dtype} of shape {assignment.shape}",
        )
    for wrong in assignment[(assignment < 0) | (assignment >= choices)][:1]:
        raise InputError(f"assignment {wrong}", expected=f"0..{choices - 1} ({choices} choices)")
    return assignment


def _check_images(images: Any) -> None:
    array = isinstance(images, np.ndarray)
    if not array or images.dtype != np.uint8:
        got = f"{images.dtype} array" if array else type(images).__name__
        raise InputError("images", expected="a uint8 array (N, H, W, C)", got=got, cure=dtype_cure(images))
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        expected, cure = "shape (N, H, W, 1) or (N, H, W, 3)", shape_cure(images)
        raise InputError("images", expected=expected, got=str(images.shape), cure=cure)
    if not all(8 <= side <= 1024 for side in images.shape[1:3]):
        got = f"{images.shape[1]} x {images.shape[2]}"
        raise InputError("images", expected="sides of 8 to 1024 pixels", got=got, cure="Resize them first.")
