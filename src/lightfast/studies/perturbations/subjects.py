"""The frozen classifiers of the perturbations study, and how what stands before them learns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lightfast.restore.denoise import RestorerPlan
from lightfast.restore.enhance import EnhancerPlan, paper_enhancer_plan
from lightfast.studies.perturbations.networks import (
    MIX,
    OUR_WAY,
    OURS_CLEAN,
    OURS_EQUAL,
    OWN_LARGE,
    OWN_SMALL,
    PAPER_MSE,
    PAPER_WAY,
    Subject,
)
from lightfast.studies.registry import Scale
from lightfast.studies.rows import ModelRow
from lightfast.train.recipe import Recipe

_PUBLISHED = {
    "cifar": (0.757, 0.796),
    "intel": (0.906, 0.932),
    "stl-990": (0.828, 0.850),
    "stl": (0.785, 0.823),
}
"""Test accuracy of the paper's VGG16 alone, and behind its U-Net (Table 4.1)."""
# Right on nearly all of its training pictures: no augmentation, nothing held back.
PLAIN = Recipe.of(epochs=7, batch_size=32, learning_rate=7e-4, keep="last")
WELL = Recipe.of(
    epochs=2, batch_size=32, learning_rate=7e-4, label_smoothing=0.1, averaging=0.98, augment="mirror"
)
HEAD: Mapping[str, Any] = {"flip": False, "input_side": 96}
TUNED: Mapping[str, Any] = {**HEAD, "mode": "full"}
THROUGH_LITE0 = Recipe.of(epochs=8, batch_size=16, learning_rate=2e-3, augment="flip", averaging=0.99)
# A denoiser by pixels alone: where ours begins, and what it is compared with.
PIXELS = Recipe.of(epochs=6, batch_size=32, learning_rate=2e-3, averaging=0.99)
LEVELS = "levels-unet"
# At 32 pixels every pixel counts: no packing. Scenes of 96 pixels are packed by three, which costs the same.
_SMALL: Mapping[str, Any] = {"stem": 1, "width": 24}
SCENES: Mapping[str, Any] = {"stem": 3, "width": 24}


def subjects(scale: Scale) -> tuple[Subject, ...]:
    """The frozen classifiers of a scale, with what is learnt through each."""
    if scale == "quick":
        return (_quick(),)
    return _on_the_cpu() if scale == "cpu" else _as_published()


def _quick() -> Subject:
    few = Recipe.of(epochs=1, batch_size=32, learning_rate=2e-3)
    small = {"width": 8}
    ours = EnhancerPlan(LEVELS, small, strengths=(0.1, 1.0), mix=MIX, recipe=few, trial_epochs=1)
    clean = dataclasses.replace(ours, mix=None, strengths=(0.1,))
    paper = dataclasses.replace(paper_enhancer_plan(epochs=(1, 1)), config=small)
    plans = {OUR_WAY: ours, OURS_CLEAN: clean, PAPER_WAY: paper, **_own(paper, small)}
    row = ModelRow("quick-cnn", "small CNN", "cnn", few.updated(["epochs=12"]))
    other = ModelRow("quick-mlp", "dense network", "mlp", few)
    return Subject(
        "quick",
        "digits over textures, small CNN",
        "cifar",
        row,
        None,
        plans,
        _denoiser_like(ours, few),
        on_more=(OUR_WAY,),
        from_denoiser=(OUR_WAY,),
        others=(("cifar", other),),
        leak=True,
    )


def _own(paper: EnhancerPlan, config: Mapping[str, Any]) -> dict[str, EnhancerPlan]:
    """The plain autoencoders of the paper's first experiments, learnt as its U-Net."""
    models = {OWN_SMALL: "own:1-1", OWN_LARGE: "own:4-4"}
    return {way: dataclasses.replace(paper, model=model, config=config) for way, model in models.items()}


def _denoiser_like(ours: EnhancerPlan, recipe: Recipe, per_epoch: int | None = None) -> RestorerPlan:
    """The plain denoiser of the same network."""
    return RestorerPlan(ours.model, ours.config, recognition=0.0, recipe=recipe, per_epoch=per_epoch)


def _on_the_cpu() -> tuple[Subject, ...]:
    """Lite0 at 96 pixels: a head on few pictures, right on nearly all of them, as the paper's classifier; all
    of it fine-tuned on more pictures with augmentation; a head on Intel scenes. What is learnt before the
    first is put before the others that read CIFAR-10.

    A step through the classifier costs what a step of its own training costs, so that an hour holds tens of
    thousands of pictures, not the millions of the paper: what learns from damaged pictures begins as a
    denoiser. That harms clean pictures at first, so that one enhancer learns from clean pictures alone, and
    from the start.
    """
    head = ModelRow("cifar-head", "Lite0, frozen backbone, linear head", "lite0", PLAIN, HEAD)
    tuned = ModelRow("cifar-tuned", "Lite0, no augmentation", "lite0", PLAIN, TUNED)
    well = ModelRow("cifar-well", "Lite0 on 6,000, augmented", "lite0", WELL, TUNED)
    intel = dataclasses.replace(head, part="intel-head")
    short = _learnt(strengths=(0.1,), recipe=THROUGH_LITE0.updated(["epochs=4"]))
    # An epoch of scenes is all there are of them.
    scenes = dataclasses.replace(
        short, config=SCENES, recipe=THROUGH_LITE0.updated(["epochs=10"]), per_epoch=None
    )
    paper = paper_enhancer_plan(epochs=(3, 6))
    ways = {
        OUR_WAY: _learnt(),
        OURS_CLEAN: _learnt(strengths=(0.03,), mix=None, recipe=THROUGH_LITE0.updated(["batch_size=32"])),
        PAPER_WAY: paper,
        PAPER_MSE: dataclasses.replace(paper, first_loss="mse"),
        **_own(paper, {}),
    }
    ways[OURS_EQUAL] = ways[OURS_CLEAN]
    plain = _denoiser_like(short, PIXELS, 6_000)
    of_scenes = _denoiser_like(scenes, PIXELS.updated(["epochs=15", "batch_size=16"]))
    others = (("cifar", tuned), ("cifar-more", well))
    begun: Mapping[str, Any] = {"on_more": (OUR_WAY, OURS_CLEAN), "from_denoiser": (OUR_WAY,)}
    both: Mapping[str, Any] = begun | {"from_denoiser": (OUR_WAY, OURS_EQUAL)}
    title, published = "CIFAR-10, Lite0 head", _PUBLISHED["cifar"]
    on_more = {OUR_WAY: short, OURS_EQUAL: short}
    # A step of the paper's U-Net at 96 pixels costs that of 15 at 32: an hour holds fewer epochs.
    on_scenes = {OUR_WAY: scenes, PAPER_WAY: paper_enhancer_plan(epochs=(1, 3))}
    return (
        Subject(
            "cifar-head", title, "cifar", head, published, ways, plain, **begun, others=others, leak=True
        ),
        Subject("cifar-well", f"CIFAR-10, {well.title}", "cifar-more", well, None, on_more, plain, **both),
        Subject(
            "intel",
            "Intel scenes, Lite0 head",
            "intel",
            intel,
            _PUBLISHED["intel"],
            on_scenes,
            of_scenes,
            **begun,
            leak=True,
        ),
    )


def _learnt(**changes: Any) -> EnhancerPlan:
    """Our enhancer through Lite0, with `changes`."""
    settings: dict[str, Any] = {"strengths": (0.1, 0.3), "mix": MIX, "recipe": THROUGH_LITE0}
    return EnhancerPlan(LEVELS, _SMALL, **settings | changes, trial_epochs=1, per_epoch=4_000)


def _as_published() -> tuple[Subject, ...]:
    """VGG16 on all pictures, at the backbone's own 224 pixels;
    the enhancer works at the pictures' own size.
    """
    vgg = {"mode": "full", "flip": False}
    plain = Recipe.of(epochs=12, batch_size=64, learning_rate=1e-4, keep="last")
    well = Recipe.of(
        epochs=12, batch_size=64, learning_rate=1e-4, label_smoothing=0.1, averaging=0.99, augment="natural"
    )
    long = THROUGH_LITE0.updated(["epochs=20", "batch_size=64"])
    ours = EnhancerPlan(LEVELS, {"width": 48, "depth": 3}, mix=MIX, recipe=long)
    paper = dataclasses.replace(paper_enhancer_plan(epochs=(10, 20)), config={"width": 64, "depth": 4})
    plans = {OUR_WAY: ours, PAPER_WAY: paper, **_own(paper, {})}
    denoiser = _denoiser_like(ours, long.updated(["augment=none"]))
    made = []
    for data, title in (
        ("cifar", "CIFAR-10"),
        ("intel", "Intel scenes"),
        ("stl-990", "STL-10, 4,010 / 990"),
        ("stl", "STL-10, official"),
    ):
        frozen, *others = (
            ModelRow(f"{data}-{name}", named, name, plain, vgg)
            for name, named in (("vgg16", "VGG16"), ("resnet50", "ResNet-50"), ("lite0", "Lite0"))
        )
        made.append(
            Subject(
                f"{data}-plain",
                f"{title}, VGG16",
                data,
                frozen,
                _PUBLISHED[data],
                plans,
                denoiser,
                from_denoiser=(OUR_WAY,),
                others=tuple((data, row) for row in others),
                leak=True,
            )
        )
    row = ModelRow("cifar-vgg16-well", "VGG16", "vgg16", well, vgg)
    return (
        *made,
        Subject(
            "cifar-well",
            "CIFAR-10, VGG16, augmented",
            "cifar",
            row,
            None,
            {OUR_WAY: ours},
            denoiser,
            from_denoiser=(OUR_WAY,),
        ),
    )
