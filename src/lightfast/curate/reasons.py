"""Why a label is probably wrong, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LabelWitness:
    """What is known of one label: class names, probabilities 0..1 out of sample, how many of the `near`
    nearest pictures carry each of both labels, the label of the same picture elsewhere (or ""), and the
    single scores by name.
    """

    given: str
    suggested: str
    given_prob: float
    suggested_prob: float
    near: int
    near_given: int
    near_suggested: int
    twin: str
    scores: Mapping[str, float]


def label_reason(witness: LabelWitness, *, issue: bool) -> str:
    """One sentence: what speaks against the label, the strongest first; "nothing speaks against" where it is
    no issue.
    """
    if not issue:
        return f"nothing speaks against {witness.given!r}"
    said = [*_twin(witness), *_probabilities(witness), *_neighbours(witness), *_others(witness)]
    if not said:
        said = [f"labels {witness.given!r} of such pictures are often {witness.suggested!r}"]
    return "; ".join(said)


def _twin(witness: LabelWitness) -> list[str]:
    return [f"the same picture is also labelled {witness.twin!r}"] if witness.twin else []


def _probabilities(witness: LabelWitness) -> list[str]:
    """What models that did not see the label say."""
    given, other = witness.given_prob, witness.suggested_prob
    if other > given:
        return [
            f"models that did not see its label read {witness.suggested!r} ({other:.0%}), "
            f"not {witness.given!r} ({given:.0%})"
        ]
    return []


def _neighbours(witness: LabelWitness) -> list[str]:
    """What the most similar pictures are labelled."""
    if witness.near_suggested <= witness.near_given:
        return []
    return [
        f"{witness.near_suggested} of the {witness.near} most similar pictures are {witness.suggested!r}, "
        f"{witness.near_given} {witness.given!r}"
    ]


def _others(witness: LabelWitness) -> list[str]:
    scores = witness.scores
    said = []
    if scores.get("left_out_fit", 1) < 0.5 and witness.near:
        said.append("a linear fit of the other pictures contradicts it")
    if scores.get("agreement", 1) < 0.5 <= scores.get("log_margin", 0):
        said.append("models of other folds disagree about it")
    if scores.get("epoch_margin", 1) < 0.5:
        said.append("a training did not learn it for most of its epochs")
    if scores.get("output_spread", 1) < 0.3:
        said.append("no class is read with confidence")
    return said
