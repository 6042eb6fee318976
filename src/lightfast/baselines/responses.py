"""Saved responses of hosted image services: their documented JSON, read without network and keys.

Ways of keeping them: one `.json` a picture under its name (photo.jpg.json or photo.json, folders as in the
data), or `.jsonl` files of {"path": …, "response": …} lines, with "service" where the shape alone should not
name it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.unreadable import printable

Guesses = tuple[tuple[str, float], ...]
"""(label as the service spells it, score 0..1), the surest first."""
_FAILED, _CLARIFAI_OK = 400, 10000


@dataclass(frozen=True)
class ServiceResponse:
    """One saved response: the picture it was kept under, the service, what it said."""

    picture: str
    service: str
    guesses: Guesses


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
        for where, text in _texts(path, shown):
            try:
                answers.append(_answer(where, text, path.suffix))
            except (json.JSONDecodeError, RecursionError) as error:
                reason = f"not JSON ({getattr(error, 'msg', 'nested too deeply')})"
                unreadable.append(Unreadable(printable(where), reason))
            except DataError as error:
                unreadable.append(Unreadable(printable(where), str(error)))
    return tuple(answers), tuple(unreadable)


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


def _answer(where: str, text: str, suffix: str) -> ServiceResponse:
    content = json.loads(text)
    if suffix.lower() != ".jsonl":
        return ServiceResponse(where.removesuffix(suffix), *parse_response(content))
    match content:
        case {"path": picture, "response": response}:
            service, guesses = parse_response(response)
            return ServiceResponse(str(picture), str(content.get("service") or service), guesses)
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
