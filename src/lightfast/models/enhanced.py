"""A frozen classifier behind a network that changes its pictures: one checkpoint, one graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lightfast.base.errors import CheckpointError
from lightfast.data.preprocess import Preprocess
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.registry import MODELS, ImageShape, ModelSpec, build_network

MODEL = "enhanced"
_CURE = "Make one: lightfast enhance RUN DATA --out RUN2."


class Prepared(nn.Module):
    """A `Preprocess` as a step of a network; it has no weights."""

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        self.preprocess = preprocess

    def forward(self, pixels: Tensor) -> Tensor:
        return self.preprocess(pixels)


class EnhancedNetwork(nn.Module):
    """Pixels, float (N, C, H, W) in [0, 1] → enhancer → the classifier's own preprocessing → logits (N,
    K).
    """

    def __init__(self, enhancer: nn.Module, preprocess: Preprocess, classifier: nn.Module) -> None:
        super().__init__()
        self.enhancer, self.classifier = enhancer, classifier
        self.prepare: Any = Prepared(preprocess)

    def enhance(self, pixels: Tensor) -> Tensor:
        """The changed pictures, float (N, C, H, W) in [0, 1]."""
        return self.enhancer(pixels).clamp(0, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.prepare(self.enhance(pixels)))


def put_before(enhancer: Checkpoint, classifier: Checkpoint) -> Checkpoint:
    """`classifier` with `enhancer` (a restorer, see `restore.enhance`) before it, as one classifier
    checkpoint.

    Classes, temperature, task and taxonomy are the classifier's; both networks are shared with the result,
    not copied.

    Raises CheckpointError: `enhancer` is no restorer, or was learnt for other classes or pictures; the
    classifier is a forest.
    """
    if enhancer.role != "restorer":
        raise CheckpointError("put_before", expected="an enhancer", got=f"a {enhancer.role}", cure=_CURE)
    learnt_for = enhancer.details.get("class_names")
    if learnt_for is not None and tuple(learnt_for) != classifier.class_names:
        shown = (
            ", ".join([*names[:4], *(["…"] if len(names) > 4 else [])])
            for names in (classifier.class_names, tuple(learnt_for))
        )
        raise CheckpointError(
            "this enhancer was learnt for another class list",
            expected=next(shown),
            got=next(shown),
            cure="Put it before a classifier of its own classes, or learn one: lightfast enhance RUN DATA "
            "--out RUN2.",
        )
    if enhancer.image_shape != classifier.image_shape:
        raise CheckpointError(
            "this enhancer was learnt on pictures of another shape",
            expected=f"{classifier.image_shape} (H, W, C)",
            got=str(enhancer.image_shape),
            cure="Learn one for this classifier: lightfast enhance RUN DATA --out RUN2.",
        )
    config = {
        "enhancer": {"model": enhancer.model, "config": dict(enhancer.config)},
        "classifier": {
            "model": classifier.model,
            "config": dict(classifier.config),
            "preprocess": classifier.preprocess.as_json(),
        },
    }
    network = EnhancedNetwork(enhancer.torch_network, classifier.preprocess, classifier.torch_network).eval()
    # An enhanced classifier has an enhancer of its own to tell of.
    inner = {"behind": dict(classifier.details)} if classifier.model == MODEL else {}
    return classifier.replace(
        model=MODEL,
        config=config,
        preprocess=Preprocess.identity(classifier.image_shape),
        network=network,
        details={**classifier.details, "enhancer": dict(enhancer.details), **inner},
        history=enhancer.history,
    )


def parts_of(checkpoint: Checkpoint) -> tuple[Checkpoint, Checkpoint]:
    """(enhancer, classifier) of an enhanced checkpoint; raises CheckpointError for another one."""
    network = checkpoint.network
    if not isinstance(network, EnhancedNetwork):
        raise CheckpointError(
            f"{checkpoint.model} has no enhancer", expected="a run that `enhance` wrote", cure=_CURE
        )
    before, behind = checkpoint.config["enhancer"], checkpoint.config["classifier"]
    enhancer = Checkpoint(
        role="restorer",
        model=before["model"],
        image_shape=checkpoint.image_shape,
        outputs=0,
        class_names=(),
        preprocess=Preprocess.identity(checkpoint.image_shape),
        network=network.enhancer,
        config=before["config"],
        details=dict(checkpoint.details.get("enhancer", {})),
        history=checkpoint.history,
    )
    details = checkpoint.details
    details = details.get("behind") or {name: value for name, value in details.items() if name != "enhancer"}
    classifier = checkpoint.replace(
        model=behind["model"],
        config=behind["config"],
        preprocess=network.prepare.preprocess,
        network=network.classifier,
        details=details,
        history=(),
    )
    return enhancer, classifier


def _build(
    image_shape: ImageShape, outputs: int, enhancer: Mapping[str, Any], classifier: Mapping[str, Any]
) -> EnhancedNetwork:
    """`enhancer` is {"model", "config"}, `classifier` {"model", "config", "preprocess"}:
    what `put_before` writes into a checkpoint.
    """
    return EnhancedNetwork(
        build_network(enhancer["model"], "restorer", image_shape, 0, dict(enhancer["config"])),
        Preprocess.from_json(dict(classifier["preprocess"])),
        build_network(classifier["model"], "classifier", image_shape, outputs, dict(classifier["config"])),
    )


MODELS.add(
    MODEL,
    ModelSpec(
        MODEL,
        "classifier",
        _build,
        "a frozen classifier behind a learnt enhancer, made by `enhance`",
        "this project",
    ),
)
