"""Probabilities of every picture by models that never saw it, made on the spot: linear heads on frozen
features, or a network of a plan trained once a fold.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from lightfast.base.progress import Reporter, silent
from lightfast.base.randomness import derive_seed
from lightfast.data.folds import fold_numbers
from lightfast.data.images import ImageSet
from lightfast.data.splits import content_groups
from lightfast.evaluate.calibration import fit_temperature
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predictions import Predictions
from lightfast.experiments.crossval import MEASURES, CrossValidation, Fold, FoldOptions, cross_validate
from lightfast.train.fit import ClassifierPlan
from lightfast.train.linear import LinearData, LinearSettings, fit_linear, fit_one_vs_rest
from lightfast.train.recipe import Training

FEWEST_OF_CLASS = 3
"""Distinct pictures of a class that can be judged: one is held out, one chooses, one is learned from."""
LINEAR_HEADS = "linear head"


@dataclass(frozen=True, eq=False)
class OutOfSample:
    """What models that never saw them say of N pictures.

    Attributes:
        pred_probs: float32 (N, K), the mean over the repeats.
        repeats: float32 (R, N, K).
        validated: the folds behind them with their accuracy; None for several labels a picture.
        strength: L2 factor of the linear heads (the median of those chosen), NaN for networks.
    """

    pred_probs: NDArray[np.float32]
    repeats: NDArray[np.float32]
    validated: CrossValidation | None
    strength: float = float("nan")


def judged_rows(images: ImageSet) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """(the rows whose label can be judged, the classes that cannot be because they have fewer than
    `FEWEST_OF_CLASS` distinct pictures); copies count once. Pictures with tags are all judged.
    """
    if images.tags is not None:
        return np.arange(len(images)), ()
    labels = images.require_labels()
    _, _, group_label = content_groups(images)
    distinct = np.bincount(group_label, minlength=images.num_classes)
    present = np.bincount(labels, minlength=images.num_classes) > 0
    small = (distinct < FEWEST_OF_CLASS) & present
    rows = np.flatnonzero(~small[labels])
    return rows, tuple(images.class_names[label] for label in np.flatnonzero(small))


def only_classes(images: ImageSet, rows: NDArray[np.int64]) -> ImageSet:
    """The pictures at `rows` with the classes that they have, numbered anew; tags as they are."""
    taken = images.take(rows)
    if taken.labels is None:
        return taken
    kept, labels = np.unique(taken.labels, return_inverse=True)
    names = tuple(images.class_names[label] for label in kept)
    return dataclasses.replace(taken, labels=labels, class_names=names).with_hashes(taken.known_hashes)


def possible_folds(images: ImageSet, folds: int, *, spread: bool) -> int:
    """`folds`, or fewer where the pictures do not reach: as many as there are distinct pictures, and unless
    a class may be missing from some folds (`spread`) as the smallest class has.
    """
    distinct, _, group_label = content_groups(images)
    most = len(distinct)
    if not spread and images.labels is not None:
        most = int(np.bincount(group_label, minlength=images.num_classes).min())
    return min(folds, most)


def linear_out_of_sample(
    features: NDArray[np.float32],
    images: ImageSet,
    fold_options: FoldOptions,
    seed: int,
    report: Reporter = silent,
) -> OutOfSample:
    """Out-of-fold probabilities by linear heads on features that know nothing of these labels.

    Of the folds that a head may see the next one chooses its strength and its temperature; it is then fitted
    on all of them.

    Args:
        features: float32 (N, D).
        images: the same pictures with labels, or with tags (then one decision a tag).
        fold_options: folds (at least 3) and repeats.
        seed: of the folds.
    """
    shape = (fold_options.repeats, len(images), images.num_classes)
    repeats, folds, strengths = np.zeros(shape, dtype=np.float32), list[Fold](), list[float]()
    rows = LinearData(features, _targets(images))
    total = fold_options.repeats * fold_options.folds
    for repeat in range(fold_options.repeats):
        numbers = fold_numbers(images, fold_options.folds, derive_seed(seed, "curate", repeat), rare="spread")
        for fold in range(fold_options.folds):
            started = time.perf_counter()
            probs, strength = _held_out(rows, numbers, fold, images.num_classes)
            repeats[repeat, numbers == fold] = probs
            strengths.append(strength)
            if images.labels is not None:
                place = (repeat, fold, time.perf_counter() - started)
                folds.append(_fold(images, numbers, probs, place))
            report("folds", repeat * fold_options.folds + fold + 1, total)
    mean = repeats.mean(axis=0)
    if images.tags is not None:
        return OutOfSample(mean, repeats, None, float(np.median(strengths)))
    predictions = Predictions(
        mean, images.class_names, images.ids, images.labels, LINEAR_HEADS, seed
    ).unseen()
    validated = CrossValidation(
        LINEAR_HEADS, fold_options.folds, fold_options.repeats, tuple(folds), predictions, seed
    )
    return OutOfSample(mean, repeats, validated, float(np.median(strengths)))


def _targets(images: ImageSet) -> NDArray[Any]:
    return images.require_labels() if images.tags is None else images.tags


def _held_out(
    rows: LinearData, numbers: NDArray[np.int64], fold: int, classes: int
) -> tuple[NDArray[np.float32], float]:
    """(probabilities of one fold, the strength of the head that gave them)."""
    chosen_on = (fold + 1) % (int(numbers.max()) + 1)
    seen, val = np.flatnonzero(numbers != fold), np.flatnonzero(numbers == chosen_on)
    fitted = np.flatnonzero((numbers != fold) & (numbers != chosen_on))
    return linear_probs(rows, (fitted, val, seen), rows.features[numbers == fold], classes)


def linear_probs(
    rows: LinearData,
    sides: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    features: NDArray[np.float32],
    classes: int,
) -> tuple[NDArray[np.float32], float]:
    """(probabilities float32 (M, K) of other `features`, strength of the head).

    Args:
        rows: features with labels, or with tags.
        sides: the rows to fit on while the strength is chosen, those that choose it (and the temperature),
            and those that the head is then fitted on.
    """
    fitted, val, seen = (rows.take(part) for part in sides)
    if rows.targets.ndim == 2:
        heads = fit_one_vs_rest(fitted, val)
        strength = float(np.nanmedian(heads.strengths)) if np.isfinite(heads.strengths).any() else 1.0
        return fit_one_vs_rest(seen, val, LinearSettings((strength,))).probs(features), strength
    if len(np.unique(fitted.targets)) < 2:
        return np.full((len(features), classes), 1 / classes, dtype=np.float32), float("nan")
    head = fit_linear(fitted, val, classes)
    temperature = fit_temperature(val.features @ head.weight.T + head.bias, val.targets)
    final = fit_linear(seen, val, classes, LinearSettings((head.strength,)))
    return softmax((features @ final.weight.T + final.bias) / temperature, axis=1), head.strength


def _fold(
    images: ImageSet, numbers: NDArray[np.int64], probs: NDArray[np.float32], place: tuple[int, int, float]
) -> Fold:
    repeat, fold, seconds = place
    held = images.take(np.flatnonzero(numbers == fold))
    found = score(Predictions(probs, held.class_names, held.ids, held.labels))
    n_val = int((numbers == (fold + 1) % (int(numbers.max()) + 1)).sum())
    measures = (getattr(found, measure) for measure in MEASURES)
    return Fold(repeat, fold, len(images) - len(held), n_val, len(held), *measures, seconds=seconds)


def network_out_of_sample(
    images: ImageSet, plan: ClassifierPlan, fold_options: FoldOptions, training: Training
) -> OutOfSample:
    """Out-of-fold probabilities by networks of a plan, each trained without the pictures of its fold; as
    `cross_validate`, once a repeat. `training.folder` keeps finished folds.
    """
    found = [
        cross_validate(
            images,
            plan,
            dataclasses.replace(fold_options, repeats=1),
            dataclasses.replace(training, seed=derive_seed(training.seed, "curate", repeat)),
        )
        for repeat in range(fold_options.repeats)
    ]
    repeats = np.stack([one.predictions.pred_probs for one in found])
    folds = tuple(
        dataclasses.replace(fold, repeat=repeat) for repeat, one in enumerate(found) for fold in one.folds
    )
    mean = repeats.mean(axis=0)
    predictions = dataclasses.replace(found[0].predictions, pred_probs=mean)
    validated = CrossValidation(
        plan.model, fold_options.folds, fold_options.repeats, folds, predictions, training.seed
    )
    return OutOfSample(mean, repeats, validated)
