"""Re-readings over shifted views, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import UnknownName
from lightfast.corrupt.suite import corrupt
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import pred_probs
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import restore
from lightfast.restore.denoise import RestorerPlan, fit_restorer
from lightfast.restore.pairs import DamageMix
from lightfast.restore.views import (
    choose_reread_views,
    moved,
    restored_and_read,
    views_of_restorer,
    with_reread_views,
)
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe

MIX = DamageMix((("stripe", 3),), clean_share=0.3)


@pytest.fixture(scope="module")
def kit(blobs: ImageSet) -> tuple[Checkpoint, Checkpoint]:
    """(a classifier, a restorer): what they make of a picture is of no matter here."""
    recipe = Recipe(epochs=1, batch_size=16)
    small = {"widths": [8, 8], "dense": 16, "dropout": 0.0}
    classifier = fit(blobs, blobs, recipe=recipe, config=small)
    plan = RestorerPlan(config={"width": 8, "depth": 1}, recipe=recipe)
    return classifier, fit_restorer(blobs, blobs, MIX, classifier=classifier, plan=plan)


@pytest.mark.parametrize(("down", "across"), [(1, 0), (-1, 0), (0, 1), (0, -1), (2, -1), (0, 0)])
def test_moved_pictures_are_those_of_a_slow_loop(down: int, across: int):
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 2), dtype=np.uint8)
    found = moved(images, down, across)
    for row in range(5):
        for column in range(4):
            source = images[:, np.clip(row - down, 0, 4), np.clip(column - across, 0, 3)]
            assert (found[:, row, column] == source).all()


def test_shifted_views_are_the_mean_of_five_readings(kit: tuple[Checkpoint, Checkpoint], blobs: ImageSet):
    classifier, restorer = kit
    images = corrupt(blobs, "stripe", 3).images[:40]
    shown, probs = restored_and_read(classifier, with_reread_views(restorer, "shift"), images)
    places = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    each = [pred_probs(classifier, restore(restorer, moved(images, *place))) for place in places]
    assert np.allclose(probs, np.mean(each, axis=0), atol=1e-6)
    assert (shown == restore(restorer, images)).all()
    assert not np.allclose(probs, each[0], atol=1e-6)


def test_a_restorer_of_before_is_read_over_one_view(kit: tuple[Checkpoint, Checkpoint], blobs: ImageSet):
    classifier, restorer = kit
    assert views_of_restorer(restorer) == "one"
    _, probs = restored_and_read(classifier, restorer, blobs.images[:20])
    assert (probs == pred_probs(classifier, restore(restorer, blobs.images[:20]))).all()


def test_views_are_chosen_on_validation_pictures_and_counted(
    kit: tuple[Checkpoint, Checkpoint], blobs: ImageSet
):
    chosen = choose_reread_views(*kit, blobs, MIX)
    counted = chosen.details["reread_views_val"]
    assert counted["n"] == 2 * len(blobs)
    if views_of_restorer(chosen) == "shift":
        assert counted["shift"] > counted["one"]
    with pytest.raises(UnknownName, match="views"):
        with_reread_views(chosen, "mirror")


def test_views_that_are_named_after_a_choice_leave_the_choice_open(
    kit: tuple[Checkpoint, Checkpoint], blobs: ImageSet
):
    chosen = choose_reread_views(*kit, blobs, MIX)
    assert "reread_views_val" not in with_reread_views(chosen, "one").details
