"""All that speaks about a label, put together: the chance that it is right, and the right class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.curate.evidence import LabelEvidence
from lightfast.curate.feature_space import FeatureSpace, neighbour_votes
from lightfast.curate.label_scores import LEFT_OUT_FIT, NEIGHBOURS, log_margin
from lightfast.curate.noise_model import NoiseModel, fit_noise_model, log_sources

_NEIGHBOURS = 20
# Share of each transition that is spread evenly, see `NoiseModel.judged`; without features the transition is
# all that knows of errors between two classes.
_EVENED, _EVENED_ALONE = 0.3, 0.5
# How much the log margin counts in the order, see `_ordered`.
_MARGIN = 1.0
# Rounds of cleaning; they end where the number of wrong labels moves by less than this share.
_ROUNDS, _SETTLED = 6, 0.01
# Chances no nearer to 0 and 1 than this.
_CERTAIN = 1e-9


@dataclass(frozen=True, eq=False)
class Combined:
    """Attributes:
    quality: (N,), the chance that the given label is right, by everything.
    suggested: int64 (N,), the best other class.
    by_features: (N, K) class probabilities by name of the score, from the labels as they were given.
    neighbours: (rows int64 (N, k), cosines float32 (N, k)), or None.
    model: what was fitted.
    """

    quality: NDArray[np.floating]
    suggested: NDArray[np.int64]
    by_features: dict[str, NDArray[np.floating]]
    neighbours: tuple[NDArray[np.int64], NDArray[np.float32]] | None
    model: NoiseModel


def combine(evidence: LabelEvidence, seed: int = 0) -> Combined:
    """Fit the noise model to the probabilities and, where features are given, to what nearest pictures and a
    linear fit without the row say; then let those two learn from the cleaned labels, and fit again, until
    the number of wrong labels settles.
    """
    labels, sources = evidence.labels, log_sources(evidence.pred_probs)
    space = None if evidence.features is None else FeatureSpace.of(evidence.features)
    if space is None:
        model = fit_noise_model(sources, labels, seed)
        return Combined(*model.judged(sources, labels, _EVENED_ALONE), {}, None, model)
    near = space.nearest(_NEIGHBOURS)
    believed = np.eye(evidence.num_classes, dtype=np.float32)[labels]
    by_features = first = _by_features(space, near, believed)
    model: NoiseModel | None = None
    for _ in range(_ROUNDS):
        before = np.inf if model is None else model.wrong
        sources = log_sources(evidence.pred_probs, *by_features.values())
        model = fit_noise_model(sources, labels, seed)
        if abs(model.wrong - before) <= _SETTLED * max(model.wrong, 1 / len(labels)):
            break
        believed = np.ascontiguousarray(model.posterior(sources, labels).T)
        by_features = _by_features(space, near, believed)
    assert model is not None, "there is at least one round"
    quality, suggested = model.judged(sources, labels, _EVENED)
    return Combined(_ordered(quality, evidence), suggested, first, near, model)


def _ordered(quality: NDArray[np.floating], evidence: LabelEvidence) -> NDArray[np.floating]:
    """The same chances (N,), given to the rows in the order of log odds + log margin.

    The model knows which errors are frequent, and so takes rare ones for right; the log margin of the
    out-of-sample probabilities knows nothing of errors, and is the better one where any class is as likely as
    another. Added up they lose nowhere much. How many labels are wrong is left as the model says it. Both
    weights, this one and `_EVENED`, were chosen over the six families of sets of benchmarks/label_issues.py,
    the sets' own wrong labels left out, by mean average precision and the worst shortfall against a single
    score. By that measure the choice stays with any one family left out, or is as good to a thousandth; by
    other measures that were tried other weights came out.
    """
    certain = np.clip(quality.astype(np.float64), _CERTAIN, 1 - _CERTAIN)
    margin = np.clip(
        log_margin(evidence.pred_probs, evidence.labels).astype(np.float64), _CERTAIN, 1 - _CERTAIN
    )
    order = np.argsort(_log_odds(certain) + _MARGIN * _log_odds(margin), kind="stable")
    ordered = np.empty_like(quality)
    ordered[order] = np.sort(quality)
    return ordered


def _log_odds(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(chance) - np.log1p(-chance)


def _by_features(
    space: FeatureSpace, near: tuple[NDArray[np.int64], NDArray[np.float32]], believed: NDArray[np.floating]
) -> dict[str, NDArray[np.floating]]:
    fitted = np.clip(space.left_out_fit(believed), 1e-3, 1)
    return {
        NEIGHBOURS: neighbour_votes(near, believed),
        LEFT_OUT_FIT: fitted / fitted.sum(axis=1, keepdims=True),
    }
