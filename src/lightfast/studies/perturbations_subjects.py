"""The frozen classifiers of the perturbations study, and how what stands before them learns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lightfast.restore.denoise import RestorerPlan
from lightfast.restore.enhance import EnhancerPlan, paper_plan
from lightfast.studies.perturbations_parts import MIX, OURS, OURS_CLEAN, OWN, PAPER, Subject
from lightfast.studies.registry import Scale
from lightfast.studies.rows import Row
from lightfast.train.recipe import Recipe

PUBLISHED = {"cifar": (0.757, 0.796), "intel": (0.906, 0.932), "stl-990": (0.828, 0.850), "stl": (0.785, 0.823)}
"""Test accuracy of the paper's VGG16 alone, and behind its U-Net (Table 4.1)."""
# Right on nearly all of its training pictures: no augmentation, nothing held back.
PLAIN = Recipe.of(epochs=7, batch_size=32, learning_rate=7e-4, keep="last")
WELL = Recipe.of(epochs=2, batch_size=32, learning_rate=7e-4, label_smoothing=0.1, averaging=0.98, augment="mirror")
HEAD: Mapping[str, Any] = {"flip": False, "input_side": 96}
TUNED: Mapping[str, Any] = {**HEAD, "mode": "full"}
THROUGH_LITE0 = Recipe.of(epochs=6, batch_size=32, learning_rate=1e-3, augment="flip", averaging=0.99)
# A denoiser by pixels alone: where ours begins, and what it is compared with.
PIXELS = Recipe.of(epochs=8, batch_size=64, learning_rate=2e-3, averaging=0.99)
# At 32 pixels every pixel counts: no packing. Scenes of 96 pixels are packed by three, which costs the same.
SMALL: Mapping[str, Any] = {"norm": False, "stem": 1, "width": 24}
SCENES: Mapping[str, Any] = {"norm": False, "stem": 3, "width": 24}


def subjects(scale: Scale) -> tuple[Subject, ...]:
    """The frozen classifiers of a scale, with what is learnt through each."""
    if scale == "quick":
        return (_quick(),)
    return _on_the_cpu() if scale == "cpu" else _as_published()


def _quick() -> Subject:
    few = Recipe.of(epochs=1, batch_size=32, learning_rate=2e-3)
    small = {"width": 8}
    ours = EnhancerPlan(config=small, strengths=(0.1, 1.0), mix=MIX, recipe=few, trial_epochs=1, reconstruct=few)
    paper = dataclasses.replace(paper_plan(epochs=(1, 1)), config=small)
    plans = {OURS: ours, OURS_CLEAN: dataclasses.replace(ours, mix=None, strengths=(0.1,)), PAPER: paper,
             OWN: dataclasses.replace(paper, model="own:2-2", config=small)}
    row = Row("quick-cnn", "small CNN", "cnn", few.updated(["epochs=12"]))
    other = Row("quick-mlp", "dense network", "mlp", few)
    return Subject("quick", "digits over textures, small CNN", "cifar", row, None, plans,
                   RestorerPlan(config=small, recognition=0.0, recipe=few), (OURS,), (("cifar", other),), leak=True)


def _on_the_cpu() -> tuple[Subject, ...]:
    """Lite0 at 96 pixels: fine-tuned on few pictures until it knows them, fine-tuned on more with augmentation; a head on Intel scenes.

    A step through the classifier costs what a step of its own training costs, so that an hour holds tens of thousands of pictures, not
    the millions of the paper: the enhancers begin as denoisers, and a λ in the tens keeps the noise of so few steps from undoing that.
    """
    tuned = Row("cifar-tuned", "Lite0, no augmentation", "lite0", PLAIN, TUNED)
    well = Row("cifar-well", "Lite0 on 6,000, augmented", "lite0", WELL, TUNED)
    head = Row("cifar-head", "Lite0, frozen trunk, linear head", "lite0", PLAIN, HEAD)
    intel = Row("intel-head", "Lite0, frozen trunk, linear head", "lite0", PLAIN, HEAD)
    ours = EnhancerPlan(config=SMALL, strengths=(10.0, 50.0), mix=MIX, recipe=THROUGH_LITE0, trial_epochs=1, per_epoch=3_000,
                        reconstruct=PIXELS)
    one = dataclasses.replace(ours, strengths=(10.0,), recipe=THROUGH_LITE0.updated(["epochs=4"]), per_epoch=1_500)
    paper = paper_plan(epochs=(3, 6))
    plain = RestorerPlan(config=SMALL, recognition=0.0, recipe=PIXELS, per_epoch=3_000)
    scenes, of_scenes = dataclasses.replace(one, config=SCENES), dataclasses.replace(plain, config=SCENES, per_epoch=1_500)
    return (
        Subject("cifar-tuned", f"CIFAR-10, {tuned.title}", "cifar", tuned, PUBLISHED["cifar"], {OURS: ours, PAPER: paper}, plain, (OURS,),
                (("cifar", head), ("cifar-more", well))),
        Subject("cifar-well", f"CIFAR-10, {well.title}", "cifar-more", well, None, {OURS: one}, plain, (OURS,)),
        Subject("intel", f"Intel scenes, {intel.title}", "intel", intel, PUBLISHED["intel"], {OURS: scenes}, of_scenes),
    )


def _as_published() -> tuple[Subject, ...]:
    """VGG16 on all pictures, at the trunk's own 224 pixels; the enhancer works at the pictures' own size."""
    vgg = {"mode": "full", "flip": False}
    plain = Recipe.of(epochs=12, batch_size=64, learning_rate=1e-4, keep="last")
    well = Recipe.of(epochs=12, batch_size=64, learning_rate=1e-4, label_smoothing=0.1, averaging=0.99, augment="natural")
    ours = EnhancerPlan(config={"norm": False, "width": 48, "depth": 3}, recipe=THROUGH_LITE0.updated(["epochs=20", "batch_size=64"]))
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
