"""Which repair kit is wanted, how large it is within a time budget, and what was made in the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from lightfast.base.errors import SettingsError, UnknownName
from lightfast.corrupt.suite import CORRUPTIONS, SUITES
from lightfast.data.images import ImageSet
from lightfast.models.checkpoint import Checkpoint
from lightfast.report.tables import duration
from lightfast.restore.denoise import RestorerPlan, fit_restorer
from lightfast.restore.detector import DetectorPlan
from lightfast.restore.pairs import DamageMix
from lightfast.restore.views import AUTO_VIEWS, REREAD_VIEWS
from lightfast.train.recipe import Recipe, Training

ALIGNED, UNALIGNED, PAPERS = "aligned-unet", "unet", "autoencoder"
AUTOENCODERS = (PAPERS, "sparse-autoencoder", "contractive-autoencoder", "stacked-autoencoder")
RESTORERS = (ALIGNED, UNALIGNED, *AUTOENCODERS)
"""What `repair` can put behind the detector: ours that puts pictures straight first, ours without that,
the damaged-digits paper's, and the other three kinds of autoencoder that it names.
"""
REPAIR_BUDGET = 600.0
"""Seconds that a kit may take to train, where nothing else is said."""
RESTORER_SHARE = 0.6
"""Of the budget; the rest is for the detector, for watching validation pictures, and for the rules."""
_FEWEST_EPOCHS = 3
VAL_WATCHED = 2000
"""Validation pictures at most that detector and restorer are watched on; the rules are fitted on all."""
_PROBE_PIXELS, _PROBE_STEPS = 200_000, (32, 256)


@dataclass(frozen=True)
class KitSize:
    """How much is trained: width of the restorer, its pictures an epoch and epochs, and the pictures of each
    epoch of the detector.
    """

    width: int
    per_epoch: int
    epochs: int
    detected: int

    def pictures(self, available: int) -> int:
        """Pictures of the whole training where `available` different ones are there."""
        return min(self.per_epoch, available) * self.epochs


SIZES = (KitSize(32, 11_000, 60, 27_000), KitSize(32, 11_000, 30, 27_000), KitSize(24, 6_000, 30, 6_000))
"""The largest, that of the damaged-digits study, first; the last is that of the default budget."""


@dataclass(frozen=True)
class KitChoice:
    """Which kit is wanted: the damages of `suite`, a restorer of `RESTORERS`, the seconds that its training
    may take, the views that re-readings are averaged over (of `REREAD_VIEWS`, or "auto"); None = as the kit
    that is there has it, else mnist-c, `restorer_for`, `REPAIR_BUDGET` and "one".
    """

    suite: str | None = None
    restorer: str | None = None
    budget: float | None = None
    views: str | None = None

    def __post_init__(self) -> None:
        if self.views not in (None, AUTO_VIEWS, *REREAD_VIEWS):
            raise UnknownName("views", str(self.views), (AUTO_VIEWS, *REREAD_VIEWS))
        if self.restorer is not None and self.restorer not in RESTORERS:
            raise UnknownName("restorer", self.restorer, RESTORERS)
        if self.budget is not None and self.restorer in AUTOENCODERS:
            raise SettingsError(
                f"`budget` is not for `restorer` {self.restorer}: autoencoders always train the 50 epochs of "
                "their paper",
                cure="Leave one of them out.",
            )

    @property
    def plan(self) -> RepairPlan:
        """How a kit of this choice is made where time is no matter."""
        suite = self.suite or "mnist-c"
        restorer = self.restorer or restorer_for(suite)
        if restorer in AUTOENCODERS:
            return RepairPlan(suite, restorer=dataclasses.replace(AUTOENCODER, model=restorer))
        return of_size(suite, restorer)


def restorer_for(suite: str) -> str:
    """`restorer_for_kinds` of a suite."""
    return restorer_for_kinds(name for name, _, _ in SUITES.get(suite).entries)


def restorer_for_kinds(names: Iterable[str]) -> str:
    """`aligned-unet` where one of these corruptions moves or turns pictures, else `unet`."""
    families = {CORRUPTIONS.get(name).family for name in names}
    return ALIGNED if "geometry" in families else UNALIGNED


@dataclass(frozen=True)
class RepairPlan:
    """How a repair kit is made.

    Attributes:
        suite: the damages that it learns, at `severities` (None = those of the suite).
        detector, restorer: the two trainings.
    """

    suite: str = "mnist-c"
    severities: Sequence[int] | None = None
    detector: DetectorPlan = field(default_factory=lambda: detector_plan(SIZES[-1]))
    restorer: RestorerPlan = field(default_factory=lambda: restorer_plan(ALIGNED, SIZES[-1]))

    @property
    def mix(self) -> DamageMix:
        """The damages as the detector and the restorer see them."""
        return DamageMix.of_suite(self.suite, severities=self.severities)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Back from `as_json`."""
        detector, restorer = (
            {**content[part], "recipe": Recipe(**content[part]["recipe"])}
            for part in ("detector", "restorer")
        )
        return cls(
            content["suite"], content["severities"], DetectorPlan(**detector), RestorerPlan(**restorer)
        )


def restorer_plan(model: str, size: KitSize) -> RestorerPlan:
    """Ours at a size."""
    return RestorerPlan(
        model=model,
        config={"width": size.width},
        recognition=0.1,
        recipe=Recipe.of(epochs=size.epochs, learning_rate=2e-3, averaging=0.998),
        per_epoch=size.per_epoch,
    )


def detector_plan(size: KitSize) -> DetectorPlan:
    """The detector of a kit of this size."""
    return DetectorPlan(recipe=Recipe.of(epochs=10, averaging=0.99), per_epoch=size.detected)


def of_size(suite: str, restorer: str, size: KitSize = SIZES[-1]) -> RepairPlan:
    """A kit with a restorer of ours."""
    return RepairPlan(suite, detector=detector_plan(size), restorer=restorer_plan(restorer, size))


AUTOENCODER = RestorerPlan(
    model=PAPERS,
    pixel_loss="bce",
    recognition=0,
    recipe=Recipe.of(epochs=50, learning_rate=1e-3, schedule="constant", weight_decay=0),
    per_epoch=6_000,
)
"""The paper's: BCE on pixels alone, 50 epochs; what it does not tell as Keras has it. The other kinds of
`AUTOENCODERS` are trained alike."""


def within_budget(
    choice: KitChoice, classifier: Checkpoint | None, train_images: ImageSet, training: Training
) -> RepairPlan:
    """The plan of the largest of `SIZES` that fits into the budget by the speed measured here and now; where
    none does, the smallest with fewer epochs, of fewer pictures where even `_FEWEST_EPOCHS` do not fit.

    The autoencoders are never cut. `classifier` is the one that the restorer learns through, if any.
    """
    largest = choice.plan
    if largest.restorer.model in AUTOENCODERS:
        return largest
    seconds = RESTORER_SHARE * (choice.budget or REPAIR_BUDGET)
    speeds: dict[int, float] = {}
    fitting = 0.0
    for size in SIZES:
        plan = of_size(largest.suite, largest.restorer.model, size)
        if size.width not in speeds:
            speeds[size.width] = pictures_per_second(plan, classifier, train_images, training)
        fitting = speeds[size.width] * seconds / size.pictures(len(train_images))
        if fitting >= 1:
            return plan
    return _cut(of_size(largest.suite, largest.restorer.model), fitting)


def _cut(plan: RepairPlan, share: float) -> RepairPlan:
    """About this share of the pictures of the plan, for the detector and the restorer alike."""
    parts = {"detector": plan.detector, "restorer": plan.restorer}
    for name, part in parts.items():
        epochs = max(_FEWEST_EPOCHS, int(share * part.recipe.epochs))
        left = min(1.0, share * part.recipe.epochs / epochs)
        per_epoch = max(part.recipe.batch_size, int(left * (part.per_epoch or 0)))
        parts[name] = dataclasses.replace(
            part, recipe=part.recipe.updated([f"epochs={epochs}"]), per_epoch=per_epoch
        )
    return dataclasses.replace(plan, **parts)


def pictures_per_second(
    plan: RepairPlan, classifier: Checkpoint | None, train_images: ImageSet, training: Training
) -> float:
    """How many pictures a second the restorer of `plan` learns from on this machine, their damage included;
    measured in the second epoch of two short ones.
    """
    height, width, _ = train_images.image_shape
    count = int(np.clip(_PROBE_PIXELS // (height * width), *_PROBE_STEPS))
    few = train_images.take(np.arange(min(count, len(train_images))))
    recipe = plan.restorer.recipe.updated(["epochs=2"])
    probe = dataclasses.replace(plan.restorer, recipe=recipe, per_epoch=count)
    brief = Training(seed=training.seed, device=training.device)
    nothing = few.take(np.arange(0))
    made = fit_restorer(few, nothing, plan.mix, classifier=classifier, plan=probe, training=brief)
    return float(made.history[-1]["pictures_per_second"])


@dataclass(frozen=True)
class KitRecord:
    """What was trained, as kit.json keeps it.

    Attributes:
        suite, severities: the damages; None = at the suite's own severities.
        seconds: of each step.
        restorer, width, epochs, per_epoch: the restorer and its training; None in kits of earlier versions.
        budget: seconds that were allowed; None where nothing was said.
    """

    suite: str
    severities: Sequence[int] | None
    seconds: dict[str, float]
    restorer: str | None = None
    width: int | None = None
    epochs: int | None = None
    per_epoch: int | None = None
    budget: float | None = None

    @classmethod
    def of(cls, plan: RepairPlan, seconds: dict[str, float], budget: float | None = None) -> KitRecord:
        """The record of a kit made by `plan`."""
        made = plan.restorer
        width = made.config.get("width")
        sizes = (made.model, width, made.recipe.epochs, made.per_epoch)
        return cls(plan.suite, plan.severities, seconds, *sizes, budget=budget)

    def sentence(self) -> str:
        """What was trained, in one sentence."""
        took = f"{duration(sum(self.seconds.values()))} of training"
        if self.restorer is None:
            return (
                f"the repair kit was made by an earlier version for the suite {self.suite} ({took}); give "
                "`budget` to train today's"
            )
        wide = f" of width {self.width}" if self.width else ""
        strengths = "the suite's own" if self.severities is None else ", ".join(map(str, self.severities))
        within = f" within a budget of {duration(self.budget)}" if self.budget else ""
        pictures = f" of {self.per_epoch:,} pictures" if self.per_epoch else ""
        return (
            f"the repair kit: {self.restorer}{wide}, {self.epochs} epochs{pictures} damaged by {self.suite}, "
            f"severities {strengths}; {took}{within}"
        )
