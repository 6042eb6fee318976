"""Saved answers of hosted image services beside our own: paired with pictures, scored."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import PurePosixPath

import numpy as np

from lightfast.base.errors import DataError, UnknownName
from lightfast.base.plain import FLAT
from lightfast.baselines.responses import ServiceResponse
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.unreadable import printable
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.agreement import Kappa, cohen_kappa
from lightfast.statistics.holm import holm
from lightfast.statistics.intervals import Interval, wilson

NO_KNOWN_CLASS = "(no known class)"
"""The answer of a service none of whose labels is one of the classes."""


@dataclass(frozen=True)
class ServicePredictions:
    """What a service says of the pictures, in the words of the data.

    Attributes:
        service: its name.
        ranked: id of a picture → classes, the surest first; empty where no label is a class.
        unmapped: label → in how many responses it came, for labels that are no class;
            the most frequent first.
    """

    service: str
    ranked: Mapping[str, tuple[str, ...]]
    unmapped: Mapping[str, int]


@dataclass(frozen=True)
class ServiceScore:
    """Shares of right answers of one reader on n pictures, each with its 95 % Wilson interval."""

    name: str
    n: int
    top1: float
    top1_interval: Interval
    top3: float
    top3_interval: Interval
    unanswered: int = 0


@dataclass(frozen=True)
class ServiceComparison:
    """Our run and one service on the same pictures: both scores, McNemar's test (service → ours),
    its p after Holm's correction.
    """

    service: ServiceScore
    ours: ServiceScore
    test: PairedTest
    p_holm: float


@dataclass(frozen=True)
class Agreement:
    """How far the first answers of two readers agree, on the pictures that both have read."""

    first: str
    second: str
    kappa: Kappa = field(metadata=FLAT)


@dataclass(frozen=True)
class Scorecard:
    """Our run beside the services.

    Attributes:
        ours: on all pictures that a service has answered.
        services: one a service, on the pictures that it has answered.
        agreement: of every two readers.
        missing: service → ids of the pictures without its response.
        unmapped: service → label → responses with it.
    """

    ours: ServiceScore
    services: tuple[ServiceComparison, ...]
    agreement: tuple[Agreement, ...]
    missing: Mapping[str, tuple[str, ...]]
    unmapped: Mapping[str, Mapping[str, int]]
    correction: str = "Holm"

    @property
    def scores(self) -> list[ServiceScore]:
        """Of all readers, the best first."""
        return sorted((self.ours, *(one.service for one in self.services)), key=lambda one: -one.top1)


def service_predictions(
    answers: Sequence[ServiceResponse],
    ids: Sequence[str],
    class_names: Sequence[str],
    synonyms: Mapping[str, str] | None = None,
) -> tuple[tuple[ServicePredictions, ...], tuple[Unreadable, ...]]:
    """Answers paired with pictures and put into the words of the data; and the answers that no picture, or
    two, could be meant by.

    A label is a class when it is spelled alike (case, "_", "-" and blanks do not count) or when `synonyms`
    (label → class) says so. Labels that are no class are skipped in the ranking, and counted. A file may lie
    in a folder named after its service.

    Raises UnknownName when a synonym leads to no class.
    """
    known = _known(class_names, synonyms or {})
    places = _endings(ids)
    ranked: dict[str, dict[str, tuple[str, ...]]] = {}
    unmapped: dict[str, Counter[str]] = {}
    odd: list[Unreadable] = []
    for answer in answers:
        found = _pictures_of(answer, places)
        of_service = ranked.setdefault(answer.service, {})
        if len(found) != 1 or found[0] in of_service:
            said = f"{len(found)} pictures could be meant"
            if len(found) < 2:
                said = f"a second response for {found[0]}" if found else "no picture of this name in the data"
            odd.append(Unreadable(printable(answer.picture), f"{answer.service}: {said}"))
        else:
            classes = {label: known.get(_spelling(label)) for label, _ in answer.guesses}
            of_service[found[0]] = tuple(dict.fromkeys(filter(None, classes.values())))
            labels = sorted(label for label, name in classes.items() if name is None)
            unmapped.setdefault(answer.service, Counter()).update(labels)
    paired = [
        ServicePredictions(name, found, dict(unmapped[name].most_common()))
        for name, found in sorted(ranked.items())
        if found
    ]
    return tuple(paired), tuple(odd)


def score_services(ours: Predictions, services: Sequence[ServicePredictions]) -> Scorecard:
    """Our predictions beside the services, each service on the pictures that it has answered.

    Top 1 and top 3 of a service are among those of its labels that are classes; a response without any is a
    wrong answer. Top 3 of data with three classes or fewer says nothing, and is 1 for us.

    Raises DataError when no service has answered any picture.
    """
    if not services:
        raise DataError(
            "no response belongs to a picture of the data",
            cure="Keep each response under the name of its picture.",
        )
    names = ours.class_names
    truth = {name: names[label] for name, label in zip(ours.ids, ours.require_labels(), strict=True)}
    own = _own(ours)
    versus = [_versus(one, own, truth) for one in services]
    adjusted = holm([one.test.p_value for one in versus])
    answered = set().union(*(one.ranked for one in services))
    return Scorecard(
        _score(own, truth, list(answered & truth.keys())),
        tuple(replace(one, p_holm=float(p)) for one, p in zip(versus, adjusted, strict=True)),
        tuple(_agreement((own, *services), truth)),
        {one.service: tuple(name for name in truth if name not in one.ranked) for one in services},
        {one.service: one.unmapped for one in services},
    )


def _own(ours: Predictions) -> ServicePredictions:
    order = np.argsort(-ours.pred_probs, axis=1, kind="stable")[:, :3]
    ranked = (tuple(ours.class_names[column] for column in row) for row in order)
    return ServicePredictions(ours.name, dict(zip(ours.ids, ranked, strict=True)), {})


def _versus(one: ServicePredictions, own: ServicePredictions, truth: Mapping[str, str]) -> ServiceComparison:
    """Both on the pictures that the service has answered; p is not corrected yet."""
    ids = _both(one, own, truth)
    test = mcnemar(_right(one, truth, ids), _right(own, truth, ids))
    test = replace(test, before_name=one.service, after_name=own.service)
    return ServiceComparison(_score(one, truth, ids), _score(own, truth, ids), test, test.p_value)


def _agreement(readers: Iterable[ServicePredictions], ids: Iterable[str]) -> Iterator[Agreement]:
    for one, other in combinations(readers, 2):
        if both := _both(one, other, ids):
            yield Agreement(one.service, other.service, cohen_kappa(_first(one, both), _first(other, both)))


def _both(one: ServicePredictions, other: ServicePredictions, ids: Iterable[str]) -> list[str]:
    return [name for name in ids if name in one.ranked and name in other.ranked]


def _first(reader: ServicePredictions, ids: Sequence[str]) -> list[str]:
    return [(reader.ranked[name] or (NO_KNOWN_CLASS,))[0] for name in ids]


def _right(
    reader: ServicePredictions, truth: Mapping[str, str], ids: Sequence[str], among: int = 1
) -> list[bool]:
    return [truth[name] in reader.ranked[name][:among] for name in ids]


def _score(reader: ServicePredictions, truth: Mapping[str, str], ids: Sequence[str]) -> ServiceScore:
    n = len(ids)
    first, three = (sum(_right(reader, truth, ids, among)) for among in (1, 3))
    empty = sum(not reader.ranked[name] for name in ids)
    return ServiceScore(reader.service, n, first / n, wilson(first, n), three / n, wilson(three, n), empty)


def _known(class_names: Sequence[str], synonyms: Mapping[str, str]) -> dict[str, str]:
    """Spelling of a class or of a synonym → class."""
    known = {_spelling(name): name for name in class_names}
    for label, name in synonyms.items():
        if name not in class_names:
            raise UnknownName("class in the synonyms", name, class_names)
        known[_spelling(label)] = name
    return known


def _spelling(label: str) -> str:
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", label).casefold()).strip()


def _endings(ids: Sequence[str]) -> dict[str, list[str]]:
    """Every ending of a picture's path, with and without the ending of the
    file → the pictures that have it.
    """
    places: dict[str, list[str]] = {}
    for name in ids:
        parts = PurePosixPath(name).parts
        for start in range(len(parts)):
            path = PurePosixPath(*parts[start:])
            for key in {str(path), str(path.with_suffix(""))}:
                places.setdefault(key, []).append(name)
    return places


def _pictures_of(answer: ServiceResponse, places: Mapping[str, list[str]]) -> list[str]:
    """The pictures that a response may be of: its path ends a picture's path, or a picture's whole path ends
    it.

    Nothing looser: dog/1.jpg must not become cat/1.jpg when the data have no dog/1.jpg.
    """
    parts = PurePosixPath(answer.picture.replace("\\", "/")).parts
    below = bool(parts) and _spelling(parts[0]).startswith(_spelling(answer.service))
    for steps in (parts, parts[1:]) if below else (parts,):
        if found := places.get(str(PurePosixPath(*steps)), []):
            return found
        for start in range(1, len(steps)):
            ending = str(PurePosixPath(*steps[start:]))
            wholes = ((name, str(PurePosixPath(name).with_suffix(""))) for name in places.get(ending, []))
            if whole := [names[0] for names in wholes if ending in names]:
                return whole
    return []
