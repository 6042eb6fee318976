"""Every route is called through HTTP, on both databases, and does what it says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fixtures.runs import give_small_kit
from serve.conftest import Running, as_files, noise_picture, running, upload

from lightfast.data.images import ImageSet
from lightfast.library.library import Library
from lightfast.library.tag import ModelFacts, register_model
from lightfast.serve.settings import ServeSettings

PASSWORD = "correct horse battery"
COMPUTED = {
    ("POST", "/api/search"),
    ("GET", "/api/clusters"),
    ("POST", "/api/clusters"),
    ("GET", "/api/clusters/{number}"),
    ("GET", "/api/clusters/members"),
    ("GET", "/api/map"),
    ("POST", "/api/map"),
    ("GET", "/api/explain/{asset_id}"),
    ("GET", "/api/repair/{asset_id}"),
    ("GET", "/api/repair/{asset_id}/{which}"),
}
ENDED = ("done", "failed", "cancelled")


class Recorder:
    """Which routes of an application were called with success."""

    def __init__(self, app: FastAPI) -> None:
        paths = app.openapi()["paths"]
        self.wanted = {(method.upper(), path) for path, found in paths.items() for method in found}
        self.called: set[tuple[str, str]] = set()
        self._patterns = {path: re.compile(re.sub(r"{\w+}", "[^/]+", path)) for path in paths}

    def __call__(self, answer: httpx.Response) -> None:
        asked = answer.request
        if answer.is_success:
            # Of "/assets/ids" and "/assets/{asset_id}" the one with fewer placeholders is meant.
            found = [path for path, pattern in self._patterns.items() if pattern.fullmatch(asked.url.path)]
            self.called.add((asked.method, min(found, key=lambda path: path.count("{"))))


@pytest.fixture
def toured(library: Library, run: Path) -> Iterator[Running]:
    settings = ServeSettings(port=0, local_user="owner", model=str(run), work=True)
    with running(library, settings) as found:
        yield found


def ended(client: httpx.Client, job: dict) -> dict:
    """The job when it has ended, as its events tell."""
    with client.stream("GET", f"/api/jobs/{job['id']}/events") as events:
        lines = [line for line in events.iter_lines() if line.startswith("data: ")]
    last = json.loads(lines[-1].removeprefix("data: "))
    assert last["state"] in ENDED
    return last


@pytest.mark.timeout(180)
def test_every_route(toured: Running, blob_file: str, run: Path, blobs: ImageSet):
    seen = Recorder(toured.app)
    with toured.client(event_hooks={"response": [seen]}) as client:
        look_around(client)
        ids = add_and_look(client)
        label_and_review(client, ids)
        search(client, ids)
        models_and_jobs(client, toured.library, lambda: give_small_kit(run, blobs))
        one_model(client, toured.library, run)
        blind_test(client, {"data": blob_file, "run": str(run), "n": 2})
        people(client)
    left = seen.wanted - seen.called
    # What computes knows no database but for its jobs: once is enough.
    assert left - (set() if toured.library.store.is_sqlite else COMPUTED) == set()


def look_around(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.get("/api/session").json()["library"] == "library"


def add_and_look(client: httpx.Client) -> list[int]:
    ids = upload(client, 6)
    assert client.get("/api/assets").json()["items"][0]["id"] == ids[-1]
    assert client.get("/api/assets/ids").json()["ids"] == ids[::-1]
    assert client.get("/api/assets/cards", params={"id": ids[:1]}).json()["items"][0]["id"] == ids[0]
    assert client.get(f"/api/assets/{ids[0]}").json()["places"][0]["source"] == "picture0.png"
    assert client.get(f"/api/assets/{ids[0]}/view/256").headers["content-type"] == "image/jpeg"
    assert client.get(f"/api/assets/{ids[0]}/original").content == noise_picture(0)
    assert client.delete(f"/api/assets/{ids[5]}").json()["deleted_at"]
    assert client.post(f"/api/assets/{ids[5]}/restore").json()["deleted_at"] is None
    assert client.post("/api/predict", files=as_files(noise_picture(0))).json()["items"][0]["labels"]
    drawing = {"strokes": [[[0, 0], [9, 9]]]}
    assert client.post("/api/predict/strokes", json=drawing).json()["items"][0]["labels"]
    assert (
        client.post("/api/predict/assets", json={"asset_ids": ids}).json()["items"][5]["asset_id"] == ids[5]
    )
    return ids


def label_and_review(client: httpx.Client, ids: list[int]) -> None:
    label = client.post("/api/labels", json={"name": "a"}).json()
    assert client.patch(f"/api/labels/{label['id']}", json={"name": "an a"}).json()["name"] == "an a"
    wrong = client.post("/api/labels", json={"name": "aa"}).json()
    assert client.delete(f"/api/labels/{wrong['id']}").status_code == 204
    client.patch(f"/api/labels/{label['id']}", json={"name": "a"})
    assert (
        client.post("/api/tags", json={"asset_ids": ids[:2], "label_id": label["id"]}).json()["asset_ids"]
        == ids[:2]
    )
    assert [one["asset_id"] for one in client.get("/api/tags").json()["items"]] == ids[:2]
    assert client.get("/api/labels").json()["items"][0]["confirmed"] == 2
    acts = [{"asset_id": ids[2], "act": "confirm", "label_id": label["id"]}]
    assert client.post("/api/review/decide", json={"acts": acts}).json()["decision_ids"]
    assert client.post("/api/review/skip", json={"asset_ids": [ids[3]]}).json()["decision_ids"]
    assert client.post("/api/review/undo").json()["asset_ids"] == [ids[3]]
    assert client.post("/api/review/redo").json()["asset_ids"] == [ids[3]]
    assert client.post("/api/review/second-opinion", json={"asset_ids": [ids[4]]}).json()["decision_ids"]
    # The second opinion waits for somebody else.
    asked = client.post("/api/review/lease", json={}).json()
    assert (asked["items"], asked["left"]) == ([], 1)
    assert client.post("/api/review/take", json={"asset_ids": ids}).json()["items"] == []
    assert client.post("/api/review/release", json={}).json()["released"] == 0
    assert client.get(f"/api/review/near/{ids[3]}").json() == {"items": [], "compared": False}


def search(client: httpx.Client, ids: list[int]) -> None:
    found = client.get("/api/search", params={"query": "a", "limit": 2}).json()
    assert [one["asset"]["id"] for one in found["items"]] == ids[2:0:-1]
    after = client.get("/api/search", params={"query": "a", "limit": 2, "cursor": found["next"]}).json()
    assert [one["asset"]["id"] for one in after["items"]] == ids[:1]
    assert after["next"] is None
    facets = client.get("/api/search/facets", params={"query": "a"}).json()
    assert facets == {"items": [{"label": "a", "count": 3}], "sampled": 3, "whole": True}


def models_and_jobs(client: httpx.Client, library: Library, give_kit: Callable[[], object]) -> None:
    for name in ("first", "second"):
        number = register_model(
            library.store, ModelFacts(name, f"runs/{name}", name, ("a",), {"accuracy": 0.5})
        )
        assert client.post(f"/api/models/{number}/promote").json()["in_use"] is True
    assert client.post("/api/models/rollback").json()["name"] == "first"
    assert [one["in_use"] for one in client.get("/api/models").json()["items"]] == [True, False]
    job = client.post("/api/models/retrain", json={"model": "mlp"}).json()
    told = ended(client, job)
    assert told["state"] == "failed"
    assert "at least two labels" in told["error"]
    assert "retrain begun" in client.get(f"/api/jobs/{job['id']}/log").text
    assert client.get(f"/api/jobs/{job['id']}").json()["state"] == "failed"
    assert client.post(f"/api/jobs/{job['id']}/retry").status_code == 200
    ended(client, job)
    assert client.post(f"/api/jobs/{job['id']}/cancel").json()["state"] == "failed"
    assert client.get("/api/jobs").json()["items"][0]["id"] == job["id"]
    order = {"json": {"kind": "tag"}, "headers": {"Idempotency-Key": "tag"}}
    tag = client.post("/api/jobs", **order).json()
    assert client.post("/api/jobs", **order).json()["id"] == tag["id"]
    assert "first" in ended(client, tag)["error"]
    if library.store.is_sqlite:
        clusters_and_map(client)
        drawn = client.get("/api/explain/1", params={"method": "occlusion", "label": "left"})
        assert drawn.headers["content-type"] == "image/png"
        give_kit()
        repaired = client.get("/api/repair/1").json()
        assert repaired["before"][0]["label"] in ("left", "middle", "right")
        drawn = client.get("/api/repair/1/after")
        assert drawn.headers["content-type"] == "image/png"


def one_model(client: httpx.Client, library: Library, run: Path) -> None:
    # A copy: what is measured of a model lies in its run, which other tests share.
    own = shutil.copytree(run, library.runs / "blobs")
    facts = ModelFacts("blobs", str(own), "blobs", ("left", "middle", "right"), {})
    here = f"/api/models/{register_model(library.store, facts)}"
    card = client.get(here).json()
    assert card["figures"]["n"] == 24
    assert card["ways"]["curve"].startswith("lightfast sweep ")
    found = client.get(f"{here}/confusion").json()
    assert sum(map(sum, found["counts"])) == found["n"] == 24
    assert found["reachable"] == 0
    cell = client.get(f"{here}/confusion/pictures", params={"given": "left", "predicted": "left"}).json()
    assert (cell["items"], cell["count"]) == ([], found["counts"][0][0])
    cost = client.get(f"{here}/review-cost", params={"precision": [0.5, 0.999]}).json()
    assert cost["items"][1]["threshold"] is None
    assert 0 < cost["provable"] < 0.999
    for path, order in (("robustness", {"suite": "camera", "limit": 4}), ("learning-curve", {"repeats": 1})):
        measured = ended(client, client.post(f"{here}/{path}", json=order).json())
        assert measured["state"] == "done", measured["error"]
        assert measured["result"]["model"] == "blobs"
    card = client.get(here).json()
    assert (card["robustness"]["suite"], bool(card["curve"])) == ("camera", True)


def clusters_and_map(client: httpx.Client) -> None:
    assert ended(client, client.post("/api/jobs", json={"kind": "embed"}).json())["result"]["embedded"] == 6
    alike = client.post("/api/search", files=as_files(noise_picture(3)), params={"limit": 3}).json()
    assert alike["items"][0]["asset"]["id"] == 4
    assert alike["items"][0]["similarity"] == pytest.approx(1, abs=0.01)
    near = client.get("/api/search", params={"like": "4", "unlike": "1,2"}).json()
    assert {one["asset"]["id"] for one in near["items"]} == {3, 5, 6}
    assert client.get("/api/clusters").status_code == 404
    assert client.get("/api/clusters/members").json()["asset_ids"] == []
    assert ended(client, client.post("/api/clusters", json={"count": 2}).json())["state"] == "done"
    found = client.get("/api/clusters").json()
    members = [client.get(f"/api/clusters/{one['number']}").json() for one in found["items"]]
    assert sorted(number for one in members for number in one["asset_ids"]) == list(range(1, 7))
    together = client.get("/api/clusters/members").json()
    assert sorted(together["asset_ids"]) == list(range(1, 7))
    assert set(together["clusters"]) == {one["number"] for one in found["items"]}
    assert ended(client, client.post("/api/map", json={"method": "pca"}).json())["state"] == "done"
    drawn = client.get("/api/map").json()
    assert drawn["asset_ids"] == list(range(1, 7))
    assert drawn["labels"][str(drawn["label_ids"][0])] == "a"


def blind_test(client: httpx.Client, order: dict) -> None:
    made = ended(client, client.post("/api/human", json=order).json())
    assert made["state"] == "done", made["error"]
    number = made["result"]["id"]
    assert client.get("/api/human").json()["items"][0]["id"] == number
    for place in (1, 2):
        shown = client.get(f"/api/human/{number}/pictures/{place}")
        assert shown.headers["content-type"] == "image/png"
        answer = {"position": place, "answer": "left"}
        assert client.post(f"/api/human/{number}/answers", json=answer).json()["answered"] == place
    assert client.get(f"/api/human/{number}").json()["mine"]["finished"] is True
    assert client.get(f"/api/human/{number}/results").json()["baseline"]["answers"] == 2
    assert client.post(f"/api/human/{number}/observe").json()["observed"] is True


def people(client: httpx.Client) -> None:
    token = client.post("/api/tokens", json={"note": "tour"}).json()
    assert client.get("/api/tokens").json()["items"][0]["note"] == "tour"
    assert client.delete(f"/api/tokens/{token['id']}").json()["revoked_at"]
    assert 'route="/api/assets/{asset_id}"' in client.get("/metrics").text
    account = {"name": "ada", "password": PASSWORD, "role": "admin"}
    made = client.post("/api/users", json=account).json()
    answer = client.post("/api/session", json={"name": "ada", "password": PASSWORD})
    client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    assert [one["name"] for one in client.get("/api/users").json()["items"]] == ["ada", "owner"]
    assert client.patch(f"/api/users/{made['id']}", json={"client": None}).json()["role"] == "admin"
    assert [one["act"] for one in client.get("/api/audit").json()["items"][:2]] == ["user changed", "login"]
    wanted = {"password": PASSWORD, "new_password": f"{PASSWORD} staple"}
    changed = client.put("/api/session/password", json=wanted)
    assert changed.json()["user"]["name"] == "ada"
    client.headers["X-CSRF-Token"] = changed.json()["csrf"]
    assert client.delete("/api/session").status_code == 204
