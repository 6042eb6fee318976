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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

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
NOTHING = "(no known class)"
"""The answer of a service none of whose labels is one of the classes."""
_FAILED, _CLARIFAI_OK = 400, 10000


@dataclass(frozen=True)
class Answer:
    """One saved response: the picture it was kept under, the service, what it said."""

    picture: str
    service: str
    guesses: Guesses


@dataclass(frozen=True)
class Readings:
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
class Score:
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
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}


@dataclass(frozen=True)
class Versus:
    """Our run and one service on the same pictures: both scores, McNemar's test (service → ours),
    its p after Holm's correction.
    """

    service: Score
    ours: Score
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

    ours: Score
    versus: tuple[Versus, ...]
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
    match response:
        case {"predictions": [{"displayNames": _}, *_] as predictions}:
            response = {"responses": predictions}
    key = next((key for key in _SHAPES if isinstance(response, dict) and response.get(key) is not None), None)
    if key is None:
        services = ", ".join(dict.fromkeys(shape[0] for shape in _SHAPES.values()))
        raise DataError("a response of unknown shape", expected=f"the documented JSON of {services}")
    service, name, score, labels = _SHAPES[key]
    scale = 100 if service == "aws" else 1
    try:
        found = [(str(one[name]), float(one[score]) / scale) for one in labels(response[key])]
        if not all(math.isfinite(value) for _, value in found):
            raise ValueError("a score that is no number")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"a response of {service} is damaged ({type(error).__name__}: {error})") from error
    return service, tuple(sorted(found, key=lambda pair: -pair[1]))


def read_responses(folder: Path | str) -> tuple[tuple[Answer, ...], tuple[Unreadable, ...]]:
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
    answers: list[Answer] = []
    unreadable: list[Unreadable] = []
    for path in files:
        shown = path.name if path == place else path.relative_to(place).as_posix()
        for where, text in _texts(path, shown):
            try:
                answers.append(_answer(where, text, path.suffix))
            except (json.JSONDecodeError, RecursionError) as error:
                reason = f"not JSON ({getattr(error, 'msg', 'nested too deeply')})"
                unreadable.append(Unreadable(printable(where), reason))
            except DataError as error:
                unreadable.append(Unreadable(printable(where), str(error)))
    return tuple(answers), tuple(unreadable)


def readings_of(
    answers: Sequence[Answer],
    ids: Sequence[str],
    class_names: Sequence[str],
    synonyms: Mapping[str, str] | None = None,
) -> tuple[tuple[Readings, ...], tuple[Unreadable, ...]]:
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
        said = "no picture of this name in the data" if not found else ""
        if len(found) > 1:
            said = f"{len(found)} pictures could be meant"
        elif found and found[0] in of_service:
            said = f"a second response for {found[0]}"
        if said:
            odd.append(Unreadable(printable(answer.picture), f"{answer.service}: {said}"))
        else:
            classes = [known.get(_spelling(label)) for label, _ in answer.guesses]
            of_service[found[0]] = tuple(dict.fromkeys(name for name in classes if name is not None))
            labels = {label for (label, _), name in zip(answer.guesses, classes, strict=True) if name is None}
            unmapped.setdefault(answer.service, Counter()).update(sorted(labels))
    paired = [
        Readings(name, found, dict(unmapped[name].most_common()))
        for name, found in sorted(ranked.items())
        if found
    ]
    return tuple(paired), tuple(odd)


def score_services(ours: Predictions, readings: Sequence[Readings]) -> Scorecard:
    """Our predictions beside the services, each service on the pictures that it has answered.

    Top 1 and top 3 of a service are among those of its labels that are classes; a response without any is a
    wrong answer. Top 3 of data with three classes or fewer says nothing, and is 1 for us.

    Raises DataError when no service has answered any picture.
    """
    if not readings:
        raise DataError(
            "no response belongs to a picture of the data",
            cure="Keep each response under the name of its picture.",
        )
    names = ours.class_names
    truth = {name: names[label] for name, label in zip(ours.ids, ours.require_labels(), strict=True)}
    order = np.argsort(-ours.pred_probs, axis=1, kind="stable")[:, :3]
    ranked = {name: tuple(names[column] for column in row) for name, row in zip(ours.ids, order, strict=True)}
    own = Readings(ours.name, ranked, {})
    asked = [[name for name in ours.ids if name in one.ranked] for one in readings]
    tests = [
        mcnemar(_right(one, truth, ids), _right(own, truth, ids))
        for one, ids in zip(readings, asked, strict=True)
    ]
    adjusted = holm([test.p_value for test in tests])
    versus = tuple(
        Versus(
            _score(one, truth, ids),
            _score(own, truth, ids),
            replace(test, before_name=one.service, after_name=ours.name),
            float(p),
        )
        for one, ids, test, p in zip(readings, asked, tests, adjusted, strict=True)
    )
    agreement = tuple(
        (one.service, other.service, cohen_kappa(_first(one, both), _first(other, both)))
        for one, other in combinations((own, *readings), 2)
        if (both := [name for name in ours.ids if name in one.ranked and name in other.ranked])
    )
    answered = [name for name in ours.ids if any(name in one.ranked for one in readings)]
    missing = {one.service: tuple(name for name in ours.ids if name not in one.ranked) for one in readings}
    unmapped = {one.service: one.unmapped for one in readings}
    return Scorecard(_score(own, truth, answered), versus, agreement, missing, unmapped)


def _first(reader: Readings, ids: Sequence[str]) -> list[str]:
    return [(reader.ranked[name] or (NOTHING,))[0] for name in ids]


def _right(reader: Readings, truth: Mapping[str, str], ids: Sequence[str], among: int = 1) -> list[bool]:
    return [truth[name] in reader.ranked[name][:among] for name in ids]


def _score(reader: Readings, truth: Mapping[str, str], ids: Sequence[str]) -> Score:
    n = len(ids)
    first, three = (sum(_right(reader, truth, ids, among)) for among in (1, 3))
    empty = sum(not reader.ranked[name] for name in ids)
    return Score(reader.service, n, first / n, wilson(first, n), three / n, wilson(three, n), empty)


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


def _pictures_of(answer: Answer, places: Mapping[str, list[str]]) -> list[str]:
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


def _texts(path: Path, shown: str) -> list[tuple[str, str]]:
    """(where, JSON) of every response in a file; of one that cannot be opened an empty text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return [(shown, "")]
    if path.suffix.lower() != ".jsonl":
        return [(shown, text)]
    lines = enumerate(text.split("\n"), start=1)
    return [(f"{shown}, line {number}", line) for number, line in lines if line.strip()]


def _answer(where: str, text: str, suffix: str) -> Answer:
    content = json.loads(text)
    if suffix.lower() != ".jsonl":
        return Answer(where.removesuffix(suffix), *parse_response(content))
    match content:
        case {"path": picture, "response": response}:
            service, guesses = parse_response(response)
            return Answer(str(picture), str(content.get("service") or service), guesses)
    raise DataError("a line without a response", expected='{"path": …, "response": …}')


def _one(service: str, records: Any) -> dict[str, Any]:
    """The only record of a response, unless the service says there that it failed."""
    if not isinstance(records, list) or len(records) != 1:
        raise DataError(
            f"a response of {service}",
            expected="one picture a response",
            got=f"{len(records) if isinstance(records, list) else 0} records",
            cure="Save one a picture.",
        )
    record = records[0]
    status = record.get("error") or record.get("status") or record.get("_status") or {}
    if "error" in record or (status.get("code", 0) >= _FAILED and status["code"] != _CLARIFAI_OK):
        said = (status.get(key) for key in ("description", "text", "message"))
        raise DataError(f"{service} answered with an error", got=str(next(filter(None, said), "error")))
    return record


def _best(record: dict[str, Any]) -> list[Any]:
    return record.get("labels") or [record["best_label"]]


def _google(records: Any) -> list[Any]:
    """Vertex gives names and scores as two lists; Cloud Vision leaves the key out where it has no label."""
    record = _one("google", records)
    if "displayNames" not in record:
        return record.get("labelAnnotations", [])
    pairs = zip(record["displayNames"], record["confidences"], strict=True)
    return [{"description": name, "score": score} for name, score in pairs]


# Key at the top of a response → service, its words for the name and the score of a label, and the labels in
# what stands there.
_SHAPES: dict[str, tuple[str, str, str, Callable[[Any], Sequence[Any]]]] = {
    "outputs": ("clarifai", "name", "value", lambda all_: _one("clarifai", all_)["data"].get("concepts", [])),
    "records": ("ximilar", "name", "prob", lambda all_: _best(_one("ximilar", all_))),
    "responses": ("google", "description", "score", _google),
    "labelAnnotations": ("google", "description", "score", list),
    "CustomLabels": ("aws", "Name", "Confidence", list),
    "Labels": ("aws", "Name", "Confidence", list),
    "predictions": ("azure", "tagName", "probability", list),
    "tagsResult": ("azure", "name", "confidence", lambda result: result["values"]),
    "tags": ("azure", "name", "confidence", list),
}
