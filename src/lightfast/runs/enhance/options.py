"""What `enhance` is asked for: the words of the command line as a plan to learn by,
refused early where they cannot be meant.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lightfast.base.errors import CheckpointError, SettingsError, UnknownName
from lightfast.base.settings import Settings
from lightfast.corrupt.suite import SUITES
from lightfast.models.build import find_model
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.device import resolve_device
from lightfast.models.enhanced import split_enhanced
from lightfast.models.enhanced_network import ENHANCED_MODEL
from lightfast.models.forest import Forest
from lightfast.models.load import REFUSED, load_checkpoint
from lightfast.restore.enhance import CAMERA, EnhancerPlan, FirstLoss, paper_enhancer_plan
from lightfast.restore.gate import GateKind
from lightfast.restore.pairs import DamageMix
from lightfast.runs.folder import RUN_FILE, load_run
from lightfast.runs.options import RunOptions
from lightfast.train.enhancement import Fidelity

Protocol = Literal["honest", "full"]
NO_SUITE = "none"
_GIVEN = {"image_shape", "outputs", "identifier"}


@dataclass(frozen=True)
class EnhanceOptions:
    """What `enhance` may be told beside RUN and DATA.

    Attributes:
        enhancer: `unet` (residual, held back by the fidelity term), `paper` (the perturbations paper's U-Net
            and way), `own:A-B` (its plain autoencoders, learnt in the same way).
        degrade: suite of damages that it learns and is measured under; "none": clean pictures only. None:
            `unet` learns the suite `camera`, the paper's ways learn clean pictures, and all are measured
            under `camera`.
        strengths: λ of the fidelity term; None = those of the plan.
        gate: accept by the gain on clean validation pictures, on degraded ones, or whatever comes.
        protocol: "full" learns a second one with the test pictures, to show what that leak is worth.
        transfer: runs or `hf-hub:ID`s that never saw the enhancer, to try it on.
        use: a run that `enhance` wrote: take its enhancer, learn nothing.
        settings: texts KEY=VALUE of the recipe; enhancer.KEY for the network, plan.KEY for the plan
            (`EnhancePlanSettings`).
        limit: at most so many pictures of each part, drawn by the seed.
    """

    enhancer: str = "unet"
    degrade: str | None = None
    strengths: tuple[float, ...] | None = None
    gate: GateKind = "clean"
    protocol: Protocol = "honest"
    transfer: tuple[str, ...] = ()
    use: str | None = None
    settings: tuple[str, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        given = self.strengths
        if given is not None and not (given and all(math.isfinite(one) and one >= 0 for one in given)):
            raise SettingsError(
                "`strengths`",
                expected="numbers from 0 on, at least one",
                got=str(given),
                cure="E.g. 0.03,0.3,3.",
            )
        fresh = EnhanceOptions.__dataclass_fields__
        wrong = [
            name
            for name in ("strengths", "settings", "enhancer", "protocol")
            if self.use is not None and getattr(self, name) != fresh[name].default
        ]
        if wrong:
            raise SettingsError(
                f"`use` takes an enhancer that is there and learns nothing: `{wrong[0]}` has no effect",
                cure="Leave one of them out.",
            )
        if self.gate == "degraded" and self.degrade == NO_SUITE:
            raise no_damage("`degrade` none makes none")

    @property
    def suite(self) -> str | None:
        """The suite of damages that is measured; None for none."""
        if self.degrade == NO_SUITE:
            return None
        if self.degrade is None and self.use is not None and (Path(self.use) / RUN_FILE).is_file():
            told = load_run(Path(self.use)).get("config") or {}
            return told.get("suite", CAMERA)
        return SUITES.get(self.degrade or CAMERA).name

    @property
    def measured(self) -> DamageMix | None:
        """The damages of `suite`, no picture left clean."""
        return None if self.suite is None else DamageMix.of_suite(self.suite, clean_share=0.0)


class EnhancePlanSettings(Settings):
    """What `--set plan.KEY=VALUE` may change."""

    fidelity: Fidelity = Field(
        default="ssim", description="distance from the clean picture: ssim (1 − SSIM) or l1"
    )
    trial_epochs: int | None = Field(
        default=2, ge=1, description="epochs for each of several strengths before the choice; none = all"
    )
    per_epoch: int | None = Field(default=None, ge=1, description="pictures an epoch; none = all")
    clean_share: float = Field(
        default=0.5, ge=0, lt=1, description="share of the pictures that it learns on left undamaged"
    )
    reconstruct_epochs: int = Field(
        default=0, ge=0, description="epochs that first learn to give the clean picture back; 0 = none"
    )
    first_loss: FirstLoss | None = Field(
        default=None, description="pixel loss of those epochs: bce or mse; none = bce (unet: mse)"
    )


def enhancer_plan(enhance_options: EnhanceOptions) -> EnhancerPlan:
    """The plan to learn by.

    Raises UnknownName for an enhancer, suite or setting that does not exist, SettingsError for a wrong value.
    """
    plan = _named_plan(enhance_options.enhancer)
    pairs: dict[str, list[str]] = {"": [], "enhancer.": [], "plan.": []}
    for pair in enhance_options.settings:
        prefix = next((one for one in pairs if one and pair.startswith(one) and "=" in pair), "")
        pairs[prefix].append(pair.removeprefix(prefix))
    said = EnhancePlanSettings.of(
        fidelity=plan.fidelity,
        trial_epochs=plan.trial_epochs,
        per_epoch=plan.per_epoch,
        clean_share=0.5 if plan.mix is None else plan.mix.clean_share,
        reconstruct_epochs=plan.reconstruct.epochs if plan.reconstruct else 0,
        first_loss=plan.first_loss,
    ).updated(pairs["plan."])
    first = said.reconstruct_epochs
    if said.first_loss is not None and not first:
        raise SettingsError(
            f"plan.first_loss={said.first_loss}",
            expected="a first step to take the loss of",
            got="plan.reconstruct_epochs=0",
            cure="Add plan.reconstruct_epochs=2, or leave plan.first_loss out.",
        )
    return dataclasses.replace(
        plan,
        config={**plan.config, **_config(pairs["enhancer."], plan.model)},
        strengths=enhance_options.strengths or plan.strengths,
        fidelity=said.fidelity,
        mix=_mix(plan, enhance_options.degrade, said.clean_share),
        recipe=plan.recipe.updated(pairs[""]),
        trial_epochs=said.trial_epochs,
        per_epoch=said.per_epoch,
        reconstruct=paper_enhancer_plan(epochs=(first, 1)).reconstruct if first else None,
        first_loss=said.first_loss,
    )


def _named_plan(name: str) -> EnhancerPlan:
    if name == "unet":
        return EnhancerPlan()
    if name == "paper":
        return paper_enhancer_plan()
    if name.startswith("own:"):
        return paper_enhancer_plan(name)
    raise UnknownName("enhancer", name, ("unet", "paper", "own:A-B"))


def _mix(plan: EnhancerPlan, degrade: str | None, clean_share: float) -> DamageMix | None:
    if degrade is None:
        return plan.mix and DamageMix(plan.mix.choices, clean_share)
    return None if degrade == NO_SUITE else DamageMix.of_suite(degrade, clean_share=clean_share)


def no_damage(why: str) -> SettingsError:
    """The refusal of a gate that goes by degraded pictures where there are none."""
    return SettingsError(
        f"`gate` degraded goes by degraded pictures, and {why}",
        cure="Name a suite as `degrade`, or take another `gate`.",
    )


def check_base(classifier: Checkpoint, run: str) -> None:
    """Refuse what no enhancer can learn through: a forest, a classifier of any number of labels."""
    if isinstance(classifier.network, Forest):
        raise CheckpointError(
            f"{run} is a {classifier.model}: it has no gradients, by which an enhancer learns",
            expected="a network",
            cure="Give the run of a network.",
        )
    if classifier.task != "multi-class":
        raise CheckpointError(
            f"{run} gives any number of labels a picture",
            expected="a classifier of one label a picture",
            cure="Train one on pictures with one label each.",
        )


def load_enhancer(run: str, options: RunOptions) -> Checkpoint:
    """The enhancer that `enhance` wrote into the run folder `run`, also a refused one,
    or into a checkpoint folder of its own.
    """
    folder = Path(run)
    refused = folder / REFUSED
    there = load_checkpoint(
        refused if (refused / "checkpoint.json").is_file() else folder, resolve_device(options.device)
    )
    if there.role == "restorer":
        return there
    if there.model != ENHANCED_MODEL:
        raise CheckpointError(
            f"{run} holds no enhancer",
            expected="a run that `enhance` wrote",
            got=f"a {there.model}",
            cure="Make one with `enhance`.",
        )
    return split_enhanced(there)[0]


def _config(pairs: Sequence[str], model: str) -> Mapping[str, Any]:
    """Keyword arguments of the enhancer's network, values read as JSON;
    refuses keys that it does not know.
    """
    usual = {
        key: one.default
        for key, one in inspect.signature(find_model(model, "restorer").build).parameters.items()
        if key not in _GIVEN
    }
    config: dict[str, Any] = {}
    for pair in pairs:
        key, _, value = (part.strip() for part in pair.partition("="))
        if key not in usual:
            raise UnknownName(f"setting of enhancer {model}", key, usual)
        config[key] = value
        with contextlib.suppress(json.JSONDecodeError):
            config[key] = json.loads(value)
        if type(config[key]) is not type(usual[key]):
            kind = "true or false" if isinstance(usual[key], bool) else "a whole number"
            cure = f"E.g. enhancer.{key}={str(usual[key]).lower()}."
            raise SettingsError(f"enhancer.{pair}", expected=kind, cure=cure)
    return config
