"""Sweeps: the same plan fitted on many cuts of the data, each point kept in a file,
so that a killed sweep goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import json_digest, load_json, write_json
from lightfast.base.parallel import in_parallel
from lightfast.base.plain import as_json
from lightfast.base.progress import Reporter, silent
from lightfast.base.randomness import derive_seed, generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predict import predict
from lightfast.experiments.crossval import one_thread
from lightfast.models.device import resolve_device
from lightfast.train.fit import ClassifierPlan, check_trainable
from lightfast.train.recipe import Recipe, Training

SweepAxis = Literal["train_size", "classes", "imbalance"]


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

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PointResult:
        """Inverse of `as_json`."""
        point = dict(content["point"])
        point["minority"] = tuple(point["minority"]) if point["minority"] else None
        epochs = {int(number): row for number, row in content["epochs"].items()}
        return cls(**{**content, "point": SweepPoint(**point), "epochs": epochs})


def run_points(
    points: Sequence[SweepPoint],
    pictures: tuple[ImageSet, ImageSet],
    plan: ClassifierPlan,
    training: Training,
    *,
    jobs: int | None = None,
    report: Reporter = silent,
) -> list[PointResult]:
    """Fit `plan` at every point and score it on the held-out pictures.

    All points run all epochs and keep the last weights, so nothing is chosen on the held-out pictures, and
    all points are scored on the same ones (of their classes).

    Args:
        points: what to measure.
        pictures: (training pictures to cut from, held-out pictures).
        plan: model, config and recipe; `keep` becomes "last", `balance` that of the point.
        training: seed, device, and the folder that keeps one file a point (None: nothing is kept).
        jobs: points at once, one thread each; None = one a core. On CUDA always 1.
        report: told after every point.

    Raises DataError for a point that the pictures are too few for, SettingsError for a recipe that chooses on
    validation or a point that cannot be: both before anything is fitted.
    """
    train, test = pictures
    check_trainable(train)
    for point in points:
        check_point(train, point)
        plan_at(plan, point)
    # What the workers need of a set is its pixels, labels and names; the version is worked out once, here.
    version = f"{train.version} {test.version}"
    jobs = 1 if resolve_device(training.device).type == "cuda" else jobs
    tasks = [
        (_Task(point, train, test, plan, dataclasses.replace(training, report=silent), version),)
        for point in points
    ]
    return in_parallel(_measured, tasks, jobs=jobs, report=report, label="sweep")


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
    counts = dict(
        zip(
            train.class_names,
            np.bincount(train.require_labels(), minlength=train.num_classes).tolist(),
            strict=True,
        )
    )
    if point.classes is not None and not 2 <= point.classes <= train.num_classes:
        raise DataError(
            f"sweep point {point.name}",
            expected=f"2 to {train.num_classes} classes",
            got=str(point.classes),
            cure="Give other numbers of classes.",
        )
    if point.train_size is not None and not 2 * train.num_classes <= point.train_size <= len(train):
        raise DataError(
            f"sweep point {point.name}",
            expected=f"{2 * train.num_classes} to {len(train):,} training pictures",
            got=f"{point.train_size:,}",
            cure="Give other sizes, or more pictures.",
        )
    if point.rows is not None:
        scarce = min(counts, key=lambda name: counts[name])
        if not 1 <= point.rows <= counts[scarce]:
            raise DataError(
                f"sweep point {point.name}",
                expected=f"1 to {counts[scarce]:,} pictures a class (class {scarce!r} has no more)",
                got=f"{point.rows:,}",
                cure="Give other numbers of rows, or leave the class out.",
            )
    if point.minority is not None:
        name, wanted = point.minority
        if name not in counts:
            raise DataError(
                f"sweep point {point.name}: no class {name!r}",
                cure=f"Classes: {', '.join(list(counts)[:12])}.",
            )
        if not 1 <= wanted <= counts[name]:
            raise DataError(
                f"sweep point {point.name}",
                expected=f"1 to {counts[name]:,} pictures of {name!r}",
                got=f"{wanted:,}",
                cure="Give other ratios, or a class with more pictures.",
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


@dataclass(frozen=True, eq=False)
class _Task:
    """All that one process needs for one point."""

    point: SweepPoint
    train: ImageSet
    test: ImageSet
    plan: ClassifierPlan
    training: Training
    version: str


def plan_at(plan: ClassifierPlan, point: SweepPoint) -> ClassifierPlan:
    """The plan that is fitted at a point: all epochs, the last weights, the point's remedy. Raises
    SettingsError for schedule=plateau, which decides on validation pictures when to stop.
    """
    if plan.recipe.schedule == "plateau":
        raise SettingsError(
            "a sweep runs all epochs, and schedule=plateau stops by the held-out pictures",
            cure="Use --set schedule=one-cycle or constant.",
        )
    fixed = {"keep": "last", "patience": None, "balance": point.balance}
    return dataclasses.replace(plan, recipe=Recipe.of(**{**plan.recipe.model_dump(), **fixed}))


def _measured(task: _Task) -> PointResult:
    point, seed, folder = task.point, task.training.seed, task.training.folder
    plan = plan_at(task.plan, point)
    key = {"point": point.name, "version": task.version, "seed": seed, **as_json(plan)}
    path = folder / f"{json_digest(key)}.json" if folder else None
    if path is not None and path.is_file():
        return PointResult.from_json(load_json(path)["measured"])
    pictures, held = cut(task.train, task.test, point, seed)
    with one_thread():
        fitted = plan.fit(
            pictures,
            held,
            Training(seed=derive_seed(seed, "sweep", point.repeat), device=task.training.device),
        )
        found = score(predict(fitted, held))
    measured = PointResult(
        point=point,
        n_train=len(pictures),
        n_test=len(held),
        accuracy=found.accuracy,
        macro_f1=found.macro_f1,
        recalls={row.name: row.recall for row in found.per_class},
        epochs={row["epoch"]: _watched(row) for row in fitted.history},
        seconds=float(fitted.details["fit_seconds"]),
    )
    if path is not None:
        write_json(path, {"key": key, "measured": measured.as_json()})
    return measured


def _watched(row: Mapping[str, Any]) -> dict[str, float]:
    return {
        key: float(row[key])
        for key in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
        if key in row
    }


RATIOS = (500, 100, 20, 5, 1)


REMEDIES = ("none", "weights", "sampling", "augment")


MOST_LEVELS = 8


@dataclass(frozen=True)
class SweepOptions:
    """What a sweep is asked.

    Attributes:
        over: train_size, classes or imbalance.
        values: pictures in all, numbers of classes, or ratios N of 1:N; empty = a sensible series for the
            data.
        rows: over classes: training pictures a class; empty = a quarter, half and all of what the smallest
            class has.
        repeats: draws of pictures and weights at every level.
        minority: over imbalance: the class to make rare; None = the last.
        target: over train_size: accuracy to be reached, 0..1.
        seconds_per_label: a person's time for one picture.
        jobs: points at once; None = one a core.
    """

    over: SweepAxis
    values: Sequence[float] = ()
    rows: Sequence[int] = ()
    repeats: int = 3
    minority: str | None = None
    target: float = 0.95
    seconds_per_label: float = 3.0
    jobs: int | None = None

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise SettingsError(
                f"{self.repeats} repeats", expected="at least 1", cure="For instance --repeats 3."
            )
        if not 0 < self.target < 1:
            raise SettingsError(
                f"target {self.target:g}",
                expected="an accuracy between 0 and 1",
                cure="95 % is written 0.95.",
            )
        if not self.seconds_per_label >= 0:
            raise SettingsError(
                f"{self.seconds_per_label:g} seconds per label", expected="0 or more", cure="For instance 3."
            )
        if self.rows and self.over != "classes":
            raise SettingsError("--rows", expected="only with --over classes", cure="Leave it out.")
        if self.minority and self.over != "imbalance":
            raise SettingsError("--minority", expected="only with --over imbalance", cure="Leave it out.")


def plan_points(train: ImageSet, sweep_options: SweepOptions) -> list[SweepPoint]:
    """Every point of a sweep, repeats innermost last: an interrupted sweep has whole repeats first."""
    counts = np.bincount(train.require_labels(), minlength=train.num_classes)
    cuts = {"train_size": _size_cuts, "classes": _class_cuts, "imbalance": _imbalance_cuts}[
        sweep_options.over
    ](train, counts, sweep_options)
    return [SweepPoint(**cut, repeat=repeat) for repeat in range(sweep_options.repeats) for cut in cuts]


def _size_cuts(train: ImageSet, counts: np.ndarray, sweep_options: SweepOptions) -> list[dict[str, Any]]:
    sizes = [round(value) for value in sweep_options.values]
    if not sizes:
        # Halves of what there is, down to ten pictures a class.
        sizes = [
            len(train) >> halving
            for halving in range(MOST_LEVELS)
            if len(train) >> halving >= 10 * train.num_classes
        ]
    if not sizes:
        raise DataError(
            f"{train.name}: {len(train):,} training pictures",
            expected=f"at least {10 * train.num_classes} for a sweep",
            cure="Give sizes with --values, or more pictures.",
        )
    return [{"train_size": size} for size in sorted(set(sizes))]


def _class_cuts(train: ImageSet, counts: np.ndarray, sweep_options: SweepOptions) -> list[dict[str, Any]]:
    smallest = int(counts.min())
    numbers = [round(value) for value in sweep_options.values]
    if not numbers:
        first = min(3, train.num_classes - 1)
        if first < 2:
            raise DataError(
                f"{train.name}: {train.num_classes} classes",
                expected="at least 3 for a sweep over classes",
                cure="Sweep over train_size or imbalance.",
            )
        numbers = np.unique(np.linspace(first, train.num_classes, MOST_LEVELS).round().astype(int)).tolist()
    rows = list(sweep_options.rows) or sorted({max(1, smallest // 4), max(1, smallest // 2), smallest})
    return [{"classes": number, "rows": row} for number in sorted(set(numbers)) for row in sorted(set(rows))]


def _imbalance_cuts(train: ImageSet, counts: np.ndarray, sweep_options: SweepOptions) -> list[dict[str, Any]]:
    name = sweep_options.minority or train.class_names[-1]
    if name not in train.class_names:
        raise DataError(
            f"{train.name} has no class {name!r}", cure=f"Classes: {', '.join(train.class_names[:12])}."
        )
    own = int(counts[train.class_names.index(name)])
    others = float(np.delete(counts, train.class_names.index(name)).mean())
    if any(ratio <= 0 for ratio in sweep_options.values):
        raise SettingsError(
            "--values", expected="ratios above 0: 100 means one picture against 100 of each other class"
        )
    asked = [(ratio, round(others / ratio)) for ratio in sweep_options.values] or [
        (ratio, count) for ratio in RATIOS if 1 <= (count := round(others / ratio)) <= own
    ]
    for ratio, count in asked:
        if not 1 <= count <= own:
            raise DataError(
                f"ratio 1:{ratio:g}",
                expected=f"1 to {own:,} pictures of {name!r} (the other classes have {others:,.0f})",
                got=f"{count:,}",
                cure="Give other ratios with --values, or another --minority.",
            )
    return [
        {"minority": (name, count), "balance": balance}
        for count in sorted({count for _, count in asked})
        for balance in REMEDIES
        if balance == "none" or count < others
    ]
