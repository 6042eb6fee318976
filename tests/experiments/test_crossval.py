"""Cross-validation: no picture is read by a model that saw it, and what was finished is not fitted again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import score
from lightfast.experiments import crossval
from lightfast.experiments.crossval import CrossValidation, FoldOptions, corrected_p_value, cross_validate
from lightfast.statistics.resampled import corrected_interval, corrected_t_test
from lightfast.train.fit import ClassifierPlan
from lightfast.train.recipe import Recipe, Training

FOREST = ClassifierPlan("random-forest", config={"trees": 5})
ONE_AT_A_TIME = FoldOptions(folds=3, jobs=1)


def noise(copies: int = 1, pictures: int = 160) -> ImageSet:
    """Noise with random labels, every picture `copies` times: nothing can be learnt, only remembered."""
    rng = np.random.default_rng(8)
    images = rng.integers(0, 256, (pictures, 6, 6, 1), dtype=np.uint8)
    labels = rng.permutation(np.arange(pictures) % 4)
    return ImageSet(np.tile(images, (copies, 1, 1, 1)), tuple("abcd"), np.tile(labels, copies), name="noise")


@pytest.fixture(scope="module")
def validated(blobs: ImageSet) -> CrossValidation:
    return cross_validate(blobs, FOREST, FoldOptions(folds=3, repeats=2, jobs=1), Training(seed=4))


@pytest.mark.parametrize("copies", [1, 3])
def test_a_model_that_remembers_everything_is_at_chance_out_of_fold(copies: int):
    images = noise(copies)
    plan = ClassifierPlan("random-forest", config={"trees": 15})
    remembered = plan.fit(images, images, Training()).network.pred_probs(images.images).argmax(axis=1)
    assert (remembered == images.require_labels()).mean() > 0.95
    found = cross_validate(images, plan, ONE_AT_A_TIME, Training())
    # 160 distinct pictures at 1 in 4: five standard deviations are 17 points.
    assert score(found.predictions).accuracy < 0.42


def test_every_picture_is_in_the_test_part_of_one_model_a_repeat_and_in_no_training_part_of_it(
    blobs: ImageSet, monkeypatch: pytest.MonkeyPatch
):
    seen: list[tuple[set[str], set[str]]] = []
    fit, read = ClassifierPlan.fit, crossval.predict

    def watched_fit(self: ClassifierPlan, train: ImageSet, val: ImageSet, training: Training) -> Any:
        seen.append(({*train.ids, *val.ids}, set()))
        return fit(self, train, val, training)

    def watched_read(checkpoint: Any, images: ImageSet) -> Any:
        seen[-1][1].update(images.ids)
        return read(checkpoint, images)

    monkeypatch.setattr(ClassifierPlan, "fit", watched_fit)
    monkeypatch.setattr(crossval, "predict", watched_read)
    found = cross_validate(blobs, FOREST, ONE_AT_A_TIME, Training())
    assert all(not learnt & held and learnt | held == set(blobs.ids) for learnt, held in seen)
    assert sorted(one for _, held in seen for one in held) == sorted(blobs.ids)
    assert [(fold.n_train + fold.n_val, fold.n_test) for fold in found.folds] == [
        (len(learnt), len(held)) for learnt, held in seen
    ]


def test_predictions_stand_in_the_given_order_and_their_score_is_the_mean_over_equal_folds(blobs: ImageSet):
    found = cross_validate(blobs, FOREST, ONE_AT_A_TIME, Training(seed=1))
    assert found.predictions.ids == blobs.ids
    assert found.predictions.require_labels().tolist() == blobs.require_labels().tolist()
    assert {fold.n_test for fold in found.folds} == {40}
    assert score(found.predictions).accuracy == pytest.approx(found.scores().mean())


def test_repeats_average_the_probabilities_of_their_folds(blobs: ImageSet, tmp_path: Path):
    from lightfast.evaluate.predictions import Predictions

    found = cross_validate(
        blobs, FOREST, FoldOptions(folds=2, repeats=3, jobs=1), Training(seed=2, folder=tmp_path)
    )
    summed = {one: np.zeros(3) for one in blobs.ids}
    times = dict.fromkeys(blobs.ids, 0)
    for path in tmp_path.glob("*.parquet"):
        part = Predictions.load(path)
        for one, probs in zip(part.ids, part.pred_probs, strict=True):
            summed[one] += probs
            times[one] += 1
    assert set(times.values()) == {3}
    np.testing.assert_allclose(
        found.predictions.pred_probs, [summed[one] / 3 for one in blobs.ids], atol=1e-6
    )
    assert len(found.folds) == 6


def test_the_interval_is_the_corrected_one_and_json_is_plain(validated: CrossValidation):
    import json

    scores = validated.scores("macro_f1")
    low, high = corrected_interval(scores, 0.5)
    assert (low, high) == pytest.approx((1, 1))
    # No fold has an error, so their spread says nothing: what 120 pictures can show remains.
    assert tuple(validated.interval()) == pytest.approx((0.025 ** (1 / 120), 1))
    assert 0.95 < validated.interval("macro_f1").low < validated.interval().low + 0.01
    told = json.loads(json.dumps(validated.as_json()))
    assert told["macro_f1"] == pytest.approx(scores.mean())
    assert told["macro_f1_spread"] == pytest.approx(scores.std(ddof=1))
    assert (told["n"], told["folds"], told["repeats"], len(told["per_fold"])) == (120, 3, 2, 6)
    assert all(0 <= end <= 1 for end in told["accuracy_interval"])


def test_the_same_seed_gives_the_same_readings_and_another_seed_others(blobs: ImageSet):
    images = noise()
    first, again, other = (
        cross_validate(images, FOREST, ONE_AT_A_TIME, Training(seed=seed)).predictions.pred_probs
        for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_a_killed_cross_validation_goes_on_without_fitting_finished_folds(
    blobs: ImageSet, tmp_path: Path, killed_fits: Any
):
    through = cross_validate(blobs, FOREST, ONE_AT_A_TIME, Training(seed=5))
    fits = killed_fits(3)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(blobs, FOREST, ONE_AT_A_TIME, Training(seed=5, folder=tmp_path))
    resumed = cross_validate(blobs, FOREST, ONE_AT_A_TIME, Training(seed=5, folder=tmp_path))
    assert fits.count == 4
    assert (resumed.predictions.pred_probs == through.predictions.pred_probs).all()
    unclocked = [[dataclasses.replace(fold, seconds=0.0) for fold in one.folds] for one in (resumed, through)]
    assert unclocked[0] == unclocked[1]
    cross_validate(blobs, FOREST, ONE_AT_A_TIME, Training(seed=5, folder=tmp_path))
    assert fits.count == 4


@pytest.mark.parametrize("change", ["seed", "plan", "folds", "labels"])
def test_folds_kept_for_other_settings_are_not_taken(
    blobs: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
):
    cross_validate(blobs, FOREST, FoldOptions(folds=2, jobs=1), Training(folder=tmp_path))
    fits: list[int] = []
    fit = ClassifierPlan.fit
    monkeypatch.setattr(ClassifierPlan, "fit", lambda self, *given: fits.append(1) or fit(self, *given))
    turned = dataclasses.replace(blobs, labels=(blobs.require_labels() + 1) % 3)
    cross_validate(
        turned if change == "labels" else blobs,
        ClassifierPlan("random-forest", config={"trees": 3}) if change == "plan" else FOREST,
        FoldOptions(folds=4 if change == "folds" else 2, jobs=1),
        Training(seed=int(change == "seed"), folder=tmp_path),
    )
    assert len(fits) == (4 if change == "folds" else 2)


def test_two_jobs_give_the_figures_of_one(blobs: ImageSet):
    plan = ClassifierPlan("mlp", Recipe.of(epochs=2, batch_size=32, learning_rate=1e-2), {"hidden": [8]})
    one, two = (
        cross_validate(blobs, plan, FoldOptions(folds=2, jobs=jobs), Training(seed=6)) for jobs in (1, 2)
    )
    assert (one.predictions.pred_probs == two.predictions.pred_probs).all()
    assert one.scores().tolist() == two.scores().tolist()


def test_torch_has_its_threads_back_afterwards(blobs: ImageSet):
    torch.set_num_threads(2)
    cross_validate(blobs, FOREST, FoldOptions(folds=2, jobs=1), Training())
    assert torch.get_num_threads() == 2


def test_models_dealt_alike_are_compared_by_the_corrected_test(blobs: ImageSet, validated: CrossValidation):
    stump = cross_validate(
        blobs,
        ClassifierPlan("random-forest", config={"trees": 1, "depth": 1}),
        FoldOptions(3, 2, 1),
        Training(seed=4),
    )
    assert corrected_p_value(stump, validated) == corrected_t_test(stump.scores(), validated.scores(), 0.5)
    assert corrected_p_value(stump, validated) < 0.05
    assert corrected_p_value(validated, validated) == 1


@pytest.mark.parametrize("change", [{"seed": 5}, {"k": 4}, {"repeats": 1}, "ids", "labels"], ids=str)
def test_models_dealt_otherwise_are_not_compared(validated: CrossValidation, change: Any):
    if isinstance(change, str):
        turned = {
            "ids": validated.predictions.ids[::-1],
            "labels": (validated.predictions.require_labels() + 1) % 3,
        }
        change = {"predictions": dataclasses.replace(validated.predictions, **{change: turned[change]})}
    with pytest.raises(
        DataError, match=r"not paired: expected the same pictures, folds, repeats and seed\. Run both"
    ):
        corrected_p_value(validated, dataclasses.replace(validated, **change))


def test_what_cannot_be_dealt_out_is_refused_before_anything_is_fitted(
    blobs: ImageSet, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ClassifierPlan, "fit", lambda *given: pytest.fail("fitted"))
    left, middle, right = (np.flatnonzero(blobs.require_labels() == label) for label in range(3))
    with pytest.raises(DataError, match=r"class 'right' would be missing from a fold.*Use at most 3 folds"):
        cross_validate(blobs.take([*left, *middle, *right[:3]]), FOREST, FoldOptions(folds=5), Training())
    with pytest.raises(DataError, match=r"4 folds: expected at least 4 distinct pictures, got 3"):
        cross_validate(blobs.take([0, 1, 2]), FOREST, FoldOptions(folds=4), Training())
    with pytest.raises(
        DataError,
        match=r"class 'right': expected at least 2 distinct pictures outside every fold.*Use more folds",
    ):
        cross_validate(blobs.take([*left, *middle, *right[:3]]), FOREST, FoldOptions(folds=2), Training())
    with pytest.raises(DataError, match="no training pictures of right"):
        cross_validate(blobs.take([*left, *middle]), FOREST, FoldOptions(), Training())
    with pytest.raises(SettingsError, match="1 folds: expected at least 2"):
        cross_validate(blobs, FOREST, FoldOptions(folds=1), Training())
    with pytest.raises(SettingsError, match="0 repeats: expected at least 1"):
        FoldOptions(repeats=0)


def test_three_pictures_of_a_class_are_enough_for_three_folds(blobs: ImageSet):
    left, middle, right = (np.flatnonzero(blobs.require_labels() == label) for label in range(3))
    found = cross_validate(blobs.take([*left, *middle, *right[:3]]), FOREST, ONE_AT_A_TIME, Training())
    assert len(found.predictions) == 83
