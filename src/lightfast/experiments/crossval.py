"""Cross-validation: every picture is read by a model that never saw it,
and the spread over folds is turned into an honest interval.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import json_digest, load_json, write_json
from lightfast.base.plain import as_json
from lightfast.base.randomness import derive_seed
from lightfast.data.folds import fold_numbers
from lightfast.data.images import ImageSet
from lightfast.data.splits import content_groups, near_copies_of, split_off
from lightfast.evaluate.macro import MACRO_MEANS, macro_bounds
from lightfast.evaluate.metrics import confusion_matrix, score
from lightfast.evaluate.predict import calibrate, predict
from lightfast.evaluate.predictions import Predictions
from lightfast.models.device import resolve_device
from lightfast.statistics.intervals import Interval, clopper_pearson
from lightfast.statistics.resampled import CROSSVAL_INTERVAL, corrected_interval, corrected_t_test
from lightfast.train.fit import ClassifierPlan, check_trainable
from lightfast.train.recipe import Training

_VALIDATION_SHARE = 0.1
MEASURES = ("accuracy", "macro_precision", "macro_recall", "macro_f1")


@dataclass(frozen=True)
class Fold:
    """One model of a cross-validation: fitted on `n_train` pictures, scored on `n_test` others;
    measures in 0..1, seconds of the fit.
    """

    repeat: int
    fold: int
    n_train: int
    n_val: int
    n_test: int
    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    seconds: float


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """A model judged by cross-validation.

    Attributes:
        model: registry name.
        k, repeats: folds, and how often the pictures were split anew.
        folds: k · repeats rows.
        predictions: out-of-fold probabilities of every picture in its given order (mean over the repeats),
            with labels.
        seed: of folds, weights and validation parts.
    """

    model: str
    k: int
    repeats: int
    folds: tuple[Fold, ...]
    predictions: Predictions
    seed: int

    def scores(self, measure: str = "accuracy") -> NDArray[np.float64]:
        """float (k · repeats,): one measure of every fold."""
        return np.array([getattr(fold, measure) for fold in self.folds], dtype=np.float64)

    @property
    def ratio(self) -> float:
        """Test pictures to training pictures of a fold, which the correction needs: 1 / (k - 1)."""
        return 1.0 / (self.k - 1)

    def interval(self, measure: str = "accuracy") -> Interval:
        """95 % interval of the mean over folds, corrected for their shared training pictures
        (Nadeau and Bengio 2003), within 0..1, and nowhere narrower than that of the counted pictures.

        The spread of three or five folds says little where few pictures are misread, and nothing where none
        is. A picture that is read in several repeats counts once. Simulated coverage: benchmarks/coverage.py.
        """
        scores = self.scores(measure)
        low, high = corrected_interval(scores, self.ratio)
        counted = self._counted(measure)
        return Interval(max(0.0, min(low, counted.low)), min(1.0, max(high, counted.high)))

    def _counted(self, measure: str) -> Interval:
        """The interval of a measure from the pictures alone, each read out of fold."""
        n = len(self.predictions)
        if measure == "accuracy":
            sizes = np.array([fold.n_test for fold in self.folds], dtype=np.float64)
            return clopper_pearson(n * float(self.scores() @ sizes / sizes.sum()), n)
        labels, read = self.predictions.require_labels(), self.predictions.predicted_labels
        confusion = confusion_matrix(labels, read, self.predictions.num_classes)
        return macro_bounds(confusion, {measure: MACRO_MEANS[measure]})[measure]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; mean, spread (standard deviation over folds) and interval of every measure."""
        figures: dict[str, Any] = {}
        for measure in MEASURES:
            values = self.scores(measure)
            figures |= {
                measure: float(values.mean()),
                f"{measure}_spread": float(values.std(ddof=1)),
                f"{measure}_interval": list(self.interval(measure)),
            }
        return {
            "model": self.model,
            "n": len(self.predictions),
            "folds": self.k,
            "repeats": self.repeats,
            "seed": self.seed,
            **figures,
            "interval_method": CROSSVAL_INTERVAL,
            "per_fold": as_json(self.folds),
        }


def check_repeats(repeats: int) -> None:
    """Refuse fewer than one."""
    if repeats < 1:
        raise SettingsError(f"{repeats} repeats", expected="at least 1", cure="For instance `repeats` 3.")


@dataclass(frozen=True)
class FoldOptions:
    """How pictures are split: `folds` folds, `repeats` times, by `seed`; `jobs` models at once
    (None = one a core).
    """

    folds: int = 5
    repeats: int = 1
    jobs: int | None = None

    def __post_init__(self) -> None:
        check_repeats(self.repeats)


def cross_validate(
    images: ImageSet, plan: ClassifierPlan, fold_options: FoldOptions, training: Training
) -> CrossValidation:
    """Fit `plan` once a fold and repeat, each time without the pictures of the fold, and read those.

    Folds are stratified and grouped by content (`data.folds`). Within the other folds a tenth chooses the
    epoch and the temperature.

    Args:
        images: labelled pictures.
        plan: model, config and recipe.
        fold_options: folds, repeats, models at once.
        training: seed, device, reporter, and the folder that keeps finished folds (None: nothing is kept), so
            that a killed cross-validation goes on where it stopped.

    Raises DataError for too few pictures (in all or of a class), SettingsError for fewer than 2 folds: both
    before anything is fitted.
    """
    numbers = assign_folds(images, fold_options, training.seed)
    _ = images.content_hashes  # worked out once here instead of in every process
    # Reporter and executor stay here: they need not be such as can be pickled.
    quiet = Training(training.seed, training.device, training.folder)
    tasks = [
        (images, numbers[repeat], plan, quiet, repeat, fold)
        for repeat in range(fold_options.repeats)
        for fold in range(fold_options.folds)
    ]
    jobs = 1 if resolve_device(training.device).type == "cuda" else fold_options.jobs
    found = training.executor(_fold, tasks, jobs=jobs, report=training.report, label="folds")
    probs = np.zeros((len(images), images.num_classes), dtype=np.float64)
    for one, fold_probs in found:
        probs[numbers[one.repeat] == one.fold] += fold_probs / fold_options.repeats
    predictions = Predictions(
        probs.astype(np.float32), images.class_names, images.ids, images.labels, plan.model, training.seed
    ).unseen()
    return CrossValidation(
        plan.model,
        fold_options.folds,
        fold_options.repeats,
        tuple(fold for fold, _ in found),
        predictions,
        training.seed,
    )


def assign_folds(images: ImageSet, fold_options: FoldOptions, seed: int) -> list[NDArray[np.int64]]:
    """int64 (N,) fold numbers, one array a repeat; raises what `cross_validate` raises."""
    check_trainable(images)
    numbers = [
        fold_numbers(images, fold_options.folds, derive_seed(seed, "folds", repeat))
        for repeat in range(fold_options.repeats)
    ]
    for numbers_of_fold in numbers:
        _check_room(images, numbers_of_fold)
    return numbers


def _check_room(images: ImageSet, numbers: NDArray[np.int64]) -> None:
    """Refuse a class that, without one of the folds, has no picture to fit on beside the one to choose on
    (only two folds can do that).
    """
    _, group, group_label = content_groups(images)
    for fold in np.unique(numbers):
        left = np.bincount(group_label[np.unique(group[numbers != fold])], minlength=images.num_classes)
        scarce = int(left.argmin())
        if left[scarce] < 2:
            copies, cure = near_copies_of(images, scarce)
            raise DataError(
                f"{images.name}: class {images.class_names[scarce]!r}",
                got=f"{left[scarce]}{copies}",
                cure=f"Use more folds, add pictures of it, or leave the class out{cure}.",
                expected="at least 2 distinct pictures outside every fold, one to fit on and one to "
                "choose on",
            )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """torch computes on one thread inside (so that the number of jobs changes
    no figure) and as before afterwards.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def corrected_p_value(first: CrossValidation, second: CrossValidation, measure: str = "accuracy") -> float:
    """Two-sided p of "both models are equally good", from the same folds (Nadeau and Bengio 2003).

    Raises DataError when the two were not split alike (seed, folds, repeats, pictures).
    """
    same = (first.k, first.repeats, first.seed, first.predictions.ids) == (
        second.k,
        second.repeats,
        second.seed,
        second.predictions.ids,
    )
    if not same or not np.array_equal(
        first.predictions.require_labels(), second.predictions.require_labels()
    ):
        raise DataError(
            f"{first.model} and {second.model}: not paired",
            expected="the same pictures, folds, repeats and seed",
            cure="Run both cross-validations with the same `folds`, `repeats` and `seed`.",
        )
    return corrected_t_test(first.scores(measure), second.scores(measure), first.ratio)


def _fold(
    images: ImageSet,
    numbers: NDArray[np.int64],
    plan: ClassifierPlan,
    training: Training,
    repeat: int,
    fold: int,
) -> tuple[Fold, NDArray[np.float32]]:
    """One fold of one repeat: read where it is kept (a file of facts, one of probabilities), else fitted."""
    place = {"repeat": repeat, "fold": fold, "folds": int(numbers.max()) + 1}
    # What decides the result; the names of the files change with it.
    key = {"version": images.version, "seed": training.seed, **place, **as_json(plan)}
    facts = training.folder and training.folder / f"fold-{repeat}-{fold}-{json_digest(key, 6)}.json"
    if facts and facts.is_file() and facts.with_suffix(".parquet").is_file():
        kept = Predictions.load(facts.with_suffix(".parquet"))
        return Fold(**load_json(facts)["fold"]), kept.pred_probs
    seed = derive_seed(training.seed, "crossval", repeat, fold)
    held = images.take(np.flatnonzero(numbers == fold))
    fitted, val = split_off(images.take(np.flatnonzero(numbers != fold)), _VALIDATION_SHARE, seed)
    with one_thread():
        checkpoint = calibrate(plan.fit(fitted, val, Training(seed=seed, device=training.device)), val)
        predictions = predict(checkpoint, held)
    found = score(predictions)
    sizes, measures = (len(fitted), len(val), len(held)), (getattr(found, measure) for measure in MEASURES)
    done = Fold(repeat, fold, *sizes, *measures, seconds=float(checkpoint.details["fit_seconds"]))
    if facts:
        predictions.save(facts.with_suffix(".parquet"))
        write_json(facts, {"key": key, "fold": as_json(done)})
    return done, predictions.pred_probs
