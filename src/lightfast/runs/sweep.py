"""`sweep_run`: how a model does with more pictures, more classes or fewer pictures of one class; resumable,
with a page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lightfast.base.errors import DataError, LightfastError, SettingsError
from lightfast.base.files import write_json
from lightfast.data.dataset import concatenate
from lightfast.data.images import ImageSet
from lightfast.data.ingest import read_splits
from lightfast.data.splits import split_loaded
from lightfast.experiments.levels import (
    INTERVAL_METHOD,
    Level,
    class_regression,
    imbalance_regression,
    levels,
    recall_of,
    size_curve,
    size_regression,
)
from lightfast.experiments.sweep import Measured, Over, Point, check_point, plan_at, run_points
from lightfast.models.registry import find_model
from lightfast.pages.sweep import write_sweep_page
from lightfast.report.provenance import provenance
from lightfast.runs.folder import METRICS_FILE, REPORT_FILE, RunOptions, begin, finish, touch
from lightfast.statistics.learning_curve import LearningCurve, Needed
from lightfast.statistics.regression import Regression
from lightfast.train.fit import Plan, check_trainable

POINTS_FOLDER = "points"
RATIOS = (500, 100, 20, 5, 1)
REMEDIES = ("none", "weights", "sampling", "augment")
MOST_LEVELS = 8


@dataclass(frozen=True)
class SweepWishes:
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

    over: Over
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


@dataclass(frozen=True, eq=False)
class Swept:
    """What a sweep found: every measured point, the levels, and the models through them (None:
    too few points, see `notes`).
    """

    wishes: SweepWishes
    measured: Sequence[Measured]
    levels: Sequence[Level]
    minority: str = ""
    minority_levels: Sequence[Level] = ()
    curve: LearningCurve | None = None
    needed: Needed | None = None
    regression: Regression | None = None
    notes: tuple[str, ...] = field(default=())


def sweep_run(source: str, options: RunOptions, *, plan: Plan, wishes: SweepWishes) -> dict[str, Any]:
    """Measure `plan` on many cuts of the training pictures, all scored on the same held-out pictures.

    Finished points are kept in `out`/points: the same command goes on where it was stopped, and a wider sweep
    adds to a narrower one.

    Args:
        source: folder, manifest, `.npz` or catalogue name; an official test part is what is held out, else a
            fifth of the pictures.
        options: `out` is the folder to write: metrics.json, report.html, points/.
        plan: model, config, recipe; all epochs are run, nothing is chosen on the held-out pictures.
        wishes: what is varied, how far and how often.

    Returns: the content of metrics.json: over, levels, points, curve, needed, regression, sentences,
    n_test, touched_before (how often this folder's sweeps scored the same held-out pictures before), seed,
    data, notes.
    """
    started = time.perf_counter()
    find_model(plan.model, "classifier")
    folder = options.folder("sweep")
    loaded = read_splits(
        source, image_size=options.image_size, data_folder=options.data_folder, report=options.report
    )
    splits = split_loaded(loaded, val=0.0, seed=options.seed)
    train = concatenate([splits.train, splits.val]) if len(splits.val) else splits.train
    points = plan_points(train, wishes)
    _check(train, splits.test, points, plan)
    settings = {
        "made_by": "sweep",
        "source": source,
        "data_version": train.version,
        "seed": options.seed,
        **plan.as_json(),
        "image_size": list(options.image_size) if options.image_size else None,
    }
    begin(folder, settings, resume=False, replace="sweep")
    training = options.training(folder / POINTS_FOLDER)
    measured = run_points(
        points, (train, splits.test), plan, training, jobs=wishes.jobs, report=options.report
    )
    touched = touch(folder, splits.test.version, options.command or "sweep")
    swept = summed_up(measured, splits.test, wishes, options.seed)
    metrics = {
        **sweep_json(swept),
        "model": plan.model,
        "recipe": plan.recipe.model_dump(),
        "seed": options.seed,
        "n_train": len(train),
        "n_test": len(splits.test),
        "held_out": "the same pictures at every level (those of its classes); nothing is chosen on them",
        "data": train.name.split("/")[0],
        "data_version": train.version,
        "test_version": splits.test.version,
        "touched_before": touched,
        "unreadable": [asdict(one) for one in loaded.unreadable],
        "notes": [*loaded.notes, *splits.notes, *swept.notes],
        "seconds": round(time.perf_counter() - started, 3),
    }
    facts = provenance(train.version, options.seed, {"sweep": metrics["seconds"]}, options.words)
    write_sweep_page(folder / REPORT_FILE, swept, metrics, facts)
    write_json(folder / METRICS_FILE, metrics)
    finish(folder)
    return metrics


def _check(train: ImageSet, test: ImageSet, points: Sequence[Point], plan: Plan) -> None:
    """Refuse what cannot be measured before a folder is made."""
    check_trainable(train)
    for point in points:
        check_point(train, point)
        plan_at(plan, point)
    held = np.bincount(test.require_labels(), minlength=test.num_classes)
    missing = {
        point.minority[0]
        for point in points
        if point.minority and not held[test.class_names.index(point.minority[0])]
    }
    if missing:
        raise DataError(
            f"{test.name}: no held-out pictures of {missing.pop()!r}",
            cure="Choose another --minority, or add some.",
        )


def plan_points(train: ImageSet, wishes: SweepWishes) -> list[Point]:
    """Every point of a sweep, repeats innermost last: an interrupted sweep has whole repeats first."""
    counts = np.bincount(train.require_labels(), minlength=train.num_classes)
    cuts = {"train_size": _size_cuts, "classes": _class_cuts, "imbalance": _imbalance_cuts}[wishes.over](
        train, counts, wishes
    )
    return [Point(**cut, repeat=repeat) for repeat in range(wishes.repeats) for cut in cuts]


def _size_cuts(train: ImageSet, counts: np.ndarray, wishes: SweepWishes) -> list[dict[str, Any]]:
    sizes = [round(value) for value in wishes.values]
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


def _class_cuts(train: ImageSet, counts: np.ndarray, wishes: SweepWishes) -> list[dict[str, Any]]:
    smallest = int(counts.min())
    numbers = [round(value) for value in wishes.values]
    if not numbers:
        first = min(3, train.num_classes - 1)
        if first < 2:
            raise DataError(
                f"{train.name}: {train.num_classes} classes",
                expected="at least 3 for a sweep over classes",
                cure="Sweep over train_size or imbalance.",
            )
        numbers = np.unique(np.linspace(first, train.num_classes, MOST_LEVELS).round().astype(int)).tolist()
    rows = list(wishes.rows) or sorted({max(1, smallest // 4), max(1, smallest // 2), smallest})
    return [{"classes": number, "rows": row} for number in sorted(set(numbers)) for row in sorted(set(rows))]


def _imbalance_cuts(train: ImageSet, counts: np.ndarray, wishes: SweepWishes) -> list[dict[str, Any]]:
    name = wishes.minority or train.class_names[-1]
    if name not in train.class_names:
        raise DataError(
            f"{train.name} has no class {name!r}", cure=f"Classes: {', '.join(train.class_names[:12])}."
        )
    own = int(counts[train.class_names.index(name)])
    others = float(np.delete(counts, train.class_names.index(name)).mean())
    if any(ratio <= 0 for ratio in wishes.values):
        raise SettingsError(
            "--values", expected="ratios above 0: 100 means one picture against 100 of each other class"
        )
    asked = [(ratio, round(others / ratio)) for ratio in wishes.values] or [
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


def summed_up(measured: Sequence[Measured], test: ImageSet, wishes: SweepWishes, seed: int) -> Swept:
    """Levels, and where there are points enough the learning curve and the regression."""
    found: dict[str, Any] = {"levels": levels(measured)}
    notes: list[str] = []

    def where_possible(key: str, model: Callable[[], Any]) -> None:
        # The measured points stand without a line through them; the reason is told.
        try:
            found[key] = model()
        except LightfastError as error:
            notes.append(f"no {key}: {error}")

    if wishes.over == "train_size":
        where_possible("curve", lambda: size_curve(measured, seed))
        if "curve" in found:
            found["needed"] = found["curve"].needed(wishes.target, wishes.seconds_per_label)
        where_possible("regression", lambda: size_regression(measured))
    elif wishes.over == "classes":
        where_possible("regression", lambda: class_regression(measured))
    else:
        name = next(one.point.minority[0] for one in measured if one.point.minority)
        carried = int((test.require_labels() == test.class_names.index(name)).sum())
        found |= {"minority": name, "minority_levels": levels(measured, recall_of(name), lambda _: carried)}
        where_possible("regression", lambda: imbalance_regression(measured, name))
    return Swept(wishes, measured, notes=tuple(notes), **found)


def sweep_json(swept: Swept) -> dict[str, Any]:
    """Plain JSON values of what was found."""
    return {
        "over": swept.wishes.over,
        "repeats": swept.wishes.repeats,
        "levels": [level.as_json() for level in swept.levels],
        "interval_method": INTERVAL_METHOD,
        "minority": swept.minority or None,
        "minority_recall": [level.as_json() for level in swept.minority_levels],
        "curve": swept.curve and swept.curve.as_json(),
        "needed": swept.needed and swept.needed.as_json(),
        "regression": swept.regression and swept.regression.as_json(),
        "sentences": sentences(swept),
        "points": [one.as_json() for one in swept.measured],
    }


def sentences(swept: Swept) -> list[str]:
    """What may be concluded, in words."""
    told: list[str] = []
    if swept.curve is not None:
        told.append(swept.curve.sentence())
    if swept.needed is not None:
        told.append(swept.needed.sentence())
    if swept.regression is not None:
        each = {
            "doublings": "each doubling of the training pictures",
            "classes": "each class",
            "rows": "every 100 pictures a class",
            "tenfold": "ten times the pictures of the class",
        }
        told += [
            f"{text[0].upper()}{text[1:]}."
            for one in swept.regression.coefficients[1:]
            if (
                text := swept.regression.sentence(
                    one.name, each=each[one.name], step=100 if one.name == "rows" else 1
                )
            )
        ]
    return told
