"""What the damaged-digits study trains: classifier, detectors and restorers,
each kept in the study's folder.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lightfast.base.plain import as_json
from lightfast.corrupt.suite import SUITES
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits
from lightfast.evaluate.predict import calibrate
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_classifier
from lightfast.restore.denoise import RestorerPlan, fit_restorer
from lightfast.restore.detector import DetectorPlan, fit_detector
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline, calibrate_pipeline
from lightfast.restore.views import choose_reread_views
from lightfast.runs.repair.plan import restorer_for_kinds
from lightfast.studies.registry import StudyOptions, trained
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe


@dataclass(frozen=True)
class MnistCPlan:
    """The sizes of one scale.

    Attributes:
        data: catalogue name; `val_share` of its training part is for choosing.
        breakout, per_kind, held_out: test digits a breakout, a kind (all when None), a held-out kind.
        families: damage families left out one at a time; all when None.
        seeds: how many seeds the table of readers is measured over.
        autoencoder_seeds: how many trainings of each kind of autoencoder.
        sturdier: training digits of the sturdier readers (all when None).
        classifier, detector, restorer, autoencoder: how each part is trained; `family_*` the smaller ones of
            the held-out runs and of the tables of readers and levers. Ours puts pictures straight first
            where its damages move or turn them, whatever `model` the plan names (`restorer_for_kinds`).
    """

    data: str
    val_share: float
    breakout: int
    per_kind: int | None
    held_out: int
    families: tuple[str, ...] | None
    seeds: int
    autoencoder_seeds: int
    sturdier: int | None
    classifier: Recipe
    detector: DetectorPlan
    restorer: RestorerPlan
    family_detector: DetectorPlan
    family_restorer: RestorerPlan
    autoencoder: RestorerPlan


def mnist_c_plan(scale: str) -> MnistCPlan:
    """The plan of scale "quick" (5,000 embedded digits, under two minutes) or "paper" (all of MNIST)."""
    return _quick() if scale == "quick" else _paper()


def _quick() -> MnistCPlan:
    config = {"width": 12}
    look = DetectorPlan(recipe=Recipe(epochs=2, averaging=0.98), per_epoch=2500)
    return MnistCPlan(
        data="mnist-5k",
        val_share=0.05,
        breakout=100,
        per_kind=60,
        held_out=60,
        families=("noise",),
        seeds=2,
        autoencoder_seeds=1,
        sturdier=1000,
        classifier=Recipe(epochs=3, averaging=0.98),
        detector=look,
        family_detector=DetectorPlan(recipe=Recipe(epochs=1, averaging=0.9), per_epoch=1500),
        restorer=RestorerPlan(
            config=config, recognition=0.1, recipe=Recipe(epochs=3, averaging=0.98), per_epoch=1500
        ),
        family_restorer=RestorerPlan(
            config=config, recognition=0.1, recipe=Recipe(epochs=1, averaging=0.9), per_epoch=500
        ),
        autoencoder=RestorerPlan(
            model="autoencoder", pixel_loss="bce", recognition=0, recipe=Recipe(epochs=3), per_epoch=1500
        ),
    )


def _paper() -> MnistCPlan:
    return MnistCPlan(
        data="mnist",
        val_share=5000 / 60000,
        breakout=1500,
        per_kind=None,
        held_out=2000,
        families=None,
        seeds=3,
        autoencoder_seeds=3,
        sturdier=None,
        # No augmentation: shifts and rotations are damages here, and the classifier is to know clean digits
        # only.
        classifier=Recipe(epochs=8, averaging=0.998),
        detector=DetectorPlan(recipe=Recipe(epochs=5, averaging=0.998)),
        restorer=RestorerPlan(
            config={"width": 32},
            recognition=0.1,
            recipe=Recipe(epochs=60, averaging=0.998, learning_rate=2e-3),
            per_epoch=11_000,
        ),
        family_detector=DetectorPlan(recipe=Recipe(epochs=3, averaging=0.998), per_epoch=25_000),
        family_restorer=RestorerPlan(
            config={"width": 24},
            recognition=0.1,
            recipe=Recipe(epochs=5, averaging=0.998, learning_rate=2e-3),
            per_epoch=11_000,
        ),
        # Keras's defaults, as in the tutorial that the paper followed: Adam at 1e-3, constant, batches of
        # 128, 50 epochs.
        autoencoder=RestorerPlan(
            model="autoencoder",
            pixel_loss="bce",
            recognition=0,
            per_epoch=6_000,
            recipe=Recipe(epochs=50, learning_rate=1e-3, schedule="constant", weight_decay=0),
        ),
    )


PAPER_KINDS = ("motion_blur", "shot_noise")
SEVERITY_OF = {name: severities[0] for name, severities, _ in SUITES.get("mnist-c").entries}
"""The one severity at which MNIST-C holds each of its kinds."""
PAPER_MIX = DamageMix(tuple((name, SEVERITY_OF[name]) for name in PAPER_KINDS), clean_share=0.0)
"""What the paper's autoencoder learns: pairs of a noisy digit, by either of two damages, and the clean "
"one."""


@dataclass(frozen=True)
class DigitReader:
    """A plain CNN that reads digits: its registry name, how tables call it, and the start of the names of
    its parts' folders (empty for the study's own).
    """

    model: str
    title: str
    part: str = ""


READERS = (
    DigitReader("cnn", "CNN of three layers with batch norm (`cnn`)"),
    DigitReader("cnn-2", "CNN of two layers without batch norm (`cnn-2`)", "plain-"),
)
"""Two plain CNNs, both trained on clean digits alone: they differ in what damage they stand by themselves."""


@dataclass(frozen=True, eq=False)
class Parts:
    """The study's networks, trained on first use and read from the study's folder afterwards.

    `reader` is the frozen classifier; `place` begins the names of the folders, for seeds of their own.
    """

    options: StudyOptions
    plan: MnistCPlan
    splits: Splits
    reader: DigitReader = READERS[0]
    place: str = ""

    @cached_property
    def classifier(self) -> Checkpoint:
        """Trained on clean digits only, calibrated on the validation digits, frozen from then on."""
        train, val, recipe = self.splits.train, self.splits.val, self.plan.classifier
        model = self.reader.model
        key = {"data": train.version, "model": model, "recipe": recipe}
        made = trained(
            self.options,
            f"{self.place}{self.reader.part}classifier",
            key,
            lambda training: fit(train, val, model=model, recipe=recipe, training=training),
        )
        return calibrate(made, val)

    @cached_property
    def published(self) -> Checkpoint | None:
        """`published_reader` of the options."""
        return published_reader(self.options, self.splits.test)

    def pipeline(self, mix: DamageMix, smaller: str = "") -> Pipeline:
        """Detector, restorer and rules for `mix`; with `smaller`, a name for their folders,
        by the smaller plans of the held-out runs and with one view a re-reading; else over the views that
        validation digits choose.
        """
        plan, suffix = self.plan, f"-{smaller}" if smaller else ""
        look, mend = (
            (plan.family_detector, plan.family_restorer) if smaller else (plan.detector, plan.restorer)
        )
        detector = self.detector(mix, f"{self.place}detector{suffix}", look)
        mend = dataclasses.replace(mend, model=restorer_for_kinds(mix.kinds[1:]))
        restorer = self.restorer(mix, f"{self.place}{self.reader.part}restorer{suffix}", mend)
        val, seed = self.splits.val, self.options.seed
        if not smaller:
            restorer = choose_reread_views(self.classifier, restorer, val, mix, seed=seed)
        return calibrate_pipeline(self.classifier, (detector, restorer), val, mix, seed=seed)

    @cached_property
    def autoencoder(self) -> Checkpoint:
        """The paper's, on its two kinds of damage."""
        return self.restorer(PAPER_MIX, "autoencoder-two-kinds", self.plan.autoencoder)

    def detector(self, mix: DamageMix, part: str, plan: DetectorPlan) -> Checkpoint:
        """A detector kept under `part`."""
        train, val = self.splits.train, self.splits.val
        return trained(
            self.options,
            part,
            self._key(mix) | {"recipe": plan.recipe, "per_epoch": plan.per_epoch},
            lambda training: fit_detector(train, val, mix, plan=plan, training=training),
        )

    def restorer(self, mix: DamageMix, part: str, plan: RestorerPlan) -> Checkpoint:
        """A restorer kept under `part`, trained through the frozen classifier where its plan says so."""
        train, val = self.splits.train, self.splits.val
        reader = self.classifier if plan.recognition > 0 else None
        return trained(
            self.options,
            part,
            self._key(mix) | as_json(plan),
            lambda training: fit_restorer(train, val, mix, classifier=reader, plan=plan, training=training),
        )

    def _key(self, mix: DamageMix) -> dict[str, Any]:
        return {"data": self.splits.train.version, "damages": mix.choices}


def published_reader(options: StudyOptions, test: ImageSet) -> Checkpoint | None:
    """The classifier that `options.reader` names, for the paper's rows; None where none is named.

    Classes that a published file only numbers (`LABEL_0`, `LABEL_1` …) are those of the digits. Raises
    CheckpointError where it has other classes.
    """
    if options.reader is None:
        return None
    found = load_classifier(options.reader, options.device)
    numbered = tuple(f"LABEL_{number}" for number in range(len(test.class_names)))
    found = found.replace(class_names=test.class_names) if found.class_names == numbered else found
    found.require_classes(test.class_names, test.name)
    return found
