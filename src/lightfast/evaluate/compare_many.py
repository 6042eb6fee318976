"""`compare`: which of several models is better on the same pictures,
and what may be concluded after so many looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, count
from typing import Any, ClassVar

from lightfast.base.errors import SettingsError
from lightfast.base.plain import FLAT, fields_json
from lightfast.evaluate.bootstrap import BootstrapScores, resample
from lightfast.evaluate.compare import SIGNIFICANT, PairedTest, mcnemar, require_same_pictures
from lightfast.evaluate.metrics import Evaluation, score
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.holm import holm
from lightfast.statistics.intervals import Interval, p_text

MOST_MODELS = 20


@dataclass(frozen=True)
class ModelPair:
    """Two models on the same pictures; every difference is second - first.

    Attributes:
        test: McNemar's test, with the accuracies and their difference.
        p_holm: its p-value after Holm's correction over all pairs of the comparison.
        macro_f1_difference: -1..1.
        macro_f1_interval: its 95 % interval, percentile bootstrap over the pictures, one more added
            (`evaluate.bootstrap`); of this pair alone, not of all pairs at once.
        auc_difference, auc_interval: the same for the macro one-vs-rest ROC area; None when no class occurs
            both as label and not.
    """

    JSON_PROPERTIES: ClassVar = ("first", "second", "told_apart")

    test: PairedTest = field(metadata=FLAT)
    p_holm: float
    macro_f1_difference: float
    macro_f1_interval: Interval
    auc_difference: float | None
    auc_interval: Interval | None

    @property
    def first(self) -> str:
        """The name of the first."""
        return self.test.before_name

    @property
    def second(self) -> str:
        """The name of the second."""
        return self.test.after_name

    @property
    def names(self) -> tuple[str, str]:
        """First and second."""
        return self.first, self.second

    @property
    def told_apart(self) -> bool:
        """Whether the corrected p-value is below 0.05 and the interval of the
        difference in accuracy leaves out 0.
        """
        return self.p_holm < SIGNIFICANT and self.test.significant


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several models on the same pictures.

    Attributes:
        names: one a model, in the order given; equal names are numbered.
        evaluations: what each scored, under those names.
        pairs: every pair once, in the order (first, second), (first, third), ...
        groups: largest sets of models of which no two are told apart, by falling accuracy of their best; a
            model may be in several, and one that is told apart from all others is a group of its own. A line
            under a group makes a critical-difference plot.
        n: pictures.
        seed: seed of the bootstrap.
        resamples: draws of the bootstrap.
    """

    names: tuple[str, ...]
    evaluations: tuple[Evaluation, ...]
    pairs: tuple[ModelPair, ...]
    groups: tuple[tuple[str, ...], ...]
    n: int
    seed: int
    resamples: int

    @cached_property
    def ranking(self) -> tuple[Evaluation, ...]:
        """By falling accuracy; of equals in the order given."""
        return tuple(sorted(self.evaluations, key=lambda one: -one.accuracy))

    def pair(self, one: str, other: str) -> ModelPair:
        """The pair of two names, in either order."""
        return next(pair for pair in self.pairs if {one, other} == set(pair.names))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values under fixed keys; intervals are lists of two."""
        return fields_json(self) | {"correction": "Holm", "sentence": self.sentence()}

    def sentence(self) -> str:
        """One to three sentences that say what may be concluded about accuracy."""
        if len(self.names) == 2:
            return _of_two(self.pairs[0])
        best, *rest = self.ranking
        pairs = {other.name: self.pair(best.name, other.name) for other in rest}
        beaten, open_ = (
            [name for name, pair in pairs.items() if pair.told_apart is apart] for apart in (True, False)
        )
        found = [f"On the same {self.n:,} pictures {self._leader()}."]
        tests = f"McNemar, Holm-corrected over {len(self.pairs)} pairs"
        if beaten:
            worst = max(pairs[name].p_holm for name in beaten)
            found.append(
                f"It is better than {_listed(beaten)} beyond what chance would give ({tests}, "
                f"{p_text(worst, sentence=True)})."
            )
        if open_:
            where = "No difference" if beaten else f"No difference ({tests})"
            found.append(
                f"{where} between {best.name} and {_listed(open_, 'or')} is shown, "
                f"{_not_equal([pairs[name] for name in open_])}."
            )
        return " ".join(found)

    def _leader(self) -> str:
        best = self.ranking[0]
        level = [one.name for one in self.ranking[1:] if one.accuracy == best.accuracy]
        also = f", as often as {_listed(level)}" if level else ""
        return f"{best.name} is right most often ({100 * best.accuracy:.2f} %{also})"


def compare(predictions: Sequence[Predictions], seed: int = 0, resamples: int = 2000) -> Comparison:
    """Compare 2 to 20 models on the same labelled pictures.

    Every pair gets McNemar's test with Holm's correction over all pairs, and paired bootstrap intervals of
    macro F1 and macro ROC area.

    Args:
        predictions: one a model; ids, labels and class names must be the same in the same order.
        seed: seed of the bootstrap.
        resamples: its draws; 10,000 pictures of 10 classes take one to two seconds a model for 2,000.

    Raises DataError when the pictures, labels or class lists differ, or when there are none; SettingsError
    for one model or more than 20.
    """
    if not 2 <= len(predictions) <= MOST_MODELS:
        raise SettingsError(
            f"comparison of {len(predictions)} models",
            expected=f"2 to {MOST_MODELS}",
            cure="Name at least two runs to compare.",
        )
    named = _distinct(predictions)
    for other in named[1:]:
        require_same_pictures(named[0], other)
    evaluations = tuple(map(score, named))
    rows = list(combinations(range(len(named)), 2))
    tests = [mcnemar(named[one], named[other]) for one, other in rows]
    adjusted = holm([test.p_value for test in tests])
    drawn = resample(named, resamples, seed)
    pairs = tuple(
        _pair(test, float(p), evaluations, drawn, row)
        for test, p, row in zip(tests, adjusted, rows, strict=True)
    )
    names = tuple(side.name for side in named)
    return Comparison(names, evaluations, pairs, _groups(evaluations, pairs), len(named[0]), seed, resamples)


def _pair(
    test: PairedTest,
    p_holm: float,
    evaluations: Sequence[Evaluation],
    drawn: BootstrapScores,
    row: tuple[int, int],
) -> ModelPair:
    one, other = row
    first, second = evaluations[one], evaluations[other]
    f1 = second.macro_f1 - first.macro_f1
    auc = None if first.roc_auc is None or second.roc_auc is None else second.roc_auc - first.roc_auc
    return ModelPair(
        test,
        p_holm,
        f1,
        drawn.f1_interval(one, other, f1),
        auc,
        None if auc is None else drawn.auc_interval(one, other, auc),
    )


def _distinct(predictions: Sequence[Predictions]) -> list[Predictions]:
    """The same predictions under names that differ: equal ones become
    "name (1)", "name (2)" in the order given.
    """
    times = Counter(side.name for side in predictions)
    taken, named = set(times), []
    for side in predictions:
        name = side.name
        if times[name] > 1:
            name = next(label for number in count(1) if (label := f"{side.name} ({number})") not in taken)
            taken.add(name)
        named.append(replace(side, name=name) if name != side.name else side)
    return named


def _groups(evaluations: Sequence[Evaluation], pairs: Sequence[ModelPair]) -> tuple[tuple[str, ...], ...]:
    from networkx import Graph, find_cliques

    ranked = [one.name for one in sorted(evaluations, key=lambda one: -one.accuracy)]
    alike, place = Graph(), {name: rank for rank, name in enumerate(ranked)}
    alike.add_nodes_from(ranked)
    alike.add_edges_from(pair.names for pair in pairs if not pair.told_apart)
    found = sorted(sorted(map(place.__getitem__, group)) for group in find_cliques(alike))
    return tuple(tuple(ranked[rank] for rank in group) for group in found)


def _of_two(pair: ModelPair) -> str:
    test = pair.test
    if pair.told_apart or test.gained == test.lost == 0:
        return test.sentence()
    return (
        f"On the same {test.n:,} pictures no difference between {test.before_name} "
        f"({100 * test.before_accuracy:.2f} %) and {test.after_name} ({100 * test.after_accuracy:.2f} %) is "
        f"shown (McNemar, {p_text(test.p_value, sentence=True)}), {_not_equal([pair])}."
    )


def _not_equal(pairs: Sequence[ModelPair]) -> str:
    reach = max(abs(end) for pair in pairs for end in pair.test.difference_interval)
    return (
        f"which does not make them equal: a difference of up to {100 * reach:.2f} points would fit the same "
        "pictures"
    )


def _listed(names: Sequence[str], last: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"
