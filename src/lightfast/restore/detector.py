"""The damage detector: which damage, how strong, or clean; and `unknown` where it is not sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from lightfast.base.errors import CheckpointError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.evaluate.calibration import fit_temperature
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import predict_logits
from lightfast.restore.pairs import DamagedPictures, DamageMix
from lightfast.train.loop import LoopContext, train
from lightfast.train.objectives import Detection
from lightfast.train.recipe import Recipe, Training

UNKNOWN = "unknown"
SEVERITIES = 5


@dataclass(frozen=True)
class DetectorPlan:
    """How a detector is made: classifier model used as its backbone, its config, recipe, pictures an epoch
    (all when None).
    """

    model: str = "cnn"
    config: Mapping[str, Any] = field(
        default_factory=lambda: {"widths": [16, 32, 64], "dense": 64, "dropout": 0.0}
    )
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=4, averaging=0.998))
    per_epoch: int | None = None
    unsure_share: float = 0.02
    """Share of validation pictures that may be called unknown; fixes the threshold."""


@dataclass(frozen=True, eq=False)
class Damage:
    """What the detector says of N pictures.

    Attributes:
        kinds: names of the classes, `clean` first.
        kind_probs: float32 (N, K), calibrated, rows sum to 1.
        kind: int64 (N,), index into `kinds`; -1 = unknown (no kind reaches `threshold`).
        severity: int64 (N,), 0 for clean, else the likeliest of 1..5.
        threshold: probability under which the detector says unknown.
    """

    kinds: tuple[str, ...]
    kind_probs: NDArray[np.float32]
    kind: NDArray[np.int64]
    severity: NDArray[np.int64]
    threshold: float

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def names(self) -> list[str]:
        """One name a picture: a kind, `clean` or `unknown`."""
        return [self.kinds[index] if index >= 0 else UNKNOWN for index in self.kind]

    @property
    def is_clean(self) -> NDArray[np.bool_]:
        """bool (N,): surely clean."""
        return self.kind == 0


def fit_detector(
    train_images: ImageSet,
    val_images: ImageSet,
    mix: DamageMix,
    *,
    plan: DetectorPlan | None = None,
    training: Training | None = None,
) -> Checkpoint:
    """Train a detector on pictures damaged by `mix`; temperature and the threshold of `unknown` are fitted on
    damaged `val_images`.

    It never sees what the pictures show: its targets are the damages alone.

    Returns: a Checkpoint with role "detector", whose class names are `mix.kinds` and whose outputs are those
    and five severities.
    """
    plan, training = plan or DetectorPlan(), training or Training()
    shape, outputs = train_images.image_shape, len(mix.kinds) + SEVERITIES
    network = fresh_network(plan.model, "detector", shape, outputs, plan.config, training.seed)
    preprocess = Preprocess.of(train_images)
    source = DamagedPictures(train_images, val_images, mix, training.seed, plan.per_epoch, task="detect")
    objective, context = Detection(preprocess, len(mix.kinds)), LoopContext.of(training, "detector")
    history = train(network, source, objective, plan.recipe, seed=training.seed, context=context)
    details = {
        "data": train_images.name,
        "data_version": train_images.version,
        "seed": training.seed,
        "damages": as_json(mix.choices),
        "recipe": plan.recipe.model_dump(),
    }
    detector = Checkpoint(
        "detector",
        plan.model,
        shape,
        outputs,
        mix.kinds,
        preprocess,
        network,
        config=dict(plan.config),
        details=details,
        history=tuple(history),
    )
    return _calibrated(detector, val_images, mix, plan.unsure_share, training.seed)


def _calibrated(
    detector: Checkpoint, val_images: ImageSet, mix: DamageMix, unsure_share: float, seed: int
) -> Checkpoint:
    rng = generator(seed, "detector-calibration")
    drawn = mix.draw(len(val_images), rng)
    kinds, _ = mix.targets(drawn)
    logits = predict_logits(detector, mix.apply(val_images.images, drawn, rng))[:, : len(mix.kinds)]
    temperature = fit_temperature(logits, kinds)
    sure = softmax(logits / temperature, axis=1).max(axis=1)
    threshold = float(np.quantile(sure, unsure_share))
    accuracy = float((logits.argmax(axis=1) == kinds).mean())
    details = {**detector.details, "threshold": threshold, "val_accuracy": accuracy, "n_val": len(val_images)}
    return detector.replace(temperature=temperature, details=details)


def detect(detector: Checkpoint, images: NDArray[np.uint8]) -> Damage:
    """uint8 (N, H, W, C) → Damage; raises CheckpointError when the checkpoint is no detector."""
    if detector.role != "detector":
        raise CheckpointError("detect", expected="a detector checkpoint", got=f"a {detector.role}")
    logits = predict_logits(detector, images)
    kinds = len(detector.class_names)
    probs = softmax(logits[:, :kinds], axis=1).astype(np.float32)
    threshold = float(detector.details["threshold"])
    kind = np.where(probs.max(axis=1) >= threshold, probs.argmax(axis=1), -1).astype(np.int64)
    # Only severities that the detector was trained on can be named.
    known = sorted({severity for _, severity in detector.details["damages"]})
    strength = logits[:, kinds:][:, [severity - 1 for severity in known]].argmax(axis=1)
    severity = np.where(kind == 0, 0, np.asarray(known, dtype=np.int64)[strength])
    return Damage(detector.class_names, probs, kind, severity, threshold)
