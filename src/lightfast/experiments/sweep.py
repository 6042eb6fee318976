"""Sweeps: the same plan fitted on many cuts of the data, each point kept in a file,
so that a killed sweep goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import json_digest, load_json, write_json
from lightfast.base.plain import as_json
from lightfast.base.randomness import derive_seed, generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predict import predict
from lightfast.experiments.crossval import one_thread
from lightfast.models.device import resolve_device
from lightfast.models.sizes import check_model
from lightfast.train.fit import ClassifierPlan, check_trainable
from lightfast.train.recipe import Recipe, Training

WATCHED = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class SweepPoint:
    """One cut of the training pictures.

    Attributes:
        train_size: pictures in all, in the classes' own shares; None = not limited.
        classes: so many classes, drawn by (seed, repeat); None = all.
        rows: pictures a class; None = not limited.
        minority: (class name, its pictures); None = no class is cut by itself.
        balance: remedy against uneven classes (`Recipe.balance`).
        repeat: number of the repetition: another draw of pictures and weights.
    """

    train_size: int | None = None
    classes: int | None = None
    rows: int | None = None
    minority: tuple[str, int] | None = None
    balance: str = "none"
    repeat: int = 0

    @property
    def name(self) -> str:
        """What the point is, e.g. "classes=5 rows=500 repeat=1"."""
        shown = {key: value for key, value in asdict(self).items() if value not in (None, "none")}
        return " ".join(
            f"{key}={'-'.join(map(str, value)) if isinstance(value, tuple) else value}"
            for key, value in shown.items()
        )


@dataclass(frozen=True)
class PointResult:
    """What one point gave.

    Attributes:
        point: the cut.
        n_train, n_test: pictures fitted on, and scored.
        accuracy: on the held-out pictures of the point's classes, 0..1.
        macro_f1: the same.
        recalls: class name → recall, 0..1.
        epochs: epoch number → loss and accuracy on training pictures and on the held-out ones (only watched,
            nothing is chosen there); empty for forests.
        seconds: of the fit.
    """

    point: SweepPoint
    n_train: int
    n_test: int
    accuracy: float
    macro_f1: float
    recalls: Mapping[str, float]
    epochs: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    seconds: float = 0.0


def load_point(content: Any) -> PointResult:
    """A result out of its JSON."""
    from pydantic import TypeAdapter

    return TypeAdapter(PointResult).validate_python(content)


def run_points(
    points: Sequence[SweepPoint],
    pictures: tuple[ImageSet, ImageSet],
    plan: ClassifierPlan,
    training: Training,
    *,
    jobs: int | None = None,
) -> list[PointResult]:
    """Fit `plan` at every point and score it on the held-out pictures.

    All points run all epochs and keep the last weights, so nothing is chosen on the held-out pictures, and
    all points are scored on the same ones (of their classes).

    Args:
        points: what to measure.
        pictures: (training pictures to cut from, held-out pictures).
        plan: model, config and recipe; `keep` becomes "last", `balance` that of the point.
        training: seed, device, reporter, executor, and the folder that keeps one file a point (None: nothing
            is kept).
        jobs: points at once, one thread each; None = one a core. On CUDA always 1.

    Raises DataError for a point that the pictures are too few for, SettingsError for a recipe that chooses on
    validation or a point that cannot be: both before anything is fitted.
    """
    train, test = pictures
    check_trainable(train)
    for point in points:
        check_point(train, point)
        plan_at(plan, point)
    check_held_out(test, points)
    check_model(plan.model, train.image_shape, train.num_classes, plan.config)
    # What the workers need of a set is its pixels, labels and names; the version is worked out once, here.
    version = f"{train.version} {test.version}"
    jobs = 1 if resolve_device(training.device).type == "cuda" else jobs
    quiet = Training(training.seed, training.device, training.folder)
    tasks = [(point, train, test, plan, quiet, version) for point in points]
    return training.executor(_measured, tasks, jobs=jobs, report=training.report, label="sweep")


def check_point(train: ImageSet, point: SweepPoint) -> None:
    """Refuse a point that asks for more than the training pictures hold,
    or for less than can be learnt from.
    """
    if (point.minority is not None and point.classes is not None) or (
        point.train_size is not None
        and point != SweepPoint(train_size=point.train_size, balance=point.balance, repeat=point.repeat)
    ):
        raise SettingsError(
            f"sweep point {point.name}",
            expected="a train_size alone, and no minority among drawn classes",
            cure="Sweep over one of them.",
        )
    counts = np.bincount(train.require_labels(), minlength=train.num_classes).tolist()
    names, (name, wanted) = train.class_names, point.minority or ("", None)
    if name and name not in names:
        raise DataError(
            f"sweep point {point.name}: no class {name!r}", cure=f"Classes: {', '.join(names[:12])}."
        )
    fewest, own = min(counts), counts[names.index(name)] if name else 0
    scarce = names[counts.index(fewest)]
    for got, low, high, what, cure in (
        (point.classes, 2, len(names), "classes", "numbers of classes"),
        (point.train_size, 2 * len(names), len(train), "training pictures", "sizes, or more pictures"),
        (
            point.rows,
            1,
            fewest,
            f"pictures a class (class {scarce!r} has no more)",
            "numbers of rows, or leave the class out",
        ),
        (wanted, 1, own, f"pictures of {name!r}", "ratios, or a class with more pictures"),
    ):
        if got is not None and not low <= got <= high:
            raise DataError(
                f"sweep point {point.name}",
                expected=f"{low} to {high:,} {what}",
                got=f"{got:,}",
                cure=f"Give other {cure}.",
            )


def check_held_out(test: ImageSet, points: Sequence[SweepPoint]) -> None:
    """Refuse points over classes, or of a rare class, that nothing would be scored on in some draw."""
    absent = test.absent_classes
    if rare := {point.minority[0] for point in points if point.minority} & {*absent}:
        raise DataError(
            f"{test.name}: no held-out pictures of {min(rare)!r}",
            cure="Choose another `minority`, or add some.",
        )
    if absent and any(point.classes is not None for point in points):
        shown = ", ".join(absent[:6]) + ", …" * (len(absent) > 6)
        raise DataError(
            f"{test.name}: no held-out pictures of {len(absent)} of {test.num_classes} classes ({shown})",
            expected="some of every class in a sweep over classes",
            cure="Add some, leave these classes out of the data, or sweep with `over=train_size`.",
        )


def cut(train: ImageSet, test: ImageSet, point: SweepPoint, seed: int) -> tuple[ImageSet, ImageSet]:
    """(training pictures of the point, held-out pictures of its classes).

    The draw depends on (seed, repeat) and is nested: with the same classes, a larger cut of the same repeat
    holds the smaller one (where uneven classes are shared out over few pictures, rounding can take back a
    picture of a class).
    """
    if point.classes is not None:
        kept = np.sort(
            generator(seed, "sweep classes", point.repeat, point.classes).permutation(train.num_classes)[
                : point.classes
            ]
        )
        train, test = keep_classes(train, kept), keep_classes(test, kept)
    order = generator(seed, "sweep pictures", point.repeat).permutation(len(train))
    labels = train.require_labels()
    if point.train_size is not None:
        order = _shared_out(order, labels, point.train_size)
    if point.rows is not None:
        order = np.concatenate(
            [order[labels[order] == label][: point.rows] for label in range(train.num_classes)]
        )
    if point.minority is not None:
        few = train.class_names.index(point.minority[0])
        of_few = labels[order] == few
        order = np.concatenate([order[~of_few], order[of_few][: point.minority[1]]])
    return train.take(np.sort(order)), test


def keep_classes(images: ImageSet, kept: NDArray[np.integer] | Sequence[int]) -> ImageSet:
    """The pictures of the classes `kept` (label numbers, ascending), renumbered from 0."""
    chosen = np.asarray(kept, dtype=np.int64)
    labels = images.require_labels()
    rows = np.flatnonzero(np.isin(labels, chosen))
    names = tuple(images.class_names[index] for index in chosen)
    return dataclasses.replace(
        images,
        images=images.images[rows],
        labels=np.searchsorted(chosen, labels[rows]),
        class_names=names,
        ids=tuple(images.ids[row] for row in rows),
    )


def _shared_out(order: NDArray[np.integer], labels: NDArray[np.int64], size: int) -> NDArray[np.integer]:
    """`size` of the rows in `order`, each class by its share (largest remainders), at least one of each."""
    counts = np.bincount(labels)
    exact = counts * size / counts.sum()
    quota = np.maximum(np.floor(exact).astype(np.int64), counts > 0)
    for label in np.argsort(quota - exact, kind="stable"):
        if quota.sum() >= size:
            break
        quota[label] += 1
    while quota.sum() > size:
        quota[quota.argmax()] -= 1
    return np.concatenate([order[labels[order] == label][:count] for label, count in enumerate(quota)])


def plan_at(plan: ClassifierPlan, point: SweepPoint) -> ClassifierPlan:
    """The plan that is fitted at a point: all epochs, the last weights, the point's remedy. Raises
    SettingsError for schedule=plateau, which decides on validation pictures when to stop.
    """
    if plan.recipe.schedule == "plateau":
        raise SettingsError(
            "a sweep runs all epochs, and schedule=plateau stops by the held-out pictures",
            cure="Use `recipe` schedule=one-cycle or constant.",
        )
    fixed = {"keep": "last", "patience": None, "balance": point.balance}
    return dataclasses.replace(plan, recipe=Recipe.of(**{**plan.recipe.model_dump(), **fixed}))


def _measured(
    point: SweepPoint, train: ImageSet, test: ImageSet, plan: ClassifierPlan, training: Training, version: str
) -> PointResult:
    plan, seed = plan_at(plan, point), training.seed
    key = {"point": point.name, "version": version, "seed": seed, **as_json(plan)}
    path = training.folder / f"{json_digest(key)}.json" if training.folder else None
    if path is not None and path.is_file():
        return load_point(load_json(path)["measured"])
    pictures, held = cut(train, test, point, seed)
    with one_thread():
        own = Training(seed=derive_seed(seed, "sweep", point.repeat), device=training.device)
        fitted = plan.fit(pictures, held, own)
        found = score(predict(fitted, held))
    measured = PointResult(
        point=point,
        n_train=len(pictures),
        n_test=len(held),
        accuracy=found.accuracy,
        macro_f1=found.macro_f1,
        recalls={row.name: row.recall for row in found.per_class},
        epochs={
            row["epoch"]: {name: float(row[name]) for name in WATCHED if name in row}
            for row in fitted.history
        },
        seconds=float(fitted.details["fit_seconds"]),
    )
    if path is not None:
        write_json(path, {"key": key, "measured": as_json(measured)})
    return measured
