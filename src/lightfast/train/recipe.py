"""The recipe of a training: every setting in one typed list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lightfast.base.parallel import Executor, in_parallel
from lightfast.base.progress import Reporter, silent
from lightfast.base.settings import Settings
from lightfast.data.ruled_out import RuledOut
from lightfast.data.taxonomy.taxonomy import Taxonomy


class Recipe(Settings):
    """How to train by gradient descent. Frozen; `Recipe.of(...)` checks, `.updated(["epochs=3"])` changes."""

    epochs: int = Field(default=10, ge=1, description="passes over the training pictures")
    batch_size: int = Field(default=128, ge=1, description="pictures a step")
    learning_rate: float = Field(default=3e-3, gt=0, description="peak step size of the optimiser")
    weight_decay: float = Field(
        default=1e-2, ge=0, description="decoupled weight decay, a step and unit of learning rate"
    )
    optimizer: Literal["adamw", "sgd"] = Field(
        default="adamw", description="adamw, or sgd with Nesterov momentum 0.9"
    )
    schedule: Literal["one-cycle", "plateau", "constant"] = Field(
        default="one-cycle",
        description="one-cycle (up in the first quarter, then down), constant, or plateau (×0.1 when "
        "validation worsens, "
        "stop when it worsens again)",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of the target spread over all classes"
    )
    augment: Literal["none", "shift", "flip", "mirror", "affine", "mirror-affine", "natural", "cutout"] = (
        Field(
            default="none",
            description="shift (±2 px of 28), flip (left-right), mirror (flip and shift), affine (±10°, "
            "±10 % scale, ±10 % shift), mirror-affine (flip and affine), natural (flip, shift and "
            "brightness, for photographs), cutout (a square of half the shorter side, its middle "
            "anywhere, filled with the batch's mean)",
        )
    )
    keep: Literal["best", "last"] = Field(
        default="best",
        description="weights of the epoch with the best validation loss, or of the last (nothing is then "
        "chosen on validation)",
    )
    balance: Literal["none", "weights", "sampling", "augment"] = Field(
        default="none",
        description="against uneven classes: weights (loss ∝ 1/pictures of the class), sampling (every "
        "class drawn equally often), "
        "augment (sampling, and the repeated draws moved, turned and scaled)",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="epochs without a better validation loss before stopping; none = never",
    )
    averaging: float = Field(
        default=0.0, ge=0, lt=1, description="decay a step of the running average of the weights; 0 = off"
    )
    clip: float = Field(default=1.0, gt=0, description="largest gradient norm")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="auto is bf16 where hardware computes it and the network is wide enough, else fp32",
    )
    compile: bool = Field(
        default=False,
        description="torch.compile, with CUDA graphs on a graphics card; pays in long trainings",
    )

    @model_validator(mode="after")
    def _no_conflict(self) -> Self:
        if self.schedule == "plateau" and self.patience is not None:
            raise ValueError("patience and schedule=plateau both decide when to stop: set one of them")
        if self.keep == "last" and (self.schedule == "plateau" or self.patience is not None):
            raise ValueError("keep=last runs all epochs: leave out patience and schedule=plateau")
        if self.schedule == "one-cycle" and self.patience is not None and self.patience >= self.epochs:
            raise ValueError("patience must be below epochs to ever take effect")
        return self


@dataclass(frozen=True)
class Training:
    """How a fit runs, apart from what it fits: seed, device name, folder for the resumable state, resume,
    reporter, taxonomy, who runs what trains more than once, and pictures beside the training set of which is
    only known what they are not.
    """

    seed: int = 0
    device: str = "auto"
    folder: Path | None = None
    resume: bool = False
    report: Reporter = silent
    taxonomy: Taxonomy | None = None
    executor: Executor = in_parallel
    ruled_out: RuledOut | None = None
