"""The media-library study's networks trained as networks: pretrained or not, frozen or fine-tuned;
and other sets of photographs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lightfast.base.files import json_digest
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits
from lightfast.evaluate.metrics import Evaluation, score
from lightfast.evaluate.predict import calibrate, predict
from lightfast.experiments.auto import choose_model
from lightfast.models.transfer import TransferSettings
from lightfast.studies.assets.tasks import MODEL, Draw, TaskLibrary, TaskOf, draw
from lightfast.studies.registry import StudyOptions, kept
from lightfast.train.fit import ClassifierPlan
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
    model: str = MODEL


PAPER_NETWORKS = (
    ("inception-v3", "Inception-v3, the paper's choice", 299, "Mixed_5b"),
    ("resnet101", "ResNet-101", 224, "layer1"),
    ("vgg19", "VGG-19", None, "features.1"),
)
"""Model, title, pixels a side (None: it takes no other than its own), and the first stage behind the stem."""
_PAPER_SCHEDULE = Recipe.of(
    epochs=60, batch_size=32, learning_rate=1e-3, weight_decay=0.0, clip=1e9, schedule="plateau"
)
"""The paper's: a tenth of the step where the validation pictures get worse, the end where they do so "
"again."""
_DIFFERS = {
    "inception-v3": "",
    "resnet101": "ResNet-101 (paper: ResNet-100, of which no weights are published); frozen part not told; ",
    "vgg19": "frozen part not told; ",
}


def networks_differ(model: str) -> str:
    """What is not the paper's in the row of one of its networks."""
    return (
        f"stand-ins; {_DIFFERS[model]}timm's ImageNet weights (paper: TensorFlow Slim's); not told: "
        "optimiser, step "
        "size and batch (Adam with 0.001 and 32 here), augmentation (none here), on which task; the head "
        "begins as a linear fit on the frozen features"
    )


def paper_ways(epochs: int | None = None) -> tuple[Way, ...]:
    """The paper's three networks, fine-tuned behind their frozen stems as it tells; `epochs` cuts all of them
    (scale "quick").
    """
    recipe = _PAPER_SCHEDULE.updated([] if epochs is None else [f"epochs={epochs}"])
    sides = {model: {} if side is None else {"input_side": side} for model, _, side, _ in PAPER_NETWORKS}
    return tuple(
        Way(model, title, {**sides[model], "mode": "staged", "from_stage": stage}, recipe, model)
        for model, title, _, stage in PAPER_NETWORKS
    )


def paper_networks(
    options: StudyOptions, task: TaskOf, pool: TaskLibrary, size: int, epochs: int | None
) -> list[dict[str, Any]]:
    """The paper's three networks on the first draw of `size` training pictures, kept in the study's folder;
    without `options.fetch_weights` rows that say that they were not run.
    """
    if not options.fetch_weights:
        return [
            {"way": way.name, "title": way.title, "accuracy": None, "differs": networks_differ(way.model)}
            for way in paper_ways()
        ]
    rows = trained_ways(options, task, pool, (size, 1), paper_ways(epochs))
    titles = {way.name: way.title for way in paper_ways()}
    return [row | {"title": titles[row["way"]], "differs": networks_differ(row["way"])} for row in rows]


def ways(epochs: int | None = None) -> tuple[Way, ...]:
    """Frozen, staged, full, and from scratch; `epochs` cuts all of them (scale "quick").

    From scratch takes twice the epochs of the fine-tunes, at a larger step:
    random weights have more to learn.
    """
    side, full = {"input_side": _SIDE}, {"input_side": _SIDE, "mode": "full"}
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
    staged = STAGED_RECIPE.updated(cut)
    tuned = FULL_RECIPE.updated(["augment=flip", *cut])
    return (
        Way("frozen", "pretrained, frozen, linear head", side, STAGED_RECIPE),
        Way("staged", "pretrained, last third fine-tuned", {**side, "mode": "staged"}, staged),
        Way("full", "pretrained, all of it fine-tuned", full, tuned),
        Way("scratch", "from scratch (random weights)", {**full, "weights": "none"}, scratch.updated(cut)),
    )


def trained_ways(
    options: StudyOptions, task: TaskOf, pool: TaskLibrary, cut: tuple[int, int], chosen: Sequence[Way]
) -> list[dict[str, Any]]:
    """Every way on some draws, `cut` = (training pictures, draws), each tested on all test pictures of the
    task; kept in the study's folder.
    """
    rows: list[dict[str, Any]] = []
    size, draws = cut
    for number in range(draws):
        sides = _sides(task, pool, draw(task, pool, options.seed + 1_000 * number, (size, 10**9)))
        for way in chosen:
            key = json_digest(
                {
                    "data": sides.train.version,
                    "test": sides.test.version,
                    "config": dict(way.config),
                    "recipe": way.recipe.model_dump(),
                    "seed": options.seed,
                    "rows": 1,
                }
                | ({} if way.model == MODEL else {"model": way.model})
            )[:16]
            path = options.out / "ways" / f"{way.name}-{number}-{key}.json"
            training, name = options.training("ways", key), {"way": way.name, "draw": number}
            rows.append(kept(path, partial(_measured, way, sides, training, name)))
            options.report("ways", len(rows), draws * len(chosen), f"{way.name} {rows[-1]['accuracy']:.4f}")
    return rows


def _sides(task: TaskOf, pool: TaskLibrary, drawn: Draw) -> Splits:
    """The pictures of a draw with the labels that the task gives them."""
    fitted = len(drawn.fit_rows)
    return Splits(
        _named(pool.train, drawn.fit_rows, drawn.given[:fitted], task, f"{task.name}/train"),
        _named(pool.train, drawn.val_rows, drawn.given[fitted:], task, f"{task.name}/val"),
        _named(pool.test, drawn.test_rows, drawn.truth, task, f"{task.name}/test"),
    )


def _measured(way: Way, sides: Splits, training: Training, name: Mapping[str, Any]) -> dict[str, Any]:
    """One way trained and tested, as plain JSON values."""
    config = TransferSettings.of(**way.config).model_dump(exclude_defaults=True)
    checkpoint = ClassifierPlan(way.model, way.recipe, config).fit(sides.train, sides.val, training)
    return {
        **name,
        "n_train": len(sides.train),
        "n_val": len(sides.val),
        **_figures(score(predict(calibrate(checkpoint, sides.val), sides.test))),
        "epochs": len(checkpoint.history),
        "seconds": checkpoint.details["fit_seconds"],
    }


def other_set(options: StudyOptions, name: str) -> dict[str, Any] | None:
    """`choose_model` on photographs of the data folder: the official test part, or a fifth of the pictures;
    None where they are not.
    """
    if not options.has(name):
        return None
    folder = options.out / "sets"
    path = folder / f"{name}-{options.seed}-{OTHER_BUDGET:.0f}.json"

    def make() -> dict[str, Any]:
        train, val, test = photographs(name, options)
        training = Training(seed=options.seed, device=options.device, report=options.report)
        checkpoint = calibrate(choose_model(train, val, OTHER_BUDGET, training), val)
        predictions = predict(checkpoint, test)
        predictions.save(folder / f"{name}-{options.seed}.parquet")
        return {
            "data": name,
            "n_train": len(train),
            "n_val": len(val),
            "classes": len(test.class_names),
            **_figures(score(predictions)),
            "auto": checkpoint.details["auto"],
            "data_version": train.version,
        }

    return kept(path, make)


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
