"""The media-library study's networks trained as networks: pretrained or not, frozen or fine-tuned;
and other sets of photographs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightfast.base.files import json_digest, load_json, write_json
from lightfast.data.catalogue.catalogue import data_folder
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import Evaluation, score
from lightfast.evaluate.predict import calibrate, predict
from lightfast.experiments.auto import choose_model
from lightfast.models.transfer import TransferSettings
from lightfast.studies.assets.tasks import MODEL, Library, TaskOf, draw
from lightfast.studies.registry import StudyOptions
from lightfast.studies.rows import at_hand
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe, Training
from lightfast.train.transfer import FULL_RECIPE, STAGED_RECIPE

OTHER_SETS = ("clothing", "caltech20", "intel-scenes")
_SIDE = 96
"""Pixels that the trained backbones get: four times the speed of 192, and every row alike."""
OTHER_BUDGET = 400.0


@dataclass(frozen=True)
class Way:
    """One way to learn: its config and recipe; `paper` names what it stands for."""

    name: str
    title: str
    config: Mapping[str, Any]
    recipe: Recipe


def ways(epochs: int | None = None) -> tuple[Way, ...]:
    """Frozen, staged, full, and from scratch; `epochs` cuts all of them (scale "quick").

    From scratch takes twice the epochs of the fine-tunes, at a larger step: random weights have more to
    learn.
    """
    side = {"input_side": _SIDE}
    scratch = Recipe.of(
        epochs=20,
        batch_size=32,
        learning_rate=3e-3,
        weight_decay=0.05,
        label_smoothing=0.1,
        averaging=0.99,
        augment="flip",
    )
    cut = [] if epochs is None else [f"epochs={epochs}"]
    return (
        Way("frozen", "pretrained, frozen, linear head", side, STAGED_RECIPE),
        Way(
            "staged",
            "pretrained, last third fine-tuned",
            {**side, "mode": "staged"},
            STAGED_RECIPE.updated(cut),
        ),
        Way(
            "full",
            "pretrained, all of it fine-tuned",
            {**side, "mode": "full"},
            FULL_RECIPE.updated(["augment=flip", *cut]),
        ),
        Way(
            "scratch",
            "from scratch (random weights)",
            {**side, "mode": "full", "weights": "none"},
            scratch.updated(cut),
        ),
    )


def trained_ways(
    options: StudyOptions, task: TaskOf, pool: Library, size: int, draws: int, epochs: int | None
) -> list[dict[str, Any]]:
    """Every way on `draws` draws of `size` training pictures, each tested on all test pictures of the task;
    kept in the study's folder.
    """
    rows: list[dict[str, Any]] = []
    for number in range(draws):
        drawn = draw(task, pool, options.seed + 1_000 * number, (size, 10**9))
        fitted = len(drawn.fit_rows)
        train = _named(pool.train, drawn.fit_rows, drawn.given[:fitted], task, f"{task.name}/train")
        val = _named(pool.train, drawn.val_rows, drawn.given[fitted:], task, f"{task.name}/val")
        test = _named(pool.test, drawn.test_rows, drawn.truth, task, f"{task.name}/test")
        for way in ways(epochs):
            key = json_digest(
                {
                    "data": train.version,
                    "test": test.version,
                    "config": dict(way.config),
                    "recipe": way.recipe.model_dump(),
                    "seed": options.seed,
                    "rows": 1,
                }
            )[:16]
            path = options.out / "ways" / f"{way.name}-{number}-{key}.json"
            if not path.is_file():
                training = Training(
                    seed=options.seed,
                    device=options.device,
                    folder=options.out / "ways" / key,
                    resume=True,
                    report=options.report,
                )
                checkpoint = fit(
                    train,
                    val,
                    model=MODEL,
                    recipe=way.recipe,
                    config=TransferSettings.of(**way.config).model_dump(exclude_defaults=True),
                    training=training,
                )
                evaluation = score(predict(calibrate(checkpoint, val), test))
                write_json(
                    path,
                    {
                        "way": way.name,
                        "draw": number,
                        "n_train": fitted,
                        "n_val": len(val),
                        **_figures(evaluation),
                        "epochs": len(checkpoint.history),
                        "seconds": checkpoint.details["fit_seconds"],
                    },
                )
            rows.append(load_json(path))
            options.report("ways", len(rows), draws * len(ways()), f"{way.name} {rows[-1]['accuracy']:.4f}")
    return rows


def other_set(options: StudyOptions, name: str, budget: float = OTHER_BUDGET) -> dict[str, Any] | None:
    """`--model auto` on photographs of the data folder: the official test part, or a fifth of the pictures;
    None where they are not.
    """
    folder = options.data_folder or data_folder()
    if not at_hand(name, folder):
        return None
    path = options.out / "sets" / f"{name}-{options.seed}-{budget:.0f}.json"
    if path.is_file():
        return load_json(path)
    train, val, test = photographs(name, options)
    checkpoint = choose_model(
        train, val, budget, Training(seed=options.seed, device=options.device, report=options.report)
    )
    checkpoint = calibrate(checkpoint, val)
    predictions = predict(checkpoint, test)
    predictions.save(options.out / "sets" / f"{name}-{options.seed}.parquet")
    return load_json(
        write_json(
            path,
            {
                "data": name,
                "n_train": len(train),
                "n_val": len(val),
                "classes": len(test.class_names),
                **_figures(score(predictions)),
                "auto": checkpoint.details["auto"],
                "data_version": train.version,
            },
        )
    )


def photographs(name: str, options: StudyOptions) -> tuple[ImageSet, ImageSet, ImageSet]:
    """(train, val, test) of a set of photographs at 224 pixels at most, near duplicates on one side."""
    splits = options.pictures(name, ImageSpec(largest_side=224)).splits(options.seed)
    return splits.train, splits.val, splits.test


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    top3 = evaluation.top_k.get(3)
    return {
        "accuracy": evaluation.accuracy,
        "accuracy_interval": list(evaluation.accuracy_interval),
        "n": evaluation.n,
        "top3": None if top3 is None else top3[0],
        "macro_f1": evaluation.macro_f1,
    }


def _named(part: ImageSet, rows: np.ndarray, labels: np.ndarray, task: TaskOf, name: str) -> ImageSet:
    ids = tuple(part.ids[row] for row in rows)
    return ImageSet(part.images[rows], task.classes, labels, ids, name)
