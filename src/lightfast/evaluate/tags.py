"""Any number of labels a picture: how well they were predicted, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.evaluate.bootstrap import draws, f1_and_ends, means_and_ends, percentiles
from lightfast.evaluate.curves import Curve, pr_curve, roc_curve
from lightfast.evaluate.macro import mean_f1
from lightfast.evaluate.tag_predictions import TagPredictions
from lightfast.statistics.intervals import Interval, wilson, wilson_bounds

# Fewest and most resamples, and the cells (pictures × labels × resamples) that decide between them: about 1.5
# s on one core.
_RESAMPLES = (200, 500)
_MOST_CELLS = 2e8


@dataclass(frozen=True)
class TagScore:
    """One label: shares in 0..1, each with its 95 % interval.

    Attributes:
        name: the label. threshold: it is given from this probability on.
        positives: pictures that carry it. given: pictures that get it.
        precision, recall: with Wilson's interval; None where nothing is given, or nothing carries it.
        f1: 0 where nothing is right; its interval is that of a share (`metrics.ClassScore`); None where
            nothing carries it.
        average_precision: whatever the threshold; None unless some pictures carry it and some do not;
            interval `curves.PR_METHOD`.
    """

    name: str
    threshold: float
    positives: int
    given: int
    precision: float | None
    precision_interval: Interval
    recall: float | None
    recall_interval: Interval
    f1: float | None
    f1_interval: Interval
    average_precision: float | None
    average_precision_interval: Interval | None


@dataclass(frozen=True)
class TagEvaluation:
    """How well the tags agree with those that the pictures carry.

    Attributes:
        name: of the predictions. n: pictures. seed: of the model, or None.
        macro_f1: plain mean of F1 over the labels that some picture carries or gets.
        micro_precision, micro_recall, micro_f1: over all (picture, label) pairs together.
        mean_average_precision: plain mean over the labels that some pictures carry and some do not; None
            without such labels.
        macro_f1_interval, micro_f1_interval, mean_average_precision_interval: 95 % percentile bootstrap over
            pictures (Efron 1979), one more added (`_resampled`).
        micro_precision_interval, micro_recall_interval: the same; pairs of one picture are not independent,
            Wilson's would be too narrow.
        exact_match: share of pictures all of whose labels are right, with its Wilson interval.
        tagged: share of pictures that get at least one label, with its Wilson interval.
        label_coverage: share of the labels that occur which are given rightly at least once, with its Wilson
            interval.
        per_label: one `TagScore` a label, in the order of the class names.
    """

    name: str
    n: int
    seed: int | None
    macro_f1: float
    macro_f1_interval: Interval
    micro_precision: float
    micro_precision_interval: Interval
    micro_recall: float
    micro_recall_interval: Interval
    micro_f1: float
    micro_f1_interval: Interval
    mean_average_precision: float | None
    mean_average_precision_interval: Interval | None
    exact_match: float
    exact_match_interval: Interval
    tagged: float
    tagged_interval: Interval
    label_coverage: float
    label_coverage_interval: Interval
    per_label: tuple[TagScore, ...]


def score_tags(predictions: TagPredictions) -> TagEvaluation:
    """Score labelled tag predictions; raises DataError without tags or pictures.

    500 draws stand behind the bootstrap intervals, 200 where N · K is large; they are the same for the same
    number of pictures.
    """
    tags, given = predictions.require_tags(), predictions.predicted_tags
    n = len(predictions)
    if n == 0:
        raise DataError(f"{predictions.name}: no pictures to score")
    right, carried, got = (tags & given).sum(axis=0), tags.sum(axis=0), given.sum(axis=0)
    rows = label_scores(predictions)
    areas = [row.average_precision for row in rows if row.average_precision is not None]
    values: dict[str, Any] = {
        "macro_f1": float(mean_f1(right, carried, got)),
        **_micro(right.sum(), carried.sum(), got.sum()),
    }
    drawn = _resampled(predictions, int(np.clip(_MOST_CELLS / tags.size, *_RESAMPLES)))
    ends: dict[str, Any] = {
        f"{key}_interval": _reached(drawn[key], value) or Interval(0.0, 1.0) for key, value in values.items()
    }
    mean_area = float(np.mean(areas)) if areas else None
    exact, tagged = int((tags == given).all(axis=1).sum()), int(given.any(axis=1).sum())
    occurring, found = int((carried > 0).sum()), int((right > 0).sum())
    return TagEvaluation(
        name=predictions.name,
        n=n,
        seed=predictions.seed,
        **values,
        **ends,
        mean_average_precision=mean_area,
        mean_average_precision_interval=None
        if mean_area is None
        else _reached(drawn["mean_average_precision"], mean_area),
        exact_match=exact / n,
        exact_match_interval=wilson(exact, n),
        tagged=tagged / n,
        tagged_interval=wilson(tagged, n),
        label_coverage=found / occurring if occurring else 0.0,
        label_coverage_interval=wilson(found, occurring),
        per_label=rows,
    )


def label_scores(predictions: TagPredictions) -> tuple[TagScore, ...]:
    """Every label by itself, in the order of the class names."""
    tags, given = predictions.require_tags(), predictions.predicted_tags
    counts = np.stack([(tags & given).sum(axis=0), tags.sum(axis=0), given.sum(axis=0)], axis=1).tolist()
    curves = {side[0]: pr_curve(*side) for side in _sides(predictions)}
    thresholds = predictions.thresholds.tolist()
    return tuple(
        _tag_score(name, thresholds[k], counts[k], curves.get(name))
        for k, name in enumerate(predictions.class_names)
    )


def tag_curves(predictions: TagPredictions) -> tuple[tuple[Curve, ...], tuple[Curve, ...]]:
    """(ROC, precision-recall): the curves of every label that some pictures carry and some do not,
    in the order of the class names.
    """
    sides = _sides(predictions)
    return tuple(roc_curve(*side) for side in sides), tuple(pr_curve(*side) for side in sides)


def _sides(predictions: TagPredictions) -> list[tuple[str, NDArray[np.float32], NDArray[np.bool_]]]:
    """(name, probabilities, whether carried) of every label that some pictures carry and some do not."""
    tags = predictions.require_tags()
    usable = [k for k in range(predictions.num_classes) if tags[:, k].any() and not tags[:, k].all()]
    return [(predictions.class_names[k], predictions.pred_probs[:, k], tags[:, k]) for k in usable]


def _tag_score(name: str, threshold: float, counts: Sequence[int], curve: Curve | None) -> TagScore:
    right, carried, got = counts
    low, high = (float(end) for end in wilson_bounds(right, carried + got - right))
    around = Interval(2 * low / (1 + low), 2 * high / (1 + high)) if carried else Interval(0.0, 1.0)
    return TagScore(
        name,
        threshold,
        carried,
        got,
        right / got if got else None,
        wilson(right, got),
        right / carried if carried else None,
        wilson(right, carried),
        2 * right / (carried + got) if carried else None,
        around,
        curve.area if curve else None,
        curve.area_interval if curve else None,
    )


def _micro(right: Any, carried: Any, got: Any) -> dict[str, Any]:
    """Precision, recall and F1 of counts, 0 where undefined; numbers or arrays."""
    pairs = {
        "micro_precision": (right, got),
        "micro_recall": (right, carried),
        "micro_f1": (2 * right, carried + got),
    }
    found: dict[str, Any] = {}
    for key, (part, whole) in pairs.items():
        share = np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)
        found[key] = share if np.ndim(share) else float(share)
    return found


def _resampled(predictions: TagPredictions, resamples: int) -> dict[str, NDArray[np.float64]]:
    """Every figure on pictures drawn again with replacement, (3, R) each: of the drawn pictures, with one
    more that is read wrongly, with one more that is read rightly, of random weight (the device of
    `evaluate.macro`). It carries and gets as many labels as a picture does on average; by label, one label,
    the rarest.
    """
    tags, given = predictions.require_tags(), predictions.predicted_tags
    n, classes = tags.shape
    sides = np.concatenate([tags & given, tags, given], axis=1).T.astype(np.float32)
    order = np.argsort(-predictions.pred_probs, axis=0, kind="stable")
    rng, more = generator(0, "tags drawn again", n), generator(0, "one picture more", n)
    counted: Any = tuple(side.sum(axis=0) for side in (tags & given, tags, given))
    rarest = int(np.where(counted[1] > 0, counted[1], n + 1).argmin())
    usable = (counted[1] > 0) & (counted[1] < n)
    rarest_known = int(np.where(usable, counted[1], n + 1).argmin())
    mean_carried, mean_got = (max(1.0, float(side.sum()) / n) for side in counted[1:])
    found: dict[str, list[NDArray]] = {}
    for drawn in draws(n, resamples, rng):
        right, carried, got = np.split((sides @ drawn).T, 3, axis=1)
        weight = more.exponential(size=drawn.shape[1])
        right_sum, carried_sum, got_sum = (side.sum(axis=1) for side in (right, carried, got))
        wanted = carried_sum + weight * mean_carried
        micro = (
            _micro(right_sum, carried_sum, got_sum),
            _micro(right_sum, wanted, got_sum + weight * mean_got),
            _micro(right_sum + weight * mean_carried, wanted, got_sum + weight * mean_carried),
        )
        figures = {
            "macro_f1": f1_and_ends((right, carried, got), counted, rarest, weight),
            **{key: [side[key] for side in micro] for key in micro[0]},
        }
        sorted_sides = (
            (order[:, k], predictions.pred_probs[order[:, k], k], tags[order[:, k], k])
            for k in range(classes)
        )
        areas = [_average_precisions(scores, carries, drawn[rows]) for rows, scores, carries in sorted_sides]
        known = {k: areas[k] for k in np.flatnonzero(usable).tolist()}
        figures["mean_average_precision"] = means_and_ends(
            known, rarest_known, carried[:, rarest_known].astype(np.float64), weight
        )
        for key, values in figures.items():
            found.setdefault(key, []).append(np.stack(values))
    return {key: np.concatenate(values, axis=1) for key, values in found.items()}


def _reached(drawn: NDArray[np.float64], value: float) -> Interval | None:
    """The interval of a figure from its draws (3, R) (`_resampled`); None when none is a number."""
    _, misread, right = drawn
    low, high = percentiles(misread, value), percentiles(right, value)
    return None if low is None or high is None else Interval(low.low, high.high)


def _average_precisions(
    scores: NDArray[np.float32], carried: NDArray[np.bool_], drawn: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(R,): average precision of each drawing (N, R) of pictures by falling score; NaN where none or all
    drawn pictures carry the label.

    It is the mean, over the drawn pictures that carry the label, of the precision among all that score as
    high; so only rows of those pictures are looked at once the counts are summed up.
    """
    rows = np.flatnonzero(carried)
    # Equal scores are one step: the last row of its score stands for a row.
    ends = np.searchsorted(-scores, -scores[rows], side="right") - 1
    last = np.searchsorted(rows, ends, side="right") - 1
    given, weights = np.cumsum(drawn, axis=0), drawn[rows]
    right = np.cumsum(weights, axis=0)
    total, everything = weights.sum(axis=0), given[-1]
    precision = np.divide(right[last], given[ends], out=np.zeros_like(weights), where=given[ends] > 0)
    usable = (total > 0) & (total < everything)
    return np.divide(
        (weights * precision).sum(axis=0, dtype=np.float64),
        total,
        out=np.full(drawn.shape[1], np.nan),
        where=usable,
    )
