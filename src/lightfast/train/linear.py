"""Linear heads on frozen features: many classes, a tree of binary decisions, or any number of tags. numpy in,
numpy out, no torch.

All three are the same convex problem, loss of the rows plus L2 on the weights, solved by L-BFGS for a series
of strengths, each started from the one before; the strength is chosen on validation rows. Features are
standardised inside, and that is folded into the weights. One loss for softmax and for masked sigmoids fits
all decisions of a tree, or all tags, in one pass over the features.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp, softmax

from lightfast.base.errors import DataError, SettingsError
from lightfast.models.binary_tree import Structure, sides
from lightfast.train.convex import FeatureScale, Problem
from lightfast.train.label_quality import confident_labels, label_issue_mask, label_quality, out_of_fold_probs

STRENGTHS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
# After so many strengths in a row without a better validation loss, weaker ones are not tried.
_WORSE = 2


@dataclass(frozen=True)
class LinearSettings:
    """How linear heads are fitted.

    Attributes:
        strengths: L2 factors on standardised features beside a loss that is a mean over rows, tried from
            strong to weak.
        balanced: every class weighs the same, however many rows it has (`fit_linear` only).
        robust: look for training rows whose label is probably wrong, and for a remedy, see `fit_linear`.
        folds: of the out-of-fold probabilities behind `robust`.
        seed: of those folds; nothing else is random.
    """

    strengths: tuple[float, ...] = STRENGTHS
    balanced: bool = False
    robust: bool = False
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.strengths or not all(np.isfinite(one) and one > 0 for one in self.strengths):
            raise SettingsError(f"strengths {self.strengths}", expected="at least one number above 0")


@dataclass(frozen=True, eq=False)
class LinearData:
    """Features with what is to be learned from them.

    Attributes:
        features: float32 (N, D).
        targets: int64 labels (N,), or bool tags (N, K).
        weights: float (N,), at least 0: how much each row counts, or None for all the same.
        groups: int64 (N,): rows of one number show one thing (a picture and its mirror image), so that none
            of them is judged by a model that learned from another; None: every row is its own.
    """

    features: NDArray[np.float32]
    targets: NDArray[Any]
    weights: NDArray[np.floating] | None = None
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        features = np.asarray(self.features, dtype=np.float32)
        if features.ndim != 2 or len(self.targets) != len(features) or not len(features):
            raise DataError(
                "features of a linear head",
                expected="shape (N, D) and N targets, N at least 1",
                got=f"{features.shape} and {len(self.targets)} targets",
            )
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise DataError(f"features of row {row}", expected="finite numbers", got="NaN or infinity")
        object.__setattr__(self, "features", features)

    def take(self, rows: NDArray[Any]) -> LinearData:
        """The given rows."""
        weights = None if self.weights is None else self.weights[rows]
        groups = None if self.groups is None else self.groups[rows]
        return LinearData(self.features[rows], self.targets[rows], weights, groups)


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A softmax over classes: logits = features @ weight.T + bias.

    Attributes:
        weight: float32 (K, D). bias: float32 (K,).
        strength: the chosen L2 factor.
        val_loss: cross-entropy on the validation rows, nats.
        absent: classes without training rows: no weights, and a bias that makes them as improbable as one row
            in N + K on average.
        label_issues: training rows whose label is probably wrong; empty unless `robust`. For each of them
            `suggested_labels` has the class that is more probable, `qualities` the quality of its label.
        remedy: what was done about such rows: "none", "drop" (they were left out) or "weigh" (every row
            counts as its label is trusted).
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    strength: float
    val_loss: float
    absent: tuple[int, ...] = ()
    label_issues: NDArray[np.intp] = dataclasses.field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    suggested_labels: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))
    qualities: NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.zeros(0))
    remedy: str = "none"

    def probs(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (N, K), rows sum to 1."""
        return softmax(features @ self.weight.T + self.bias, axis=1)


@dataclass(frozen=True, eq=False)
class BinaryHeads:
    """J yes-or-no decisions of their own: the decisions of a tree, or tags.

    Attributes:
        weight: float32 (J, D). bias: float32 (J,).
        strengths: float64 (J,), the chosen L2 factors; NaN where constant.
        val_losses: float64 (J,), log loss (nats) on the validation rows of each; a decision without any has
            NaN, and the strength that is best for the sum of the others.
        constant: decisions whose training rows all say the same, or that have none: no weights, and the bias
            of (yes + 1) / (rows + 2) (Laplace's rule).
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    strengths: NDArray[np.float64]
    val_losses: NDArray[np.float64]
    constant: tuple[int, ...] = ()

    def probs(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (N, J): the probability of each yes, 0..1."""
        return expit(features @ self.weight.T + self.bias)


def fit_linear(
    train: LinearData, val: LinearData, classes: int, settings: LinearSettings | None = None
) -> LinearHead:
    """Multinomial logistic regression on labels in 0..classes-1; the strength with the lowest cross-entropy
    on `val` is kept.

    `robust` is for labels of which some are wrong. The training rows are read by models that were not trained
    on them; `label_issue_mask` names those in which another class is confidently more probable
    (`train.label_quality`, after Northcutt, Jiang and Chuang 2021). Two remedies are fitted: without the
    label issues ("drop", which never takes a class away whole), and with every row counting as its label is
    probable beside the best other class, at most 1 ("weigh"). Of these and the plain head the one with the
    lowest cross-entropy on `val` is returned, so that clean labels lose little. No validation row is left
    out. docs/taxonomy.md says what that gains.
    """
    settings = settings or LinearSettings()
    for rows in (train, val):
        _check_labels(rows.targets, classes)
    if (seen := len(np.unique(train.targets))) < 2:
        raise DataError(
            "linear head",
            expected="training rows of at least 2 classes",
            got=str(seen),
            cure="Add other classes.",
        )
    head = _softmax_head(train, val, classes, settings)
    return _remedied(head, train, val, settings) if settings.robust else head


def _remedied(head: LinearHead, train: LinearData, val: LinearData, settings: LinearSettings) -> LinearHead:
    classes, labels = len(head.bias), train.targets
    fixed = dataclasses.replace(settings, strengths=(head.strength,))

    def read(rest: NDArray[np.intp], fold: NDArray[np.intp]) -> NDArray[np.float32]:
        return _softmax_head(train.take(rest), train.take(fold), classes, fixed).probs(train.features[fold])

    probs = out_of_fold_probs(labels, settings.folds, settings.seed, read, train.groups)
    wrong = label_issue_mask(probs, labels)
    dropped = wrong & (np.bincount(labels[~wrong], minlength=classes)[labels] > 0)
    counts = np.ones(len(labels)) if train.weights is None else np.asarray(train.weights, dtype=np.float64)
    quality = label_quality(probs, labels)
    remedies: dict[str, LinearData] = {"weigh": LinearData(train.features, labels, counts * quality)}
    if dropped.any():
        remedies["drop"] = train.take(np.flatnonzero(~dropped))
    heads = {"none": head} | {
        name: _softmax_head(rows, val, classes, settings) for name, rows in remedies.items()
    }
    best = min(heads, key=lambda name: heads[name].val_loss)
    rows = np.flatnonzero(wrong)
    suggested = confident_labels(probs, labels)[rows]
    return dataclasses.replace(
        heads[best], label_issues=rows, suggested_labels=suggested, qualities=quality[rows], remedy=best
    )


def fit_tree(
    train: LinearData,
    val: LinearData,
    structure: Structure,
    classes: int,
    settings: LinearSettings | None = None,
) -> BinaryHeads:
    """The decisions of a tree (`models.binary_tree`), each fitted and chosen on the rows of the classes on
    its two sides only.

    `probs` of the result are those of the first side of each decision; `models.tree_head.TreeHead` makes
    classes of them.
    """
    first, second = sides(structure, classes)
    for rows in (train, val):
        _check_labels(rows.targets, classes)
    parts = [(rows, first.T[rows.targets], (first | second).T[rows.targets]) for rows in (train, val)]
    return _binary_heads(parts[0], parts[1], settings or LinearSettings())


def fit_one_vs_rest(
    train: LinearData, val: LinearData, settings: LinearSettings | None = None
) -> BinaryHeads:
    """One decision a tag, for bool tags (N, K), each with a strength of its own."""
    shape = np.shape(train.targets)[1:]
    for rows in (train, val):
        if rows.targets.dtype != np.bool_ or rows.targets.ndim != 2 or rows.targets.shape[1:] != shape:
            raise DataError(
                "tags of a linear head",
                expected="bool (N, K), the same K for training and validation",
                got=f"{rows.targets.dtype} {rows.targets.shape}",
            )
    parts = [(rows, rows.targets, np.ones_like(rows.targets)) for rows in (train, val)]
    return _binary_heads(parts[0], parts[1], settings or LinearSettings())


def _softmax_head(train: LinearData, val: LinearData, classes: int, settings: LinearSettings) -> LinearHead:
    counts = np.bincount(train.targets, weights=train.weights, minlength=classes)
    present = np.flatnonzero(counts)
    scale = FeatureScale.of(train.features)
    weights = (
        np.ones(len(train.targets)) if train.weights is None else np.asarray(train.weights, dtype=np.float64)
    )
    if settings.balanced:
        weights = weights * (counts.sum() / (len(present) * np.maximum(counts, 1)))[train.targets]
    targets = np.eye(classes, dtype=np.float32)[train.targets][:, present]
    problem = Problem(
        scale(train.features), targets, (weights / weights.sum())[:, None].astype(np.float32), "softmax"
    )
    absent = tuple(int(one) for one in np.flatnonzero(counts == 0))
    best: LinearHead | None = None
    worse = 0
    for strength, solution in problem.path(settings.strengths):
        weight, bias = _with_absent(scale.folded(solution), present, classes, train)
        loss = _cross_entropy(val, weight, bias)
        if best is None or loss < best.val_loss:
            best, worse = LinearHead(weight, bias, strength, loss, absent), 0
        else:
            worse += 1
        if worse == _WORSE:
            break
    assert best is not None, "there is at least one strength"
    return best


def _cross_entropy(rows: LinearData, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> float:
    logits = (rows.features @ weight.T + bias).astype(np.float64)
    return float(
        np.average(
            np.asarray(logsumexp(logits, axis=1)) - logits[np.arange(len(logits)), rows.targets],
            weights=rows.weights,
        )
    )


def _with_absent(
    solution: tuple[NDArray[np.float32], NDArray[np.float32]],
    present: NDArray[np.intp],
    classes: int,
    train: LinearData,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The head over all classes; those without rows get the bias of an improbable class."""
    if len(present) == classes:
        return solution
    weight, bias = np.zeros((classes, solution[0].shape[1]), np.float32), np.empty(classes, np.float32)
    weight[present], bias[present] = solution
    level = float(np.mean(np.asarray(logsumexp(train.features @ solution[0].T + solution[1], axis=1))))
    bias[np.setdiff1d(np.arange(classes), present)] = level - np.log(len(train.targets) + classes)
    return weight, bias


def _binary_heads(
    train: tuple[LinearData, NDArray, NDArray],
    val: tuple[LinearData, NDArray, NDArray],
    settings: LinearSettings,
) -> BinaryHeads:
    """(rows, yes bool (N, J), counts bool (N, J):
    whether the row speaks of the decision) for training and validation.
    """
    rows, yes, counts = train
    weights = counts * (
        np.ones((len(yes), 1))
        if rows.weights is None
        else np.asarray(rows.weights, dtype=np.float64)[:, None]
    )
    totals, positives = weights.sum(axis=0), (weights * yes).sum(axis=0)
    varied = (positives > 0) & (positives < totals)
    weight = np.zeros((yes.shape[1], rows.features.shape[1]), np.float32)
    bias = np.log((positives + 1) / (totals - positives + 1)).astype(np.float32)
    strengths = np.full(len(bias), np.nan)
    places = np.flatnonzero(varied)
    if len(places):
        scale = FeatureScale.of(rows.features)
        share = (weights[:, places] / totals[places]).astype(np.float32)
        problem = Problem(scale(rows.features), yes[:, places].astype(np.float32), share, "sigmoid")
        tried, losses = [], []
        for strength, solution in problem.path(settings.strengths):
            tried.append((strength, *scale.folded(solution)))
            losses.append(_log_losses(val, tried[-1][1:], places))
            if (
                len(losses) > _WORSE
                and not (np.min(losses[-_WORSE:], axis=0) < np.min(losses[:-_WORSE], axis=0)).any()
            ):
                break
        chosen = _best_of_each(np.stack(losses))
        for column, (place, which) in enumerate(zip(places, chosen, strict=True)):
            strengths[place], weight[place], bias[place] = (
                tried[which][0],
                tried[which][1][column],
                tried[which][2][column],
            )
    val_losses = _log_losses(val, (weight, bias), np.arange(len(bias)))
    return BinaryHeads(
        weight, bias, strengths, val_losses, tuple(int(one) for one in np.flatnonzero(~varied))
    )


def _best_of_each(losses: NDArray[np.float64]) -> NDArray[np.intp]:
    """Row of the lowest loss of every column (S, J);
    a column of NaN takes the row with the lowest sum of the others.
    """
    shared = np.nansum(losses, axis=1).argmin()
    unknown = np.isnan(losses).any(axis=0)
    return np.where(unknown, shared, np.where(unknown, 0, losses).argmin(axis=0))


def _log_losses(
    val: tuple[LinearData, NDArray, NDArray], solution: tuple[NDArray, NDArray], places: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Log loss of each decision on the rows that speak of it; NaN without rows."""
    rows, yes, counts = val
    logits = rows.features @ solution[0].T + solution[1]
    losses = np.logaddexp(0, logits) - yes[:, places] * logits
    weights = counts[:, places] * (1.0 if rows.weights is None else np.asarray(rows.weights)[:, None])
    totals = weights.sum(axis=0)
    return np.divide(
        (losses * weights).sum(axis=0), totals, out=np.full(len(places), np.nan), where=totals > 0
    )


def _check_labels(labels: NDArray[Any], classes: int) -> None:
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            "labels of a linear head",
            expected=f"whole numbers (N,) in 0..{classes - 1}",
            got=f"{labels.dtype} {labels.shape}, {labels.min()}..{labels.max()}"
            if labels.ndim == 1
            else str(labels.shape),
        )
