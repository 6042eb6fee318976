"""What a job does is noted as that of whoever ordered it, on both databases."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from serve.conftest import Running, running, upload

from lightfast.base.progress import Reporter
from lightfast.library.library import Library
from lightfast.library.people.users import user_number
from lightfast.library.promote import promote_model
from lightfast.library.tag import ModelFacts, register_model
from lightfast.runs.library.jobs import JOB_KINDS, JobKind
from lightfast.runs.library.kinds import RetrainArguments
from lightfast.serve.auth.tokens import issue_secret
from lightfast.serve.settings import ServeSettings


def holder(served: Running, name: str, role: str) -> httpx.Client:
    with served.library.store.write() as connection:
        _, secret = issue_secret(connection, user_number(connection, name, role), "token")
    return served.client(headers={"Authorization": f"Bearer {secret}"})


def ended(client: httpx.Client, job: httpx.Response) -> dict:
    assert job.status_code == 202, job.text
    with client.stream("GET", f"/api/jobs/{job.json()['id']}/events") as events:
        last = [line for line in events.iter_lines() if line.startswith("data: ")][-1]
    return json.loads(last.removeprefix("data: "))


def lines(client: httpx.Client, kind: str) -> list[tuple[str | None, str, dict]]:
    items = client.get("/api/audit", params={"kind": kind}).json()["items"]
    return [(one["person"], one["act"], one["detail"]) for one in items[::-1]]


@pytest.fixture
def working(library: Library, small: Path):
    settings = ServeSettings(port=0, local_user="owner", model=str(small), work=True)
    with running(library, settings) as found:
        yield found


@pytest.mark.timeout(120)
def test_labels_that_a_job_brings_are_those_of_whoever_ordered_it(working: Running, small: Path):
    with holder(working, "ada", "admin") as ada:
        upload(ada, 2)
        order = {"kind": "tag", "arguments": {"run": str(small)}}
        done = ended(ada, ada.post("/api/jobs", json=order))
        assert done["state"] == "done", done["error"]
        found = lines(ada, "label")
        ordered = lines(ada, "job")
    assert [(person, act, said["name"]) for person, act, said in found] == [
        ("ada", "label added", name) for name in "abcd"
    ]
    assert ordered == [("ada", "job ordered", {"job": done["id"], "kind": "tag"})]


@pytest.mark.timeout(120)
def test_a_model_that_a_retraining_promotes_is_promoted_by_whoever_began_it_last(
    working: Running, monkeypatch: pytest.MonkeyPatch
):
    store = working.library.store
    number = register_model(store, ModelFacts("first", "runs/first", "first", ("a",), {}))
    tries: list[int | None] = []

    def work(library: Library, given: RetrainArguments, report: Reporter, by: int | None) -> str:
        tries.append(by)
        if len(tries) == 1:
            raise RuntimeError("no power")
        return promote_model(library.store, number, by).name

    monkeypatch.setitem(JOB_KINDS._entries, "retrain", JobKind(RetrainArguments, work, alone=True))
    with holder(working, "bea", "reviewer") as bea, holder(working, "ada", "admin") as ada:
        failed = ended(bea, bea.post("/api/models/retrain", json={}))
        assert failed["state"] == "failed"
        assert ada.post(f"/api/jobs/{failed['id']}/retry").status_code == 200
        with ada.stream("GET", f"/api/jobs/{failed['id']}/events") as events:
            assert '"state": "done"' in list(events.iter_lines())[-2]
        assert ada.post(f"/api/jobs/{failed['id']}/cancel").json()["state"] == "done"
        told = {"job": failed["id"], "kind": "retrain"}
        assert lines(ada, "job") == [("bea", "job ordered", told), ("ada", "job begun again", told)]
        assert lines(ada, "model") == [("ada", "model promoted", {"model_id": number})]


def test_whoever_cancels_is_noted_once(served: Running):
    with holder(served, "bea", "reviewer") as bea, holder(served, "ada", "admin") as ada:
        number = bea.post("/api/jobs", json={"kind": "embed"}).json()["id"]
        for client in (ada, bea):
            assert client.post(f"/api/jobs/{number}/cancel").json()["state"] == "cancelled"
        told = {"job": number, "kind": "embed"}
        assert lines(ada, "job") == [("bea", "job ordered", told), ("ada", "job cancelled", told)]
