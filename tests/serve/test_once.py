"""Writes that are sent again under one key are done once: models and jobs, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from serve.conftest import Running

from lightfast.library.promote import list_models, promote_model
from lightfast.library.tag import ModelFacts, register_model
from lightfast.serve import once

AGAIN = "idempotency-replayed"


@pytest.fixture
def models(served: Running) -> list[int]:
    """The numbers of three models that were promoted one after the other."""
    numbers = [
        register_model(served.library.store, ModelFacts(name, f"runs/{name}", name, ("a",), {}))
        for name in ("first", "second", "third")
    ]
    for number in numbers:
        promote_model(served.library.store, number)
    return numbers


@pytest.fixture
def twice(client: httpx.Client) -> Callable[..., httpx.Response]:
    """`twice(path)`: the answer to a write that is sent two times, which has to be the same one."""

    def send(path: str, key: str, **more: object) -> httpx.Response:
        headers = {"Idempotency-Key": key}
        first, again = (client.post(path, headers=headers, **more) for _ in range(2))  # pyright: ignore[reportArgumentType]
        assert first.is_success, first.text
        assert AGAIN not in first.headers
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.headers[AGAIN] == "true"
        return first

    return send


def in_use(served: Running) -> str:
    return next(one.name for one in list_models(served.library.store) if one.in_use)


def test_a_model_is_taken_back_once(served: Running, models: list[int], twice: Callable[..., httpx.Response]):
    assert twice("/api/models/rollback", "back").json()["name"] == "second"
    assert in_use(served) == "second"
    assert twice("/api/models/rollback", "further back").json()["name"] == "first"


def test_a_promotion_that_is_sent_again_late_changes_nothing(
    served: Running, client: httpx.Client, models: list[int], twice: Callable[..., httpx.Response]
):
    twice(f"/api/models/{models[0]}/promote", "use")
    assert client.post(f"/api/models/{models[1]}/promote").is_success
    late = client.post(f"/api/models/{models[0]}/promote", headers={"Idempotency-Key": "use"})
    assert late.headers[AGAIN] == "true"
    assert in_use(served) == "second"


def test_a_retraining_is_one_job_and_is_begun_again_once(
    client: httpx.Client, twice: Callable[..., httpx.Response]
):
    job = twice("/api/models/retrain", "train", json={}).json()["id"]
    assert [one["id"] for one in client.get("/api/jobs").json()["items"]] == [job]
    assert client.post("/api/models/retrain", json={}).status_code == 409
    assert twice(f"/api/jobs/{job}/cancel", "stop").json()["state"] == "cancelled"
    # Without the key the second one would be refused: it waits already.
    assert twice(f"/api/jobs/{job}/retry", "again").json()["state"] == "waiting"
    assert client.post(f"/api/jobs/{job}/retry").status_code == 409
    acts = [one["act"] for one in client.get("/api/audit", params={"kind": "job"}).json()["items"]]
    assert acts == ["job begun again", "job cancelled", "job ordered"]


def test_every_write_that_takes_a_key_says_so(plain_client: httpx.Client):
    paths = plain_client.get("/api/openapi.json").json()["paths"]
    silent = {
        (method, path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "get"
        and "idempotency-key" not in {one["name"] for one in operation.get("parameters", [])}
    }
    # The same again changes nothing, or (log in, lease, search, predict) is asked for anew. The answer to a
    # new password is a session, which is kept nowhere; sent again it is refused: the present one is another.
    assert silent == {
        ("post", "/api/session"),
        ("delete", "/api/session"),
        ("put", "/api/session/password"),
        ("post", "/api/predict"),
        ("post", "/api/predict/assets"),
        ("post", "/api/predict/strokes"),
        ("post", "/api/search"),
        ("post", "/api/assets"),
        ("delete", "/api/assets/{asset_id}"),
        ("post", "/api/assets/{asset_id}/restore"),
        ("post", "/api/review/lease"),
        ("post", "/api/review/take"),
        ("post", "/api/review/release"),
    }


def test_an_order_whose_server_died_before_its_answer_is_found_again(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(once, "_done", lambda *_: None)
    order, headers = {"kind": "tag"}, {"Idempotency-Key": "tag"}
    first, again = (client.post("/api/jobs", json=order, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert client.post("/api/jobs", json={"kind": "embed"}, headers=headers).status_code == 422
    # What has no name of its own is not done a second time.
    sent = [client.post("/api/labels", json={"name": "cat"}, headers=headers) for _ in range(2)]
    assert [one.status_code for one in sent] == [201, 409]


def test_an_answer_is_given_again_to_nobody_whose_token_was_taken_back(served: Running):
    headers, order = {"Idempotency-Key": "cat"}, {"name": "cat"}
    with served.client() as owner:
        made = owner.post("/api/tokens", json={"note": "import"}).json()
        bearer = {"Authorization": f"Bearer {made['secret']}"}
        with served.client(headers=headers | bearer) as program:
            assert program.post("/api/labels", json=order).status_code == 201
            assert program.post("/api/labels", json=order).headers[AGAIN] == "true"
            assert owner.delete(f"/api/tokens/{made['id']}").status_code == 200
            assert program.post("/api/labels", json=order).status_code == 401
