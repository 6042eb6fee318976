"""Transfer learning: a linear head on frozen features, a staged fine-tune behind a frozen stem,
or all of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightfast.base.errors import SettingsError
from lightfast.base.plain import as_json
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess, to_tensor
from lightfast.data.ruled_out import RuledOut
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.models.binary_tree import binary_tree
from lightfast.models.stages import stage_costs, stage_index
from lightfast.models.transfer import TransferNetwork, TransferSettings
from lightfast.models.tree_head import TreeHead, set_linear
from lightfast.train.augment import uniform
from lightfast.train.features import FeatureExtractor, empty
from lightfast.train.label_quality import LabelIssueRow
from lightfast.train.linear import (
    LinearData,
    LinearHead,
    LinearSettings,
    fit_linear,
    fit_one_vs_rest,
    fit_tree,
)
from lightfast.train.loop import ArraySource, BatchSource, LoopContext, train
from lightfast.train.not_these import RuledOutRows, WithRuledOut, fit_linear_beside
from lightfast.train.objectives import (
    Batch,
    Classification,
    classification_loss,
    margin_measure,
    partly_labelled_loss,
)
from lightfast.train.recipe import Recipe

# Steps that leave a pretrained backbone its features; the paper's schedule: ×0.1 when validation worsens,
# stop when it worsens again.
STAGED_RECIPE = Recipe.of(
    epochs=10,
    batch_size=32,
    learning_rate=1e-3,
    weight_decay=0.05,
    label_smoothing=0.1,
    averaging=0.98,
    schedule="plateau",
)
FULL_RECIPE = STAGED_RECIPE.updated(["learning_rate=0.0005", "augment=natural"])
LABEL_ISSUE_ROWS = "label_issue_rows"
"""Among the facts of a robust fit: the pictures whose labels look wrong, one mapping each."""
LEARNING_SHARE = 1 / 3
"""Share of the backbone's work that a staged fine-tune trains unless told a stage."""


@dataclass(frozen=True)
class TransferTask:
    """What a network on a backbone is fitted to: pictures to learn from and to choose on, settings, recipe,
    where to compute.

    `targets` are int64 labels (N,) or bool tags (N, K). `ruled_out`: pictures beside, of which is only known
    what they are not.
    """

    train: ImageSet
    val: ImageSet
    settings: TransferSettings
    recipe: Recipe
    seed: int
    context: LoopContext
    taxonomy: Taxonomy | None = None
    ruled_out: RuledOut | None = None

    @property
    def classes(self) -> int:
        """K."""
        return self.train.num_classes


@dataclass(frozen=True)
class TransferFit:
    """What fitting found: config to build the network again, facts for the checkpoint's details,
    history of the epochs.
    """

    config: dict[str, Any]
    facts: dict[str, Any]
    history: list[dict[str, Any]]


def default_recipe(mode: str) -> Recipe:
    """The recipe of a transfer mode; a linear head has none,
    so that of the staged fine-tune stands for it.
    """
    return FULL_RECIPE if mode == "full" else STAGED_RECIPE


def targets_of(images: ImageSet) -> NDArray[Any]:
    """int64 labels (N,), or bool tags (N, K) of a multi-label set."""
    return images.require_labels() if images.tags is None else images.tags


def labelled_rows(images: ImageSet) -> Batch:
    """(uint8 images, int64 labels or bool tags) as torch tensors; the memory is shared where it can be."""
    return to_tensor(images.images), torch.from_numpy(targets_of(images))


def with_pictures(source: BatchSource, ruled_out: RuledOut | None) -> BatchSource:
    """A source of uint8 pictures, followed by those that are known only for what they are not."""
    if ruled_out is None:
        return source
    return WithRuledOut(source, (to_tensor(ruled_out.images.images),), torch.from_numpy(ruled_out.classes))


def fit_transfer(network: TransferNetwork, preprocess: Preprocess, task: TransferTask) -> TransferFit:
    """Fit `network` in place; it ends in eval mode.

    Every mode begins with a linear head on the frozen features, so that a fine-tune starts from a head that
    reads (Kumar et al. 2022).
    """
    started = time.perf_counter()
    extractor = FeatureExtractor(network, preprocess, task.context.device, task.context.report)
    config = task.settings.model_dump(exclude_defaults=True)
    facts: dict[str, Any] = {"mode": task.settings.mode, "features": network.width}
    facts |= {"input_side": preprocess.size[0], **fit_head(extractor, task, config)}
    facts["head_seconds"] = round(time.perf_counter() - started, 2)
    history: list[dict[str, Any]] = []
    if task.settings.mode == "staged":
        facts["from_stage"], history = _staged(extractor, task)
    elif task.settings.mode == "full":
        history = _full(extractor, task)
    network.eval()
    return TransferFit(config, facts, history)


def fit_head(extractor: FeatureExtractor, task: TransferTask, config: dict[str, Any]) -> dict[str, Any]:
    """The head of the reader's network, fitted on frozen features and put in place;
    a tree that was found is written into `config`.
    """
    features, targets = extractor.features(task.train.images), targets_of(task.train)
    val_features, val_targets = extractor.features(task.val.images), targets_of(task.val)
    mirrored = extractor.features(task.train.images, flip=True) if task.settings.flip else None
    if not len(task.val):
        raise SettingsError(
            "the strength of a linear head is chosen on validation pictures, and there are none",
            cure="Give more pictures, or a val part.",
        )
    if task.settings.head == "tree" and task.settings.tree is None:
        config["tree"] = binary_tree(task.taxonomy, task.train.class_names, features, targets)
    rows = with_mirrored(LinearData(features, targets), mirrored)
    val = LinearData(val_features, val_targets)
    beside = None
    if task.ruled_out is not None:
        beside = RuledOutRows(extractor.features(task.ruled_out.images.images), task.ruled_out.classes)
    return place_head(extractor.network, rows, val, task, config.get("tree"), beside)


def with_mirrored(rows: LinearData, mirrored: NDArray[np.float32] | None) -> LinearData:
    """The rows followed by those of their mirror images."""
    if mirrored is None:
        return rows
    count, width = rows.features.shape
    both = empty((2 * count, width), np.float32)
    both[:count], both[count:] = rows.features, mirrored
    pictures = np.concatenate([np.arange(count), np.arange(count)])
    return LinearData(both, np.concatenate([rows.targets, rows.targets]), groups=pictures)


def place_head(
    network: TransferNetwork,
    train: LinearData,
    val: LinearData,
    task: TransferTask,
    tree: Any = None,
    beside: RuledOutRows | None = None,
) -> dict[str, Any]:
    """Fit the head that the settings name and put it into `network`; returns the facts about the fit. A
    softmax head also learns from the rows `beside`.
    """
    options = LinearSettings(
        seed=task.seed, robust=task.settings.robust, balanced=task.recipe.balance == "weights"
    )
    if task.train.tags is not None:
        heads = fit_one_vs_rest(train, val, options)
        network.head = _linear(heads.weight, heads.bias)
        never = [task.train.class_names[one] for one in heads.constant]
        return {
            "head": "one decision a label",
            "val_loss": _rounded(float(np.nansum(heads.val_losses))),
            "constant": never,
        }
    if tree is not None:
        decisions = fit_tree(train, val, tree, task.classes, options)
        network.head = TreeHead(network.width, tree, task.classes).load_fitted(
            decisions.weight, decisions.bias
        )
        return {"head": "tree of binary classifiers", "decisions": len(decisions.bias)}
    if beside is None or options.robust:
        head = fit_linear(train, val, task.classes, options)
    else:
        head = fit_linear_beside(train, val, task.classes, options, beside)
    network.head = _linear(head.weight, head.bias)
    issues = label_issue_rows(head, task.train) if task.settings.robust else ()
    found = {LABEL_ISSUE_ROWS: as_json(issues), "remedy": head.remedy} if task.settings.robust else {}
    return {
        "head": "softmax",
        "strength": head.strength,
        "val_loss": _rounded(head.val_loss),
        "label_issues": len(issues),
        **found,
    }


def label_issue_rows(head: LinearHead, images: ImageSet) -> tuple[LabelIssueRow, ...]:
    """The pictures of `images` whose labels a robust fit on them (and on their mirror images, behind them)
    holds for wrong, the lowest quality first; a picture and its mirror image count once.
    """
    labels, names = images.require_labels(), images.class_names
    found: dict[int, LabelIssueRow] = {}
    for place in np.argsort(head.qualities, kind="stable"):
        row, suggested = int(head.label_issues[place]) % len(images), names[head.suggested_labels[place]]
        issue = LabelIssueRow(images.ids[row], names[labels[row]], suggested, float(head.qualities[place]))
        found.setdefault(row, issue)
    return tuple(found.values())


def _linear(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    set_linear(layer, weight, bias)
    return layer


class _FromStage(nn.Module):
    """The part of a network that learns, from what stage `start` is given to the logits;
    the rest is neither run nor trained.
    """

    def __init__(self, network: TransferNetwork, start: int) -> None:
        super().__init__()
        self.network, self.start, self.dropout = network, start, nn.Dropout(0.2)

    def forward(self, maps: Tensor) -> Tensor:
        return self.network.head(self.dropout(self.network.features(maps, self.start)))


@dataclass(frozen=True)
class _MapsObjective:
    """Cross-entropy on batches (float16 maps (N, …), those of the mirrored pictures, targets);
    one of the two is drawn.
    """

    label_smoothing: float

    def __call__(
        self, network: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        maps, mirrored, targets, *ruled_out = batch
        if generator is None:
            return classification_loss(network(maps.float()), targets)
        drawn = uniform(len(maps), generator, maps) < 0.5
        shown = torch.where(drawn.reshape(-1, *[1] * (maps.ndim - 1)), mirrored, maps)
        logits = network(shown.float())
        if ruled_out:
            loss, measures = partly_labelled_loss(logits, (targets, ruled_out[0]), self.label_smoothing)
        else:
            loss, measures = classification_loss(logits, targets, self.label_smoothing)
        return loss, measures | margin_measure(logits, targets)


def staged_start(network: TransferNetwork, preprocess: Preprocess, wanted: str | None) -> int:
    """The number of the first stage that learns; None takes the last third of the work."""
    stages = network.stages
    if wanted is None:
        shares = stage_costs(stages, torch.zeros(1, preprocess.channels, *preprocess.size))
        tail = np.cumsum(shares[::-1])[::-1]
        fitting = [number for number in range(1, len(stages)) if tail[number] <= LEARNING_SHARE]
        start = min(fitting, default=len(stages) - 1)
    else:
        start = stage_index(stages, wanted)
    if network.grid_at is not None and start > network.grid_at:
        if wanted is None:
            return network.grid_at
        raise SettingsError(
            f"from_stage={wanted} stands behind the grid's stage {stages[network.grid_at].name}: nothing "
            "would learn",
            cure="Name an earlier stage, or use taps=pooled.",
        )
    if start == 0:
        raise SettingsError(
            f"from_stage={wanted} is the first stage", cure="Use mode=full to train all of it."
        )
    return start


def _staged(extractor: FeatureExtractor, task: TransferTask) -> tuple[str, list[dict[str, Any]]]:
    network = extractor.network
    start = staged_start(network, extractor.preprocess, task.settings.from_stage)

    def given(images: ImageSet, flip: bool = False) -> Tensor:
        return torch.from_numpy(extractor.maps(images.images, start, flip=flip))

    maps, val = given(task.train), given(task.val)
    mirrored = given(task.train, True) if task.settings.flip else maps
    targets, val_targets = (torch.from_numpy(targets_of(part)) for part in (task.train, task.val))
    modules = [network.head, *(module for stage in network.stages[start:] for module in stage.modules)]
    learning = {id(one) for module in modules for one in module.parameters()}
    frozen = [one for one in network.parameters() if id(one) not in learning]
    for parameter in frozen:
        parameter.requires_grad_(False)
    source: BatchSource = ArraySource((maps, mirrored, targets), (val, val, val_targets))
    if task.ruled_out is not None:
        more = given(task.ruled_out.images), given(task.ruled_out.images, task.settings.flip)
        source = WithRuledOut(source, more, torch.from_numpy(task.ruled_out.classes))
    objective = _MapsObjective(task.recipe.label_smoothing)
    history = train(
        _FromStage(network, start), source, objective, task.recipe, seed=task.seed, context=task.context
    )
    for parameter in frozen:
        parameter.requires_grad_(True)
    return network.stages[start].name, history


def _full(extractor: FeatureExtractor, task: TransferTask) -> list[dict[str, Any]]:
    rows = ArraySource(labelled_rows(task.train), labelled_rows(task.val))
    source = with_pictures(rows, task.ruled_out)
    objective = Classification(extractor.preprocess, task.recipe.label_smoothing, task.recipe.augment)
    return train(extractor.network, source, objective, task.recipe, seed=task.seed, context=task.context)


def _rounded(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None


def facts_in_words(facts: Mapping[str, Any]) -> str:
    """One line about a fit, for notes and pages."""
    how = {
        "head": "features frozen",
        "staged": f"fine-tuned from {facts.get('from_stage')}",
        "full": "all of it fine-tuned",
    }[facts["mode"]]
    return (
        f"{facts['weights']}; {how}; {facts['head']} on {facts['features']:,} features at "
        f"{facts['input_side']} pixels"
    )
