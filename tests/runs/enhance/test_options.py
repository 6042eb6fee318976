"""From what was asked for to the plan of an enhancer."""

from __future__ import annotations

import pytest

from lightfast.base.errors import SettingsError
from lightfast.runs.enhance.options import EnhanceOptions, enhancer_plan


def test_the_plans_are_the_papers_and_ours():
    ours, paper, own = (enhancer_plan(EnhanceOptions(enhancer=name)) for name in ("unet", "paper", "own:2-3"))
    assert ours.mix is not None
    assert (ours.model, dict(ours.config), ours.strengths) == ("levels-unet", {}, (0.03, 0.3))
    assert ours.reconstruct is None
    assert (paper.model, paper.mix, paper.strengths, own.model) == ("paper-unet", None, (0.0,), "own:2-3")
    assert paper.reconstruct is not None
    assert own.reconstruct is not None


def test_settings_reach_recipe_network_and_plan():
    enhance_options = EnhanceOptions(
        enhancer="paper",
        degrade="mnist-c",
        strengths=(0.5,),
        settings=(
            "epochs=3",
            "enhancer.width=8",
            "plan.fidelity=l1",
            "plan.reconstruct_epochs=2",
            "plan.clean_share=0.25",
            "plan.per_epoch=7",
        ),
    )
    plan = enhancer_plan(enhance_options)
    assert plan.reconstruct is not None
    assert plan.mix is not None
    assert (plan.recipe.epochs, dict(plan.config), plan.fidelity, plan.reconstruct.epochs) == (
        3,
        {"width": 8},
        "l1",
        2,
    )
    assert (plan.mix.clean_share, plan.per_epoch, plan.strengths, enhance_options.suite) == (
        0.25,
        7,
        (0.5,),
        "mnist-c",
    )
    assert (
        enhancer_plan(EnhanceOptions(enhancer="paper", settings=("plan.reconstruct_epochs=0",))).reconstruct
        is None
    )


def test_the_loss_of_the_first_step_is_chosen_and_refused_where_there_is_no_such_step():
    for loss in ("mse", "bce"):
        assert (
            enhancer_plan(EnhanceOptions("paper", settings=(f"plan.first_loss={loss}",))).first_loss == loss
        )
    assert enhancer_plan(EnhanceOptions("paper")).first_loss is None
    wanted = ("plan.first_loss=bce",)
    with pytest.raises(SettingsError, match=r"plan\.reconstruct_epochs=2"):
        enhancer_plan(EnhanceOptions("unet", settings=wanted))
    cured = enhancer_plan(EnhanceOptions("unet", settings=(*wanted, "plan.reconstruct_epochs=2")))
    assert cured.first_loss == "bce"
    assert cured.reconstruct is not None
