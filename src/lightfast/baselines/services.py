"""Saved answers of hosted image services, replayed beside our own: documented JSON, paired with pictures,
scored. No network, no keys.

Ways of keeping them: one `.json` a picture under its name (photo.jpg.json or photo.json, folders as in the
data), or `.jsonl` files of {"path": …, "response": …} lines, with "service" where the shape alone should not
name it.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, UnknownName
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.unreadable import printable
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.agreement import Kappa, cohen_kappa
from lightfast.statistics.holm import holm
from lightfast.statistics.intervals import Interval, wilson

Guesses = tuple[tuple[str, float], ...]
"""(label as the service spells it, score 0..1), the surest first."""
NO_KNOWN_CLASS = "(no known class)"
"""The answer of a service none of whose labels is one of the classes."""
_CLARIFAI_OK = 10000


@dataclass(frozen=True)
class ServiceResponse:
    """One saved response: the picture it was kept under, the service, what it said."""

    picture: str
    service: str
    guesses: Guesses


@dataclass(frozen=True)
class ServicePredictions:
    """What a service says of the pictures, in the words of the data.

    Attributes:
        service: its name.
        ranked: id of a picture → classes, the surest first; empty where no label is a class.
        unmapped: label → in how many responses it came, for labels that are no class; the most frequent
            first.
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

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; intervals are lists of two."""
        return {
            "name": self.name,
            "n": self.n,
            "top1": self.top1,
            "top1_interval": list(self.top1_interval),
            "top3": self.top3,
            "top3_interval": list(self.top3_interval),
            "unanswered": self.unanswered,
        }


@dataclass(frozen=True)
class ServiceComparison:
    """Our run and one service on the same pictures: both scores, McNemar's test (service → ours),
    its p after Holm's correction.
    """

    service: ServiceScore
    ours: ServiceScore
    test: PairedTest
    p_holm: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "service": self.service.as_json(),
            "ours": self.ours.as_json(),
            "test": self.test.as_json(),
            "p_holm": self.p_holm,
        }


@dataclass(frozen=True)
class Scorecard:
    """Our run beside the services.

    Attributes:
        ours: on all pictures that a service has answered.
        versus: one a service, on the pictures that it has answered.
        agreement: (one, other, kappa of their first answers on the pictures that both have read).
        missing: service → ids of the pictures without its response.
        unmapped: service → label → responses with it.
    """

    ours: ServiceScore
    versus: tuple[ServiceComparison, ...]
    agreement: tuple[tuple[str, str, Kappa], ...]
    missing: Mapping[str, tuple[str, ...]]
    unmapped: Mapping[str, Mapping[str, int]]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values under fixed keys."""
        return {
            "ours": self.ours.as_json(),
            "services": [one.as_json() for one in self.versus],
            "correction": "Holm",
            "agreement": [
                {"first": one, "second": other, **kappa.as_json()} for one, other, kappa in self.agreement
            ],
            "missing": {name: list(ids) for name, ids in self.missing.items()},
            "unmapped": {name: dict(labels) for name, labels in self.unmapped.items()},
        }


def parse_response(response: Any) -> tuple[str, Guesses]:
    """(service, guesses) of one documented response, told apart by its shape.

    Clarifai (outputs[].data.concepts[]: name, value), Ximilar and Vize (records[].labels[] or best_label:
    name, prob), Google Cloud Vision (responses[].labelAnnotations[]: description, score; Vertex:
    predictions[].displayNames, confidences), AWS Rekognition (Labels or CustomLabels: Name, Confidence in
    percent), Azure (tagsResult.values, tags: name, confidence; Custom Vision predictions: tagName,
    probability).

    Raises DataError: none of these shapes, an error of the service, more than one picture in it, or a label
    without name or score.
    """
    for service, parser in _PARSERS.items():
        try:
            found = parser(response) if isinstance(response, dict) else None
            if found is not None:
                pairs = [(str(label), float(score)) for label, score in found]
                if not all(math.isfinite(score) for _, score in pairs):
                    raise ValueError("a score that is no number")
                return service, tuple(sorted(pairs, key=lambda pair: -pair[1]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"a response of {service} is damaged ({type(error).__name__}: {error})"
            ) from error
    raise DataError("a response of unknown shape", expected=f"the documented JSON of {', '.join(_PARSERS)}")


def load_responses(folder: Path | str) -> tuple[tuple[ServiceResponse, ...], tuple[Unreadable, ...]]:
    """All saved responses below `folder` (or in one file), and those that cannot be read, each with its
    reason.

    Raises DataError when there is no such place, or no response in it.
    """
    place = Path(folder)
    files = (
        [place]
        if place.is_file()
        else sorted(path for path in place.rglob("*") if path.suffix.lower() in (".json", ".jsonl"))
    )
    if not files:
        raise DataError(
            f"{place}: no saved responses",
            expected="a folder with .json or .jsonl files",
            cure="Save the services' answers there.",
        )
    answers: list[ServiceResponse] = []
    unreadable: list[Unreadable] = []
    for path in files:
        shown = path.name if path == place else path.relative_to(place).as_posix()
        for where, picture, service, text in _entries(path, shown):
            try:
                response = json.loads(text) if isinstance(text, str) else text
                named, guesses = parse_response(response)
                answers.append(ServiceResponse(picture, service or named, guesses))
            except (json.JSONDecodeError, RecursionError) as error:
                unreadable.append(
                    Unreadable(printable(where), f"not JSON ({getattr(error, 'msg', 'nested too deeply')})")
                )
            except DataError as error:
                unreadable.append(Unreadable(printable(where), str(error)))
    return tuple(answers), tuple(unreadable)


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
    known = {_spelling(name): name for name in class_names}
    for label, name in (synonyms or {}).items():
        if name not in class_names:
            raise UnknownName("class in the synonyms", name, class_names)
        known[_spelling(label)] = name
    places = _endings(ids)
    ranked: dict[str, dict[str, tuple[str, ...]]] = {}
    unmapped: dict[str, Counter[str]] = {}
    odd: list[Unreadable] = []
    for answer in answers:
        found = _pictures_of(answer, places)
        of_service = ranked.setdefault(answer.service, {})
        if len(found) != 1:
            said = (
                "no picture of this name in the data"
                if not found
                else f"{len(found)} pictures could be meant"
            )
            odd.append(Unreadable(printable(answer.picture), f"{answer.service}: {said}"))
        elif found[0] in of_service:
            odd.append(
                Unreadable(printable(answer.picture), f"a second response of {answer.service} for {found[0]}")
            )
        else:
            classes = [known.get(_spelling(label)) for label, _ in answer.guesses]
            of_service[found[0]] = tuple(dict.fromkeys(name for name in classes if name is not None))
            labels = {label for (label, _), name in zip(answer.guesses, classes, strict=True) if name is None}
            unmapped.setdefault(answer.service, Counter()).update(sorted(labels))
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
    labels = [ours.class_names[label] for label in ours.require_labels()]
    order = np.argsort(-ours.pred_probs, axis=1, kind="stable")[:, :3]
    own = {
        name: tuple(ours.class_names[column] for column in row)
        for name, row in zip(ours.ids, order, strict=True)
    }
    truth = dict(zip(ours.ids, labels, strict=True))
    rows = [[name for name in ours.ids if name in one.ranked] for one in services]
    tests = [
        mcnemar(_right(truth, one.ranked, ids), _right(truth, own, ids))
        for one, ids in zip(services, rows, strict=True)
    ]
    adjusted = holm([test.p_value for test in tests])
    versus = tuple(
        ServiceComparison(
            _score(one.service, truth, one.ranked, ids),
            _score(ours.name, truth, own, ids),
            replace(test, before_name=one.service, after_name=ours.name),
            float(p),
        )
        for one, ids, test, p in zip(services, rows, tests, adjusted, strict=True)
    )
    readers = {ours.name: own, **{one.service: one.ranked for one in services}}
    agreement = tuple(
        (one, other, cohen_kappa(_first(readers[one], both), _first(readers[other], both)))
        for one, other in combinations(readers, 2)
        if (both := _both(ours.ids, readers[one], readers[other]))
    )
    answered = [name for name in ours.ids if any(name in one.ranked for one in services)]
    missing = {one.service: tuple(name for name in ours.ids if name not in one.ranked) for one in services}
    return Scorecard(
        _score(ours.name, truth, own, answered),
        versus,
        agreement,
        missing,
        {one.service: one.unmapped for one in services},
    )


def _score(
    name: str, truth: Mapping[str, str], ranked: Mapping[str, tuple[str, ...]], ids: Sequence[str]
) -> ServiceScore:
    n = len(ids)
    first, three = (int(sum(truth[one] in ranked[one][:k] for one in ids)) for k in (1, 3))
    return ServiceScore(
        name, n, first / n, wilson(first, n), three / n, wilson(three, n), sum(not ranked[one] for one in ids)
    )


def _right(
    truth: Mapping[str, str], ranked: Mapping[str, tuple[str, ...]], ids: Sequence[str]
) -> NDArray[np.bool_]:
    return np.array([truth[one] in ranked[one][:1] for one in ids], dtype=bool)


def _first(ranked: Mapping[str, tuple[str, ...]], ids: Sequence[str]) -> list[str]:
    return [ranked[one][0] if ranked[one] else NO_KNOWN_CLASS for one in ids]


def _both(ids: Sequence[str], one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in ids if name in one and name in other]


def _spelling(label: str) -> str:
    return " ".join(
        unicodedata.normalize("NFKC", label).casefold().replace("_", " ").replace("-", " ").split()
    )


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
    for steps in (
        (parts, parts[1:] if _spelling(parts[0]).startswith(_spelling(answer.service)) else ())
        if parts
        else ()
    ):
        if found := places.get(str(PurePosixPath(*steps)), []):
            return found
        for start in range(1, len(steps)):
            ending = str(PurePosixPath(*steps[start:]))
            whole = [
                name
                for name in places.get(ending, [])
                if ending in (name, str(PurePosixPath(name).with_suffix("")))
            ]
            if whole:
                return whole
    return []


def _entries(path: Path, shown: str) -> Iterator[tuple[str, str, str, Any]]:
    """(where, picture, service or "", response as text or value) of a file;
    what cannot be opened comes as text that is not JSON.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        yield shown, shown, "", ""
        return
    if path.suffix.lower() != ".jsonl":
        yield shown, shown.removesuffix(path.suffix), "", text
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            where = f"{shown}, line {number}"
            try:
                entry = json.loads(line)
                yield where, str(entry["path"]), str(entry.get("service", "")), entry["response"]
            except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
                yield where, where, "", "" if not line.lstrip().startswith("{") else {}


def _one(service: str, records: Any) -> dict[str, Any]:
    if not isinstance(records, list) or len(records) != 1:
        count = len(records) if isinstance(records, list) else 0
        raise DataError(
            f"a response of {service}",
            expected="one picture a response",
            got=f"{count} records",
            cure="Save one a picture.",
        )
    return records[0]


def _clarifai(response: dict[str, Any]) -> list[tuple[Any, Any]] | None:
    if "outputs" not in response:
        return None
    output = _one("clarifai", response["outputs"])
    status = output.get("status", {})
    _no_error(
        "clarifai",
        status.get("description", "error") if status.get("code", _CLARIFAI_OK) != _CLARIFAI_OK else None,
    )
    return [(one["name"], one["value"]) for one in output["data"].get("concepts", [])]


def _ximilar(response: dict[str, Any]) -> list[tuple[Any, Any]] | None:
    if "records" not in response:
        return None
    record = _one("ximilar", response["records"])
    status = record.get("_status", {})
    _no_error("ximilar", status.get("text", "error") if status.get("code", 200) >= 400 else None)
    labels = record.get("labels") or [record["best_label"]]
    return [(one["name"], one["prob"]) for one in labels]


def _google(response: dict[str, Any]) -> list[tuple[Any, Any]] | None:
    predictions = response.get("predictions")
    if isinstance(predictions, list) and predictions and "displayNames" in predictions[0]:
        one = _one("google", predictions)
        return list(zip(one["displayNames"], one["confidences"], strict=True))
    if "responses" in response:
        response = _one("google", response["responses"])
        _no_error("google", response["error"].get("message", "error") if "error" in response else None)
    elif "labelAnnotations" not in response:
        return None
    # A picture that the service has no label for comes without the key.
    return [(one["description"], one["score"]) for one in response.get("labelAnnotations", [])]


def _aws(response: dict[str, Any]) -> list[tuple[Any, Any]] | None:
    labels = response.get("CustomLabels", response.get("Labels"))
    return None if labels is None else [(one["Name"], one["Confidence"] / 100) for one in labels]


def _azure(response: dict[str, Any]) -> list[tuple[Any, Any]] | None:
    if "predictions" in response:
        return [(one["tagName"], one["probability"]) for one in response["predictions"]]
    tags = response["tagsResult"]["values"] if "tagsResult" in response else response.get("tags")
    return None if tags is None else [(one["name"], one["confidence"]) for one in tags]


def _no_error(service: str, message: str | None) -> None:
    if message is not None:
        raise DataError(f"{service} answered with an error", got=str(message))


_PARSERS: dict[str, Callable[[dict[str, Any]], list[tuple[Any, Any]] | None]] = {
    "clarifai": _clarifai,
    "ximilar": _ximilar,
    "google": _google,
    "aws": _aws,
    "azure": _azure,
}
