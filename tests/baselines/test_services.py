"""Saved responses: the documented shapes, the pictures they belong to, labels as classes,
scores beside ours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightfast.base.errors import DataError, UnknownName
from lightfast.base.plain import as_json
from lightfast.baselines.responses import ServiceResponse, load_responses, parse_response
from lightfast.baselines.services import ServicePredictions, score_services, service_predictions
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.agreement import cohen_kappa
from lightfast.statistics.intervals import wilson

CLARIFAI = {
    "status": {"code": 10000},
    "outputs": [
        {
            "status": {"code": 10000},
            "data": {
                "concepts": [
                    {"id": "ai_1", "name": "animal", "value": 0.5},
                    {"id": "ai_2", "name": "dog", "value": 0.9},
                ]
            },
        }
    ],
}
DOCUMENTED: dict[str, list[dict[str, Any]]] = {
    "clarifai": [CLARIFAI],
    "ximilar": [
        {
            "records": [
                {
                    "_status": {"code": 200},
                    "best_label": {"name": "dog", "prob": 0.9},
                    "labels": [{"name": "dog", "prob": 0.9}, {"name": "animal", "prob": 0.5}],
                }
            ]
        }
    ],
    "google": [
        {
            "responses": [
                {
                    "labelAnnotations": [
                        {"mid": "/m/1", "description": "dog", "score": 0.9, "topicality": 0.9},
                        {"mid": "/m/2", "description": "animal", "score": 0.5},
                    ]
                }
            ]
        },
        {"labelAnnotations": [{"description": "dog", "score": 0.9}, {"description": "animal", "score": 0.5}]},
        {"predictions": [{"displayNames": ["animal", "dog"], "confidences": [0.5, 0.9], "ids": ["1", "2"]}]},
    ],
    "aws": [
        {
            "Labels": [
                {"Name": "dog", "Confidence": 90.0, "Parents": []},
                {"Name": "animal", "Confidence": 50.0},
            ]
        },
        {"CustomLabels": [{"Name": "animal", "Confidence": 50.0}, {"Name": "dog", "Confidence": 90.0}]},
    ],
    "azure": [
        {
            "metadata": {},
            "tagsResult": {
                "values": [{"name": "dog", "confidence": 0.9}, {"name": "animal", "confidence": 0.5}]
            },
        },
        {
            "tags": [{"name": "dog", "confidence": 0.9}, {"name": "animal", "confidence": 0.5}],
            "requestId": "x",
        },
        {
            "id": "x",
            "predictions": [
                {"tagName": "animal", "probability": 0.5},
                {"tagName": "dog", "probability": 0.9},
            ],
        },
    ],
}
IDS = ("cat/1.jpg", "dog/1.jpg", "dog/2.jpg")


@pytest.mark.parametrize(
    ("service", "response"), [(name, one) for name, rows in DOCUMENTED.items() for one in rows]
)
def test_documented_responses_are_told_apart_and_read(service: str, response: dict[str, Any]) -> None:
    assert parse_response(response) == (
        service,
        (("dog", pytest.approx(0.9)), ("animal", pytest.approx(0.5))),
    )


def test_a_record_with_its_best_label_alone() -> None:
    assert parse_response({"records": [{"best_label": {"name": "dog", "prob": 0.9}}]}) == (
        "ximilar",
        (("dog", 0.9),),
    )


def test_a_picture_without_labels_has_no_guesses() -> None:
    assert parse_response({"responses": [{}]}) == ("google", ())


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (
            {"outputs": [{"status": {"code": 30002, "description": "Download failed"}, "data": {}}]},
            "Download failed",
        ),
        ({"responses": [{"error": {"code": 3, "message": "Bad image data."}}]}, "Bad image data"),
        ({"records": [{"_status": {"code": 400, "text": "cannot load image"}}]}, "cannot load image"),
        ({"outputs": [{}, {}]}, "one picture a response"),
        ({"Labels": [{"Name": "dog"}]}, "damaged"),
        ({"tags": [{"name": "dog", "confidence": float("nan")}]}, "damaged"),
        ({"cats": 3}, "unknown shape"),
        ([1], "unknown shape"),
    ],
)
def test_errors_and_odd_shapes_are_refused(response: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_response(response)


def test_files_a_picture_and_lines(tmp_path: Path) -> None:
    (tmp_path / "clarifai/dog").mkdir(parents=True)
    (tmp_path / "clarifai/dog/1.jpg.json").write_text(json.dumps(CLARIFAI), encoding="utf-8")
    line = {"path": "dog/2.jpg", "response": DOCUMENTED["aws"][0], "service": "aws-2"}
    (tmp_path / "aws.jsonl").write_text(f"{json.dumps(line)}\n\n", encoding="utf-8")
    answers, unreadable = load_responses(tmp_path)
    assert [(one.picture, one.service) for one in answers] == [
        ("dog/2.jpg", "aws-2"),
        ("clarifai/dog/1.jpg", "clarifai"),
    ]
    assert unreadable == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{"),
        ("b.json", ""),
        ("c.json", "[" * 100_000),
        ("d.json", '{"x": 1}'),
        ("e.jsonl", "no"),
        ("f.jsonl", '{"path": "x"}'),
    ],
)
def test_what_is_no_response_is_named_and_the_rest_is_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "good.json").write_text(json.dumps(CLARIFAI), encoding="utf-8")
    (tmp_path / name).write_text(text, encoding="utf-8")
    answers, unreadable = load_responses(tmp_path)
    assert [one.picture for one in answers] == ["good"]
    assert [one.path.split(",")[0] for one in unreadable] == [name]


def test_a_folder_without_responses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no saved responses"):
        load_responses(tmp_path)


@pytest.mark.parametrize(
    ("key", "ids"),
    [
        ("dog/1.jpg", ["dog/1.jpg"]),
        ("dog/1", ["dog/1.jpg"]),
        ("2.jpg", ["dog/2.jpg"]),
        ("clarifai/dog/2", ["dog/2.jpg"]),
        ("clarifai/2", ["dog/2.jpg"]),
        ("saved/today/dog/2.jpg", ["dog/2.jpg"]),
        ("cat\\1.jpg", ["cat/1.jpg"]),
        # Nothing that only looks like it.
        ("1.jpg", []),
        ("cat/2.jpg", []),
        ("bird/1", []),
        ("..", []),
        ("", []),
    ],
)
def test_which_picture_a_response_belongs_to(key: str, ids: list[str]) -> None:
    readings, odd = service_predictions(
        [ServiceResponse(key, "clarifai", (("dog", 0.9),))], IDS, ("cat", "dog")
    )
    assert [name for one in readings for name in one.ranked] == ids
    assert len(odd) == 1 - len(ids)


def test_a_second_response_for_a_picture_is_named() -> None:
    twice = [
        ServiceResponse("dog/1.jpg", "aws", (("dog", 0.9),)),
        ServiceResponse("dog/1", "aws", (("cat", 0.9),)),
    ]
    readings, odd = service_predictions(twice, IDS, ("cat", "dog"))
    assert readings[0].ranked == {"dog/1.jpg": ("dog",)}
    assert "second response" in odd[0].reason


def test_labels_become_classes_by_spelling_and_synonym_and_the_rest_is_counted() -> None:
    guesses = (("mammal", 0.99), ("Hound", 0.9), ("GRAND-PIANO", 0.8), ("dog", 0.7))
    answers = [ServiceResponse("1", "aws", guesses), ServiceResponse("2", "aws", guesses[:1])]
    readings, _ = service_predictions(answers, ("1.png", "2.png"), ("dog", "grand_piano"), {"hound": "dog"})
    assert readings[0].ranked == {"1.png": ("dog", "grand_piano"), "2.png": ()}
    assert readings[0].unmapped == {"mammal": 2}


def test_a_synonym_for_no_class_is_refused() -> None:
    with pytest.raises(UnknownName, match="bird"):
        service_predictions([], IDS, ("cat", "dog"), {"robin": "bird"})


@pytest.fixture
def drawn() -> tuple[Predictions, ServicePredictions, ServicePredictions]:
    """Ours on 60 pictures of four classes, a service on 40 of them,
    another on 30 others and some of the same.
    """
    rng = np.random.default_rng(3)
    names = ("a", "b", "c", "d")
    labels = rng.integers(0, 4, 60)
    logits = rng.normal(size=(60, 4)) + 1.5 * np.eye(4)[labels]
    probs = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
    ids = tuple(f"{row}.png" for row in range(60))
    ours = Predictions(probs, names, ids, labels, "mine")
    one = {
        ids[row]: tuple(names[column] for column in rng.permutation(4)[: rng.integers(0, 5)])
        for row in range(40)
    }
    other = {ids[row]: tuple(names[column] for column in rng.permutation(4)[:2]) for row in range(20, 50)}
    return ours, ServicePredictions("aws", one, {}), ServicePredictions("google", other, {"thing": 4})


def test_each_service_is_scored_on_the_pictures_it_answered(drawn) -> None:
    ours, one, other = drawn
    first = score_services(ours, [one, other]).services[0]
    truth = [ours.class_names[ours.require_labels()[row]] for row in range(40)]
    top1 = sum(answer[:1] == (true,) for answer, true in zip(one.ranked.values(), truth, strict=True))
    top3 = sum(true in answer[:3] for answer, true in zip(one.ranked.values(), truth, strict=True))
    assert (first.service.n, first.service.top1, first.service.top3) == (40, top1 / 40, top3 / 40)
    assert (first.service.top1_interval, first.service.top3_interval) == (wilson(top1, 40), wilson(top3, 40))
    assert first.service.unanswered == sum(answer == () for answer in one.ranked.values())


def test_ours_is_scored_on_the_same_pictures_and_tested_in_pairs(drawn) -> None:
    ours, one, other = drawn
    second = score_services(ours, [one, other]).services[1]
    rows = range(20, 50)
    right = [other.ranked[ours.ids[row]][0] == ours.class_names[ours.require_labels()[row]] for row in rows]
    test = mcnemar(np.array(right), ours.correct[20:50])
    assert (second.ours.top1, second.test.p_value, second.test.gained) == (
        ours.correct[20:50].mean(),
        test.p_value,
        test.gained,
    )
    assert (second.test.before_name, second.test.after_name) == ("google", "mine")


def test_agreement_is_of_the_pictures_that_both_have_read(drawn) -> None:
    ours, one, other = drawn
    agreement = {
        frozenset((pair.first, pair.second)): pair.kappa
        for pair in score_services(ours, [one, other]).agreement
    }
    both = [f"{row}.png" for row in range(20, 40)]
    wanted = cohen_kappa(
        [(one.ranked[name] or ("-",))[0] for name in both], [other.ranked[name][0] for name in both]
    )
    assert agreement[frozenset(("aws", "google"))].value == pytest.approx(wanted.value)
    assert set(agreement) == {
        frozenset(pair) for pair in (("aws", "google"), ("aws", "mine"), ("google", "mine"))
    }


def test_pictures_without_a_response_and_labels_without_a_class_are_listed(drawn) -> None:
    card = score_services(drawn[0], drawn[1:])
    assert {name: len(ids) for name, ids in card.missing.items()} == {"aws": 20, "google": 30}
    assert card.unmapped == {"aws": {}, "google": {"thing": 4}}
    assert card.ours.n == 50


def test_the_scorecard_is_plain_json(drawn) -> None:
    card = score_services(drawn[0], drawn[1:])
    assert json.loads(json.dumps(as_json(card), allow_nan=False)) == as_json(card)


def test_no_response_of_any_picture_is_refused(drawn) -> None:
    with pytest.raises(DataError, match="no response belongs"):
        score_services(drawn[0], [])
