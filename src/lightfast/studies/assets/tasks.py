"""What the media-library study reads and learns: six kinds of pictures, four tasks, draws,
and features that are computed once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.files import json_digest
from lightfast.base.progress import Reporter
from lightfast.base.randomness import generator
from lightfast.data.dataset import concatenate
from lightfast.data.decode.decode import resize_batch
from lightfast.data.images import ImageSet
from lightfast.data.splits import split_off
from lightfast.models.build import fresh_network
from lightfast.models.device import resolve_device
from lightfast.models.transfer import TransferNetwork, load_weights, preprocess_of
from lightfast.studies.registry import StudyOptions
from lightfast.train.features import FeatureExtractor

FACES, OBJECTS, _EMBEDDED = "smiles", "fashion-mnist", "mnist-5k"
CLASSES = ("smile", "not_smile", "bag", "shoe", "t_shirt", "shirt")
# Fashion-MNIST's class names to ours; two kinds of shoe are one.
CLOTHES = {"Bag": "bag", "Sneaker": "shoe", "Ankle boot": "shoe", "T-shirt/top": "t_shirt", "Shirt": "shirt"}
FACES_TESTED = 1 / 6
_SIDE = 64
"""Pixels: the faces' own side; the clothes (28) are enlarged to it,
so that all six kinds share one network input.
"""
NOISE = 0.1
MODEL = "lite0"
TAPS = "both"
PIECE = 2_000
"""Pictures between two notes of how far the features are."""


@dataclass(frozen=True)
class TaskOf:
    """One of the study's tasks: its classes, whether training labels are falsified,
    and what the paper measured (top-1, top-3 in %).
    """

    name: str
    title: str
    classes: tuple[str, ...]
    noisy: bool
    published: Mapping[str, tuple[float, float | None]]
    wanted: tuple[float, float | None]


TASKS = (
    TaskOf(
        "expression",
        "expression",
        CLASSES[:2],
        False,
        {"paper": (87, None), "Clarifai": (72, None), "Vize": (76, None)},
        (90, None),
    ),
    TaskOf(
        "objects",
        "two objects",
        CLASSES[2:4],
        False,
        {"paper": (96, None), "Clarifai": (91, None), "Vize": (97, None)},
        (99, None),
    ),
    TaskOf(
        "four",
        "4 classes",
        CLASSES[:4],
        False,
        {"paper": (95, 100), "Clarifai": (85, 100), "Vize": (85, 91)},
        (95, 100),
    ),
    TaskOf(
        "six-noisy",
        "6 classes, one label in ten wrong",
        CLASSES,
        True,
        {"paper": (67, 98), "Clarifai": (56, 90), "Vize": (43, 85)},
        (85, 99),
    ),
)


@dataclass(frozen=True, eq=False)
class TaskLibrary:
    """The study's pictures, uint8 (N, 64, 64, 1), of the six CLASSES: to learn from and to test on;
    what stands in for what, in notes.
    """

    train: ImageSet
    test: ImageSet
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TaskFeatures:
    """What the frozen backbone makes of one part: two files of float16 (N, D), of the pictures and of their
    mirror images, row by row.

    The first `pooled` columns are the backbone's own features, the rest a grid of maps of its middle.
    """

    plain_file: Path
    mirrored_file: Path
    pooled: int

    @property
    def plain(self) -> NDArray[np.float16]:
        """The features of the pictures, mapped into memory."""
        return np.load(self.plain_file, mmap_mode="r")

    @property
    def mirrored(self) -> NDArray[np.float16]:
        """The features of their mirror images, mapped into memory."""
        return np.load(self.mirrored_file, mmap_mode="r")


@dataclass(frozen=True, eq=False)
class Draw:
    """Rows of the library's parts for one experiment: to fit, to choose on, to test; labels are positions in
    the task's classes.

    `given` are the training labels as the fit sees them (falsified where the task is noisy), fit rows first,
    then those chosen on.
    """

    fit_rows: NDArray[np.intp]
    val_rows: NDArray[np.intp]
    test_rows: NDArray[np.intp]
    given: NDArray[np.int64]
    truth: NDArray[np.int64]


def library(options: StudyOptions) -> TaskLibrary:
    """The pictures; at scale "quick" few of them, and digits where the real ones are not at hand (said in the
    notes).

    Raises DataError when, at scale "paper", a set is missing.
    """
    missing = [name for name in (FACES, OBJECTS) if not options.has(name)]
    if missing and options.scale == "paper":
        raise DataError(
            f"study assets: {' and '.join(missing)} not in {options.data_root}",
            cure="docs/studies.md says where its pictures come from.",
        )
    whole = _digits(options) if missing else _real(options)
    if options.scale == "quick":
        whole = dataclasses.replace(
            whole, train=_few(whole.train, 40, options.seed), test=_few(whole.test, 15, options.seed)
        )
    counts = (
        f"{len(whole.train):,} pictures to learn from, {len(whole.test):,} to test on, seed {options.seed}."
    )
    return dataclasses.replace(whole, notes=(*whole.notes, counts))


def _real(options: StudyOptions) -> TaskLibrary:
    faces = options.pictures(FACES).data.train
    numbers = np.array([CLASSES.index(name) for name in faces.class_names])
    fitted, tested = (
        _standard(part, numbers[part.require_labels()])
        for part in split_off(faces, FACES_TESTED, options.seed, ("train", "test"))
    )
    clothes = options.pictures(OBJECTS).data
    said = (
        "The paper's pictures are private. Stand-ins: faces of SMILEsmileD (smile or not) for expression; "
        "Fashion-MNIST bags against sneakers and ankle boots for two objects, its T-shirts and shirts for "
        "two more classes. The tests are its official test part and a sixth of the faces."
    )
    learned = concatenate([fitted, _clothes(clothes.train)], "library")
    return TaskLibrary(learned, concatenate([tested, _clothes(clothes.part("test"))], "test"), (said,))


def _clothes(part: ImageSet) -> ImageSet:
    chosen = [part.class_names.index(name) for name in CLOTHES]
    rows = np.flatnonzero(np.isin(part.require_labels(), chosen))
    numbers = np.array([CLASSES.index(CLOTHES[name]) if name in CLOTHES else -1 for name in part.class_names])
    few = part.take(rows)
    return _standard(few, numbers[few.require_labels()])


def _digits(options: StudyOptions) -> TaskLibrary:
    digits = options.pictures(_EMBEDDED).data.train
    train, test = (
        _standard(few, few.require_labels())
        for part in split_off(digits, 0.25, 0, ("train", "test"))
        for few in [part.take(np.flatnonzero(part.require_labels() < len(CLASSES)))]
    )
    return TaskLibrary(
        train,
        test,
        (
            "Stand-in data: the embedded digits 0 to 5 for the six classes. Figures only show that the study "
            "runs.",
        ),
    )


def _standard(images: ImageSet, labels: NDArray[np.int64]) -> ImageSet:
    return ImageSet(resize_batch(images.images, (_SIDE, _SIDE), 1), CLASSES, labels, images.ids, images.name)


def _few(images: ImageSet, count: int, seed: int) -> ImageSet:
    rng = generator(seed, "assets", "few", images.name)
    rows = [
        rng.permutation(np.flatnonzero(images.require_labels() == label))[:count]
        for label in range(len(CLASSES))
    ]
    return images.take(np.sort(np.concatenate(rows)))


def draw(task: TaskOf, pool: TaskLibrary, seed: int, sizes: tuple[int, int] | None) -> Draw:
    """Pictures of one experiment: `sizes` = (to learn from, to test on), as many of each class, or None for
    all there are.

    A tenth of those to learn from (a fifth of at most 1,000) is held back to choose settings on. With noise,
    one training label in ten is replaced by another class of the task, in the part that is fitted and in the
    part that is chosen on alike: nobody has clean ones.
    """
    rng = generator(seed, "assets", task.name, "all" if sizes is None else sizes[0])
    learned, tested = (
        _rows(part, task, rng, size)
        for part, size in zip((pool.train, pool.test), sizes or (None, None), strict=True)
    )
    numbers = _numbers(task)
    given = numbers[pool.train.require_labels()[learned]]
    if task.noisy:
        given = falsified(given, len(task.classes), NOISE, rng)
    held = len(learned) // (5 if len(learned) <= 1_000 else 10)
    return Draw(
        learned[held:],
        learned[:held],
        tested,
        np.concatenate([given[held:], given[:held]]),
        numbers[pool.test.require_labels()[tested]],
    )


def falsified(
    labels: NDArray[np.int64], classes: int, share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """A copy in which exactly round(share × N) labels are another class,
    each of the others equally likely.
    """
    wrong = rng.permutation(len(labels))[: round(share * len(labels))]
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return changed


def _numbers(task: TaskOf) -> NDArray[np.int64]:
    return np.array([task.classes.index(name) if name in task.classes else -1 for name in CLASSES])


def _rows(part: ImageSet, task: TaskOf, rng: np.random.Generator, size: int | None) -> NDArray[np.intp]:
    labels = _numbers(task)[part.require_labels()]
    if size is None:
        return rng.permutation(np.flatnonzero(labels >= 0))
    each = [-(-(size - number) // len(task.classes)) for number in range(len(task.classes))]
    rows = [rng.permutation(np.flatnonzero(labels == number))[:count] for number, count in enumerate(each)]
    return rng.permutation(np.concatenate(rows))


def network_of(images: ImageSet, seed: int) -> tuple[TransferNetwork, FeatureExtractor]:
    """The frozen backbone with both taps, and what reads pictures with it."""
    config = {"taps": TAPS}
    network = fresh_network(MODEL, "classifier", images.image_shape, len(CLASSES), config, seed)
    load_weights(network, MODEL, config)
    return network, FeatureExtractor(
        network, preprocess_of(MODEL, images.image_shape, config), resolve_device("cpu")
    )


def features_of(options: StudyOptions, images: ImageSet) -> TaskFeatures:
    """The features of one part; kept in the study's folder in pieces,
    so that a study that was stopped goes on where it was.
    """
    network, extractor = network_of(images, options.seed)
    extractor = dataclasses.replace(extractor, device=resolve_device(options.device))
    key = json_digest(
        {"data": images.version, "model": MODEL, "taps": TAPS, "side": extractor.preprocess.size[0]}
    )[:16]
    both = [
        _kept(extractor, images, options.out / "features" / f"{key}-{name}.npy", flip, options.report)
        for name, flip in (("plain", False), ("mirrored", True))
    ]
    return TaskFeatures(both[0], both[1], int(getattr(network.backbone, "num_features")))  # noqa: B009  timm networks are not typed


def _kept(extractor: FeatureExtractor, images: ImageSet, path: Path, flip: bool, report: Reporter) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    progress = path.with_suffix(".done")
    done = int(progress.read_text(encoding="utf-8")) if progress.is_file() and path.is_file() else 0
    shape = (len(images), extractor.network.width)
    if done < len(images):
        array = open_memmap(path, mode="r+" if done else "w+", dtype=np.float16, shape=shape)
        for start in range(done, len(images), PIECE):
            stop = min(start + PIECE, len(images))
            array[start:stop] = extractor.features(images.images[start:stop], flip=flip)
            array.flush()
            progress.write_text(str(stop), encoding="utf-8")
            report("features", stop, len(images), "mirrored" if flip else "")
    return path
