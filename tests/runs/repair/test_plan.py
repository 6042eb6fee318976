"""Which kit is trained: by the suite, by the budget, and as it is told afterwards."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lightfast.base.errors import SettingsError
from lightfast.base.plain import as_json
from lightfast.data.images import ImageSet
from lightfast.runs.repair import plan as module
from lightfast.runs.repair.plan import (
    AUTOENCODERS,
    SIZES,
    KitChoice,
    KitRecord,
    RepairPlan,
    restorer_for,
    within_budget,
)
from lightfast.train.recipe import Training

MANY = ImageSet(
    np.zeros((11_000, 8, 8, 1), np.uint8), labels=np.zeros(11_000, np.int64), class_names=("a", "b")
)


def planned(monkeypatch: pytest.MonkeyPatch, speed: float, budget: float | None) -> RepairPlan:
    monkeypatch.setattr(module, "pictures_per_second", lambda *_: speed)
    return within_budget(KitChoice(budget=budget), None, MANY, Training())


def test_pictures_are_put_straight_where_the_suite_moves_them():
    assert [restorer_for(suite) for suite in ("mnist-c", "all", "imagenet-c")] == [
        "aligned-unet",
        "aligned-unet",
        "unet",
    ]
    assert KitChoice("camera").plan.restorer.model == "unet"


def test_the_kit_learns_the_suites_own_severities():
    mix = KitChoice().plan.mix
    assert len(mix.choices) == 15
    assert KitChoice().plan.restorer.recognition == 0.1


def test_the_largest_size_that_fits_is_taken(monkeypatch: pytest.MonkeyPatch):
    hour, minutes = (planned(monkeypatch, 600.0, budget) for budget in (3600.0, None))
    assert (hour.restorer.config["width"], hour.restorer.recipe.epochs, hour.restorer.per_epoch) == (
        32,
        60,
        11_000,
    )
    assert (minutes.restorer.config["width"], minutes.restorer.recipe.epochs) == (24, 30)


def test_a_slow_machine_trains_fewer_epochs_and_at_least_three(monkeypatch: pytest.MonkeyPatch):
    slow, slower = (planned(monkeypatch, speed, 600.0).restorer for speed in (250.0, 10.0))
    assert slow.recipe.epochs == 15
    assert slower.recipe.epochs == 3
    assert slower.per_epoch is not None
    assert 3 * slower.per_epoch <= 0.6 * 600 * 10


@pytest.mark.parametrize("restorer", AUTOENCODERS)
def test_an_autoencoder_has_no_budget_and_is_trained_as_the_papers(restorer: str):
    with pytest.raises(SettingsError, match="Leave one of them out"):
        KitChoice(restorer=restorer, budget=60.0)
    plan = within_budget(KitChoice(restorer=restorer), None, MANY, Training()).restorer
    assert (plan.model, plan.recipe.epochs, plan.pixel_loss, plan.recognition) == (restorer, 50, "bce", 0)


def test_the_speed_is_measured_by_training(blobs: ImageSet):
    plan = module.of_size("mnist-c", "aligned-unet", SIZES[-1])
    assert module.pictures_per_second(plan, None, blobs, Training()) > 0


def test_a_plan_comes_back_from_json():
    plan = KitChoice("camera").plan
    assert RepairPlan.from_json(json.loads(json.dumps(as_json(plan)))) == plan


def test_a_record_says_what_was_trained_and_one_of_an_earlier_version_is_read():
    made = KitRecord.of(KitChoice().plan, {"detector": 60.0, "restorer": 300.0}, 600.0)
    assert made.sentence() == (
        "the repair kit: aligned-unet of width 24, 30 epochs of 6,000 pictures damaged by mnist-c, "
        "severities the suite's own; 6 min 0 s of training within a budget of 10 min 0 s"
    )
    old = KitRecord("mnist-c", [1, 2], {"detector": 75.0})
    assert "an earlier version for the suite mnist-c" in old.sentence()
