"""A frozen classifier behind a network that changes its pictures: one checkpoint, one graph."""

from __future__ import annotations

from lightfast.base.errors import CheckpointError
from lightfast.data.preprocess import Preprocess
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced_network import ENHANCED_MODEL, EnhancedNetwork

_CURE = "Learn one: lightfast enhance RUN DATA, with `out` RUN2."


def prepend_enhancer(enhancer: Checkpoint, classifier: Checkpoint) -> Checkpoint:
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
            cure=f"Put it before a classifier of its own classes. {_CURE}",
        )
    if enhancer.image_shape != classifier.image_shape:
        raise CheckpointError(
            "this enhancer was learnt on pictures of another shape",
            expected=f"{classifier.image_shape} (H, W, C)",
            got=str(enhancer.image_shape),
            cure=_CURE,
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
    inner = {"behind": dict(classifier.details)} if classifier.model == ENHANCED_MODEL else {}
    return classifier.replace(
        model=ENHANCED_MODEL,
        config=config,
        preprocess=Preprocess.identity(classifier.image_shape),
        network=network,
        details={**classifier.details, "enhancer": dict(enhancer.details), **inner},
        history=enhancer.history,
    )


def split_enhanced(checkpoint: Checkpoint) -> tuple[Checkpoint, Checkpoint]:
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
