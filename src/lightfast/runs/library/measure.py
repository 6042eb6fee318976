"""What is measured of a library's model after its training: accuracy under damage, and what more pictures
would bring. Each stands in a folder of the model's run, where its card finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightfast.base.errors import ConflictError
from lightfast.base.files import load_json
from lightfast.experiments.sweep_plan import SweepOptions
from lightfast.library.held_out import count_use
from lightfast.library.library import Library
from lightfast.library.promote import LibraryModel, library_model, run_of
from lightfast.runs.evaluate import evaluate_run
from lightfast.runs.folder import (
    CURVE_FOLDER,
    METRICS_FILE,
    PILE_FILE,
    RECIPE_FILE,
    ROBUSTNESS_FOLDER,
    RUN_FILE,
)
from lightfast.runs.library.model_card import library_model_card
from lightfast.runs.options import RunOptions
from lightfast.runs.sweep import sweep_run
from lightfast.train.fit import ClassifierPlan
from lightfast.train.recipe import Recipe


@dataclass(frozen=True)
class ModelMeasurement:
    """What a measurement of a model found.

    Attributes:
        model_id, model: of which model.
        folder: where metrics.json and report.html of it lie.
        sentences: the result in words.
        held_out_uses: how often the library's untouched part had been scored before; None: the model was
            measured on other pictures.
    """

    model_id: int
    model: str
    folder: str
    sentences: tuple[str, ...]
    held_out_uses: int | None = None


def measure_robustness(
    library: Library, model_id: int, options: RunOptions, suite: str = "mnist-c", limit: int | None = 500
) -> ModelMeasurement:
    """Score a model under every damage of a suite, on pictures that it was not trained or chosen on.

    Args:
        library: knows the model.
        model_id: its number.
        options: `seed`, `device` and `report` count.
        suite: of corruptions, at its own severities.
        limit: pictures that the damage is measured on; None = all.

    Raises:
        NotFoundError: for an unknown model.
        ConflictError: where the run of the model is no folder of this machine, or names no pictures.
        SettingsError: for an unknown suite, and for a model that gives several labels a picture.
    """
    model, run, settings = _run_of(library, model_id)
    folder = run / ROBUSTNESS_FOLDER
    reading = replace(options, out=folder, command=f"measure robustness of {model.name}")
    found = evaluate_run(str(run), settings["source"], reading, suite=suite, limit=limit).robustness
    if found is None:
        raise AssertionError("a suite was asked for")
    clean, damaged = 100 * found.clean_accuracy, 100 * found.robust_accuracy
    said = f"{found.suite}: {clean:.1f} % undamaged, {damaged:.1f} % on average over all damage"
    uses = _count(library, run, settings, {"robustness": found.suite, "n": found.n})
    return ModelMeasurement(model.id, model.name, str(folder), (said,), uses)


def measure_curve(library: Library, model_id: int, options: RunOptions, repeats: int = 3) -> ModelMeasurement:
    """Train the network of a model on fewer and fewer of its pictures, and say what more would bring. What
    was trained before a kill is not trained again.

    Args:
        library: knows the model.
        model_id: its number.
        options: `seed`, `device` and `report` count.
        repeats: draws of pictures and weights at every size.

    Raises as `measure_robustness` does, and DataError for too few pictures.
    """
    model, run, settings = _run_of(library, model_id)
    folder, size = run / CURVE_FOLDER, settings.get("image_size")
    training = replace(
        options,
        out=folder,
        image_size=None if size is None else (int(size[0]), int(size[1])),
        command=f"measure what more pictures bring to {model.name}",
    )
    # One after the other in this thread: a server works on it, which answers people meanwhile.
    asked = SweepOptions("train_size", values=_sizes(run, len(model.class_names)), repeats=repeats, jobs=1)
    found = sweep_run(settings["source"], training, plan=_plan(run), sweep_options=asked)
    uses = _count(library, run, settings, {"learning_curve": found.model, "n": found.n_test})
    said = library_model_card(library, model).curve
    return ModelMeasurement(model.id, model.name, str(folder), said, uses)


def _count(library: Library, run: Path, settings: Mapping[str, Any], detail: Mapping[str, Any]) -> int | None:
    """Note that the untouched part was scored, where the run learned from the library's own pile, and say how
    often it was before.
    """
    own = Path(settings["source"]) == run / PILE_FILE and run.is_relative_to(library.runs)
    return count_use(library.store, {"run": run.name, **detail}) if own else None


def _run_of(library: Library, model_id: int) -> tuple[LibraryModel, Path, Mapping[str, Any]]:
    """A model, its run, and what run.json says of how it was made."""
    model = library_model(library.store, model_id)
    run = Path(run_of(library, model))
    settings = load_json(run / RUN_FILE) if (run / RUN_FILE).is_file() else {}
    if not settings.get("source") or not (run / RECIPE_FILE).is_file():
        raise ConflictError(
            f"the run of {model.name} does not say what it learned from, and how",
            expected=f"a run folder of this machine with {RUN_FILE} and {RECIPE_FILE}",
            cure="Measure a model that was trained here.",
        )
    return model, run, settings


def _sizes(run: Path, classes: int) -> tuple[int, ...]:
    """Numbers of pictures to train on; empty: those that a sweep takes by itself, which are too few for a
    line through them where there are less than 40 pictures a class.
    """
    parts = load_json(run / METRICS_FILE).get("parts", {}) if (run / METRICS_FILE).is_file() else {}
    # Divided anew, the training part may be some pictures smaller than it was.
    most = parts.get("train", 0) + parts.get("val", 0) - classes
    if most >= 40 * classes or most < 8 * classes:
        return ()
    return tuple(most * quarter // 4 for quarter in (1, 2, 3, 4))


def _plan(run: Path) -> ClassifierPlan:
    """How the model of a run was trained; what `auto` chose stands there by name."""
    said = dict(load_json(run / RECIPE_FILE))
    model, config = said.pop("model"), said.pop("config")
    return ClassifierPlan(
        model, Recipe.of(**{k: v for k, v in said.items() if k in Recipe.model_fields}), config
    )
