"""The frozen classifiers of the perturbations study, and how what stands before them learns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lightfast.restore.denoise import RestorerPlan
from lightfast.restore.enhance import EnhancerPlan, paper_plan
from lightfast.studies.perturbations_parts import MIX, OURS, OURS_SAME, OWN, PAPER, Subject
from lightfast.studies.registry import Scale
from lightfast.studies.rows import Row
from lightfast.train.recipe import Recipe

PUBLISHED = {"cifar": (0.757, 0.796), "intel": (0.906, 0.932), "stl-990": (0.828, 0.850), "stl": (0.785, 0.823)}
"""Test accuracy of the paper's VGG16 alone, and behind its U-Net (Table 4.1)."""
# Right on all of its training pictures: to the last epoch, nothing moved, nothing held back.
PLAIN = Recipe.of(epochs=8, batch_size=32, learning_rate=7e-4, keep="last")
WELL = Recipe.of(epochs=3, batch_size=32, learning_rate=7e-4, label_smoothing=0.1, averaging=0.98, augment="mirror")
LITE0: Mapping[str, Any] = {"mode": "full", "flip": False, "input_side": 96}
SCRATCH = Recipe.of(epochs=15, learning_rate=3e-3, keep="last")
OURS_CPU = Recipe.of(epochs=5, batch_size=64, learning_rate=1.5e-3, augment="mirror", averaging=0.99)
WARM = Recipe.of(epochs=12, batch_size=64, learning_rate=3e-3, augment="mirror", averaging=0.99)
WIDE: Mapping[str, Any] = {"width": 48, "depth": 3}
STRENGTHS = (0.03, 0.3)


def subjects(scale: Scale) -> tuple[Subject, ...]:
    """The frozen classifiers of a scale, with what is learnt through each."""
    if scale == "quick":
        return (_quick(),)
    return _on_the_cpu() if scale == "cpu" else _as_published()


def _quick() -> Subject:
    few = Recipe.of(epochs=1, batch_size=32, learning_rate=2e-3)
    small = {"width": 8}
    ours = EnhancerPlan(config=small, strengths=(0.1, 1.0), mix=MIX, recipe=few, trial_epochs=1)
    paper = dataclasses.replace(paper_plan(epochs=(1, 1)), config=small)
    plans = {OURS: dataclasses.replace(ours, warm=few), OURS_SAME: ours, PAPER: paper,
             OWN: dataclasses.replace(paper, model="own:2-2", config=small)}
    row = Row("quick-cnn", "small CNN", "cnn", few.updated(["epochs=12"]))
    other = Row("quick-mlp", "dense network", "mlp", few)
    return Subject("quick", "digits over textures, small CNN", "cifar", row, None, plans,
                   RestorerPlan(config=small, recognition=0.0, recipe=few), (OURS,), (("cifar", other),), leak=True)


def _on_the_cpu() -> tuple[Subject, ...]:
    """Lite0 at 96 pixels, and a small network from scratch, each without augmentation; Lite0 with it; Intel scenes."""
    lite0 = Row("cifar-lite0", "Lite0, 1,500 pictures, no augmentation", "lite0", PLAIN, LITE0)
    scratch = Row("cifar-resnet9", "ResNet-9 from scratch, no augmentation", "resnet9-small", SCRATCH)
    well = Row("cifar-lite0-well", "Lite0, 6,000 pictures, augmentation", "lite0", WELL, LITE0)
    intel = Row("intel-lite0", "Lite0, no augmentation", "lite0", PLAIN.updated(["epochs=6"]), LITE0)
    through_lite0 = OURS_CPU.updated(["batch_size=32", "learning_rate=0.001"])
    ours = EnhancerPlan(config=WIDE, strengths=STRENGTHS, mix=MIX, recipe=through_lite0, trial_epochs=1, warm=WARM, per_epoch=6_000)
    fast = dataclasses.replace(ours, recipe=OURS_CPU, per_epoch=9_000)
    paper = paper_plan(epochs=(3, 8))
    own = dataclasses.replace(paper, model="own:2-2")
    cheap = dataclasses.replace(ours, recipe=through_lite0.updated(["epochs=4"]), strengths=(0.3,), per_epoch=3_000)
    scenes = dataclasses.replace(ours, config={"width": 24, "stem": 4, "depth": 3}, recipe=through_lite0.updated(["augment=flip"]),
                                 warm=WARM.updated(["epochs=8", "augment=flip"]), strengths=(0.3,), per_epoch=None)
    plain = RestorerPlan(config=WIDE, recognition=0.0, recipe=Recipe.of(epochs=8, batch_size=64, learning_rate=2e-3, averaging=0.99),
                         per_epoch=6_000)
    return (
        Subject("cifar-lite0", f"CIFAR-10, {lite0.title}", "cifar", lite0, PUBLISHED["cifar"], {OURS: ours, PAPER: paper, OWN: own}, plain,
                (OURS,), (("cifar-all", scratch), ("cifar-more", well)), leak=True),
        Subject("cifar-resnet9", f"CIFAR-10, {scratch.title}", "cifar-all", scratch, PUBLISHED["cifar"],
                {OURS: fast, PAPER: dataclasses.replace(paper, per_epoch=6_000)}, plain, (), (("cifar", lite0), ("cifar-more", well))),
        Subject("cifar-well", f"CIFAR-10, {well.title}", "cifar-more", well, None, {OURS: cheap}, plain),
        Subject("intel", f"Intel scenes, {intel.title}", "intel", intel, PUBLISHED["intel"], {OURS: scenes},
                dataclasses.replace(plain, config={"width": 24, "stem": 4, "depth": 3}, per_epoch=1_600)),
    )


def _as_published() -> tuple[Subject, ...]:
    """VGG16 on all pictures, at the trunk's own 224 pixels; the enhancer works at the pictures' own size."""
    vgg = {"mode": "full", "flip": False}
    plain = Recipe.of(epochs=12, batch_size=64, learning_rate=1e-4, keep="last")
    well = Recipe.of(epochs=12, batch_size=64, learning_rate=1e-4, label_smoothing=0.1, averaging=0.99, augment="natural")
    ours = EnhancerPlan(config={"width": 48, "depth": 3}, recipe=Recipe.of(epochs=20, batch_size=64, augment="mirror", averaging=0.99))
    paper = dataclasses.replace(paper_plan(epochs=(10, 20)), config={"width": 64, "depth": 4})
    plans = {OURS: ours, PAPER: paper, OWN: dataclasses.replace(paper, model="own:2-2", config={})}
    denoiser = RestorerPlan(config=ours.config, recognition=0.0, recipe=ours.recipe.updated(["augment=none"]))
    others = tuple((Row(f"{{}}-{name}", title, name, plain, vgg)) for name, title in (("resnet50", "ResNet-50"), ("lite0", "Lite0")))
    made = []
    for data, title in (("cifar", "CIFAR-10"), ("intel", "Intel scenes"), ("stl-990", "STL-10, 4,010 / 990"), ("stl", "STL-10, official")):
        behind = tuple((data, dataclasses.replace(row, part=row.part.format(data))) for row in others)
        made.append(Subject(f"{data}-plain", f"{title}, VGG16", data, Row(f"{data}-vgg16", "VGG16", "vgg16", plain, vgg), PUBLISHED[data],
                            plans, denoiser, others=behind, leak=True))
    row = Row("cifar-vgg16-well", "VGG16", "vgg16", well, vgg)
    return (*made, Subject("cifar-well", "CIFAR-10, VGG16, augmented", "cifar", row, None, {OURS: ours}, denoiser))
