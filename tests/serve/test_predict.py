"""Predictions over HTTP are those of the model alone, however many ask at once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from serve.conftest import Running, as_files, noise_picture, running, upload

from lightfast.data.decode.decode import decode_bytes
from lightfast.data.stroke_pictures import stroke_picture
from lightfast.data.strokes import checked_drawing
from lightfast.library.library import Library
from lightfast.serve.api import predict
from lightfast.serve.service import Service
from lightfast.serve.settings import ServeSettings
from lightfast.tagging.runtime import load_tagger


@pytest.fixture
def served(plain_served: Running) -> Running:
    return plain_served


def expected(small: Path, data: bytes) -> dict[str, float]:
    """By the plainest way: decode, ask the tagger."""
    tagger = load_tagger(small, threads=1)
    probs = tagger.probs(decode_bytes(data, image_size=(16, 16), channels=3)[None])[0]
    return dict(zip(tagger.card.class_names, probs.tolist(), strict=True))


def said(item: dict) -> dict[str, float]:
    return {one["label"]: one["probability"] for one in item["labels"]}


def test_several_files_in_one_request_in_their_order(client: httpx.Client, small: Path):
    data = [noise_picture(number) for number in range(20)]
    items = client.post("/api/predict", files=as_files(*data)).json()["items"]
    assert [one["name"] for one in items] == [f"picture{number}.png" for number in range(20)]
    for item, one in zip(items, data, strict=True):
        assert said(item) == pytest.approx(expected(small, one), abs=1e-5)


def test_many_at_once_get_each_their_own(served: Running, small: Path):
    data = [noise_picture(number) for number in range(24)]

    def ask(one: bytes) -> dict[str, float]:
        with served.client() as client:
            answer = client.post("/api/predict", content=one, headers={"Content-Type": "image/png"})
            return said(answer.json()["items"][0])

    before = counted(served)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, data))
    for one, probs in zip(data, found, strict=True):
        assert probs == pytest.approx(expected(small, one), abs=1e-5)
    assert counted(served) - before == 24


def counted(served: Running) -> float:
    """How many predictions the server says that it made."""
    with served.client() as client:
        text = client.get("/metrics").text
    return float(re.findall(r"^lightfast_predictions_total (\S+)$", text, re.M)[0])


def test_top_and_threshold(client: httpx.Client, small: Path):
    data = noise_picture(1)
    probs = sorted(expected(small, data).values(), reverse=True)
    item = client.post("/api/predict", files=as_files(data), params={"top": 2}).json()["items"][0]
    assert [one["probability"] for one in item["labels"]] == pytest.approx(probs[:2], abs=1e-5)
    cut = float(np.mean(probs[:2]))
    item = client.post("/api/predict", files=as_files(data), params={"threshold": cut}).json()["items"][0]
    assert len(item["labels"]) == 1


def test_one_broken_picture_spoils_no_other(client: httpx.Client):
    items = client.post("/api/predict", files=as_files(b"nothing", noise_picture(1))).json()["items"]
    assert items[0]["unreadable"].startswith("not a picture")
    assert len(items[1]["labels"]) == 4


def test_pictures_of_the_library(client: httpx.Client, small: Path):
    ids = upload(client, 2)
    items = client.post("/api/predict/assets", json={"asset_ids": ids}).json()["items"]
    assert [one["asset_id"] for one in items] == ids
    assert said(items[1]) == pytest.approx(expected(small, noise_picture(1)), abs=1e-5)
    assert client.post("/api/predict/assets", json={"asset_ids": [*ids, 77]}).status_code == 404


def test_in_a_clients_words(client: httpx.Client):
    own = client.post("/api/labels", json={"name": "b"}).json()
    wanted = {"name": "Banane", "client": "shop", "same_as_id": own["id"]}
    assert client.post("/api/labels", json=wanted).status_code == 201
    answer = client.post("/api/predict", files=as_files(noise_picture(1)), params={"client": "shop"})
    assert [one["label"] for one in answer.json()["items"][0]["labels"]] == ["Banane"]
    answer = client.post("/api/predict", files=as_files(noise_picture(1)), params={"client": "nobody"})
    assert answer.status_code == 404


def test_a_model_that_is_exchanged_while_words_are_looked_up_refuses_nobody(
    served: Running, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    def exchanged(service: Service, _client: str) -> dict[str, str]:
        service.model.close()
        return {"a": "Apfel", "b": "Birne", "c": "c", "d": "d"}

    assert client.post("/api/predict", files=as_files(noise_picture(1))).status_code == 200
    monkeypatch.setattr(predict, "_words", exchanged)
    answer = client.post("/api/predict", files=as_files(noise_picture(1)), params={"client": "shop"})
    assert answer.status_code == 200, answer.text
    assert {"Apfel", "Birne"} <= {one["label"] for one in answer.json()["items"][0]["labels"]}


def test_without_a_model_it_says_so(library: Library):
    with running(library, ServeSettings(port=0, work=False)) as found, found.client() as client:
        answer = client.post("/api/predict", files=as_files(noise_picture(1)))
    assert answer.status_code == 409
    assert "no model yet" in answer.json()["detail"]


@pytest.mark.parametrize(
    "query",
    [{}, {"top": 1}, {"top": 1, "threshold": 0.3}, {"top": 0}, {"threshold": "high"}, {"client": "nobody"}],
)
def test_one_picture_as_the_body_is_answered_as_in_a_form(client: httpx.Client, query: dict):
    data = noise_picture(5)
    form = client.post("/api/predict", files=as_files(data), params=query)
    headers = {"Content-Type": "image/png"}
    body = client.post(
        "/api/predict", content=data, headers=headers, params={**query, "name": "picture0.png"}
    )
    assert body.status_code == form.status_code
    assert body.headers["content-type"] == form.headers["content-type"]
    if not form.is_success:
        assert body.json() == form.json()
        return
    (sent,), (filled) = body.json()["items"], form.json()["items"][0]
    assert (sent["name"], said(sent)) == (filled["name"], pytest.approx(said(filled), abs=1e-5))
    assert {**body.json(), "items": []} == {**form.json(), "items": []}


def test_what_brings_no_picture_is_refused(client: httpx.Client):
    assert client.post("/api/predict", json={"url": "http://127.0.0.1/"}).status_code == 415
    assert client.post("/api/predict", content=b"", headers={"Content-Type": "image/png"}).status_code == 422
    assert client.post("/api/predict", data={"files": "text"}, files={}).status_code in (415, 422)


STROKES = [[[10, 12], [60, 70], [61, 30]], [[5, 80]]]


@pytest.mark.parametrize("ink", ["white", "black"])
def test_strokes_are_read_as_the_picture_that_they_are_learnt_as(client: httpx.Client, small: Path, ink: str):
    picture = stroke_picture(checked_drawing(np.array(one) for one in STROKES), 16)
    picture = picture if ink == "white" else 255 - picture
    item = client.post("/api/predict/strokes", json={"strokes": STROKES, "ink": ink}).json()["items"][0]
    assert item["name"] == "drawing.png"
    probs = load_tagger(small, threads=1).probs(np.repeat(picture[None, ..., None], 3, axis=3))[0]
    assert sorted(said(item).values()) == pytest.approx(sorted(probs.tolist()), abs=1e-5)


def test_strokes_anywhere_at_any_size_are_one_drawing(client: httpx.Client):
    moved = [[[3 * x + 40, 3 * y - 7] for x, y in stroke] for stroke in STROKES]
    both = [client.post("/api/predict/strokes", json={"strokes": one}).json() for one in (STROKES, moved)]
    assert said(both[0]["items"][0]) == pytest.approx(said(both[1]["items"][0]), abs=1e-3)


@pytest.mark.parametrize("strokes", [[], [[]], [[[1, 2, 3]]], [[[1e9, 0]]], "a line"])
def test_what_is_no_drawing_is_refused(client: httpx.Client, strokes: object):
    assert client.post("/api/predict/strokes", json={"strokes": strokes}).status_code == 422
