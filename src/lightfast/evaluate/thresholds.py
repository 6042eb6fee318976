"""From which probability on each label is given: for a wanted precision that holds on fresh pictures,
or for the best F1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.statistics.intervals import Interval, wilson

# Above every probability: the label is never given.
NEVER_GIVEN = 2.0
# The threshold of labels that the validation pictures do not allow to judge.
UNJUDGED = 0.5
PROVEN_WITH = 0.9
"""How surely a wanted precision is to hold on fresh pictures, unless told otherwise."""
# The best F1 of so few pictures is an accident.
_LEAST = 5


@dataclass(frozen=True)
class LabelThreshold:
    """One label.

    Attributes:
        name: the label.
        threshold: it is given from this probability on; `NEVER_GIVEN` (2.0) = not at all.
        status: "chosen"; "never": no threshold reaches the wanted precision with the wanted confidence;
            "unproven": it reaches it, but on too few validation pictures to be sure; "unjudged": too few
            validation pictures carry it to choose one (0.5 is used).
        positives: validation pictures that carry the label.
        given: validation pictures that get it at this threshold, and `right` of those carry it.
        precision: right / given, 0..1, None where it is given to none.
        interval: its 95 % Wilson interval; the threshold was chosen on these pictures, so that it flatters a
            little.
        recall: right / positives, None without positives.
    """

    name: str
    threshold: float
    status: str
    positives: int
    given: int
    right: int
    precision: float | None
    interval: Interval
    recall: float | None


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of all labels, in their order.

    Attributes:
        labels: one `LabelThreshold` a label.
        n: validation pictures.
        wanted_precision: what was asked for, or None for the best F1.
        confidence: how surely the wanted precision holds for a label on fresh pictures, 0..1.
    """

    JSON_PROPERTIES: ClassVar = ("never", "unproven", "unjudged")

    labels: tuple[LabelThreshold, ...]
    n: int
    wanted_precision: float | None
    confidence: float

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person has to know of them, one sentence each."""
        said = {
            "never given, since no threshold reaches the wanted precision": self.never,
            "too few validation pictures to be sure of the wanted precision": self.unproven,
        }
        return tuple(f"{text}: {', '.join(names)}" for text, names in said.items() if names)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """What `base.plain.as_json` gave, back."""
        labels = (row | {"interval": Interval(*row["interval"])} for row in said["labels"])
        rows = tuple(LabelThreshold(**row) for row in labels)
        return cls(rows, said["n"], said["wanted_precision"], said["confidence"])

    @property
    def values(self) -> NDArray[np.float64]:
        """float64 (K,)."""
        return np.array([row.threshold for row in self.labels])

    @property
    def never(self) -> tuple[str, ...]:
        """Labels that are never given."""
        return self._named("never")

    @property
    def unproven(self) -> tuple[str, ...]:
        """Labels that reach the wanted precision on too few validation pictures to be sure of it."""
        return self._named("unproven")

    @property
    def unjudged(self) -> tuple[str, ...]:
        """Labels that too few validation pictures carry."""
        return self._named("unjudged")

    def _named(self, status: str) -> tuple[str, ...]:
        return tuple(row.name for row in self.labels if row.status == status)


def choose_thresholds(
    probs: NDArray[np.floating],
    tags: NDArray[np.bool_],
    class_names: Sequence[str],
    precision: float | None = None,
    confidence: float = PROVEN_WITH,
) -> Thresholds:
    """Choose the threshold of each label on validation pictures.

    With a wanted `precision`: the lowest threshold at which the precision is at least that with the given
    confidence, by the one-sided bound of Clopper and Pearson (1934). A threshold whose plain validation
    precision just reaches that would miss it on fresh pictures about every second time, more often for
    rare labels. The price is recall, and that a label needs some pictures to prove itself: 22 given and all
    right for 0.9 at confidence 0.9 (log(1 - confidence) / log(precision)). Labels that cannot are never
    given, and are named. A label that fewer validation pictures carry than that could not prove itself
    however well it is read: it gets the lowest threshold whose plain precision reaches that, and is named
    as unproven. In simulations (400 labels a case, 15 to 1,000 positives) at most 9 labels in 100 were given
    with less than that on fresh pictures, counted over all labels, those never given among them; see
    docs/taxonomy.md.

    Without: the threshold of the best F1, 0.5 for labels with fewer than 5 positives, which are named.

    Args:
        probs: float (N, K) in 0..1, of pictures that the model was not trained on.
        tags: bool (N, K), what they carry.
        class_names: K names.
        precision: wanted, above 0 and at most 1, or None.
        confidence: of the bound, 0..1; 0.5 comes near the plain precision.
    """
    values, given = np.asarray(probs), np.asarray(tags)
    if values.shape != given.shape or values.shape[1:] != (len(class_names),) or given.dtype != np.bool_:
        raise DataError(
            "thresholds",
            expected=f"probabilities and bool tags of one shape (N, {len(class_names)})",
            got=f"{values.shape} and {given.dtype} {given.shape}",
        )
    if not len(values) or not np.isfinite(values).all():
        raise DataError(
            "thresholds",
            expected="finite probabilities of at least one validation picture",
            got=f"{len(values)} pictures",
        )
    if precision is not None and not 0 < precision <= 1:
        raise SettingsError(f"wanted precision {precision}", expected="above 0 and at most 1, such as 0.9")
    if not 0 < confidence < 1:
        raise SettingsError(f"confidence {confidence}", expected="a share between 0 and 1, such as 0.9")
    rows = []
    for k, name in enumerate(class_names):
        side = values[:, k], given[:, k]
        found = _best_f1(*side) if precision is None else _for_precision(*side, precision, confidence)
        rows.append(_described(str(name), *found, *side))
    return Thresholds(tuple(rows), len(values), precision, confidence)


def _for_precision(
    scores: NDArray[np.floating], carried: NDArray[np.bool_], wanted: float, confidence: float
) -> tuple[float, str]:
    from scipy.special import betaincinv

    cuts, given, right = cuts_of(scores, carried)
    bound = np.where(right > 0, betaincinv(np.maximum(right, 1), given - right + 1, 1 - confidence), 0.0)
    passing = np.flatnonzero(bound >= wanted)
    if len(passing):
        return float(cuts[passing[-1]]), "chosen"
    # With so few pictures no threshold could show it, however good the model: then the plain precision is all
    # there is to go by.
    if 0 < carried.sum() < np.log(1 - confidence) / np.log(min(wanted, 1 - 1e-9)):
        passing = np.flatnonzero(right >= wanted * given)
        return (float(cuts[passing[-1]]), "unproven") if len(passing) else (NEVER_GIVEN, "never")
    return NEVER_GIVEN, "never"


def _best_f1(scores: NDArray[np.floating], carried: NDArray[np.bool_]) -> tuple[float, str]:
    if carried.sum() < _LEAST:
        return UNJUDGED, "unjudged"
    cuts, given, right = cuts_of(scores, carried)
    return float(cuts[(2 * right / (given + carried.sum())).argmax()]), "chosen"


def cuts_of(
    scores: NDArray[np.floating], carried: NDArray[np.bool_]
) -> tuple[NDArray[np.floating], NDArray[np.int64], NDArray[np.int64]]:
    """Every distinct score from high to low, how many pictures reach it, and how many of those carry the
    label (are right): scores (N,), carried bool (N,).
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True)).astype(np.int64)
    return ranked[ends], ends + 1, np.cumsum(carried[order], dtype=np.int64)[ends]


def _described(
    name: str, threshold: float, status: str, scores: NDArray[np.floating], carried: NDArray[np.bool_]
) -> LabelThreshold:
    reached = scores >= threshold
    given, right, positives = int(reached.sum()), int((reached & carried).sum()), int(carried.sum())
    return LabelThreshold(
        name,
        threshold,
        status,
        positives,
        given,
        right,
        right / given if given else None,
        wilson(right, given),
        right / positives if positives else None,
    )
