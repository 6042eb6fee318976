"""Which jobs a reviewer may order and begin again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serve.conftest import Running

from lightfast.library.people.users import user_number
from lightfast.serve.auth.tokens import issue_secret


@pytest.fixture
def database() -> None:
    """SQLite."""


@pytest.fixture
def reviewer(served: Running) -> Iterator[httpx.Client]:
    """A client of a reviewer, beside whom the owner still needs no password."""
    with served.library.store.write() as connection:
        secret = issue_secret(connection, user_number(connection, "ada"), "token")[1]
    with served.client(headers={"Authorization": f"Bearer {secret}"}) as found:
        yield found


@pytest.mark.parametrize("margin", [0.99, 0.021, "0.5"])
def test_a_reviewer_lets_no_worse_model_be_used_than_usual(reviewer: httpx.Client, margin: float | str):
    orders = {
        "/api/models/retrain": {"margin": margin},
        "/api/jobs": {"kind": "retrain", "arguments": {"margin": margin}},
    }
    for path, order in orders.items():
        answer = reviewer.post(path, json=order)
        assert answer.status_code == 403
        assert "margin" in answer.json()["detail"]
    assert reviewer.get("/api/jobs").json()["items"] == []


def test_a_reviewer_retrains_with_the_usual_margin_and_an_admin_with_any(
    reviewer: httpx.Client, client: httpx.Client
):
    job = reviewer.post("/api/models/retrain", json={})
    assert job.status_code == 202
    assert client.post(f"/api/jobs/{job.json()['id']}/cancel").status_code == 200
    large = client.post("/api/models/retrain", json={"margin": 0.5})
    assert large.status_code == 202
    again = f"/api/jobs/{large.json()['id']}/retry"
    assert client.post(f"/api/jobs/{large.json()['id']}/cancel").status_code == 200
    assert reviewer.post(again).status_code == 403
    assert client.post(again).status_code == 200


def test_what_names_files_of_the_server_is_begun_again_by_admins(
    reviewer: httpx.Client, client: httpx.Client, tmp_path: Path
):
    order = {"kind": "add", "arguments": {"sources": [str(tmp_path)]}}
    assert reviewer.post("/api/jobs", json=order).status_code == 403
    number = client.post("/api/jobs", json=order).json()["id"]
    assert client.post(f"/api/jobs/{number}/cancel").json()["state"] == "cancelled"
    refused = reviewer.post(f"/api/jobs/{number}/retry")
    assert refused.status_code == 403
    assert "named by admins" in refused.json()["detail"]
    assert client.get(f"/api/jobs/{number}").json()["state"] == "cancelled"
    assert client.post(f"/api/jobs/{number}/retry").json()["state"] == "waiting"


@pytest.mark.parametrize("device", ["\ud800", "\0"])
def test_what_no_database_keeps_is_no_argument_of_a_job(client: httpx.Client, device: str):
    text = json.dumps({"kind": "embed", "arguments": {"device": device}})
    answer = client.post("/api/jobs", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "no database keeps" in answer.json()["detail"]
    # One such job would stand in everybody's list, which could not be written as JSON any more.
    assert client.get("/api/jobs").json()["items"] == []


def test_a_look_for_wrong_labels_is_ordered_once_at_a_time_by_reviewers(
    reviewer: httpx.Client, client: httpx.Client
):
    ordered = reviewer.post("/api/jobs", json={"kind": "curate"})
    assert (ordered.status_code, ordered.json()["kind"]) == (202, "curate")
    assert reviewer.post("/api/jobs", json={"kind": "curate"}).status_code == 409
    assert [one["kind"] for one in client.get("/api/jobs?kind=curate").json()["items"]] == ["curate"]


def test_a_first_training_is_ordered_as_one_and_held_to_the_same_rules(
    reviewer: httpx.Client, client: httpx.Client
):
    large = {"kind": "train", "arguments": {"margin": 0.5}}
    assert reviewer.post("/api/jobs", json=large).status_code == 403
    ordered = client.post("/api/jobs", json={"kind": "train"})
    assert (ordered.status_code, ordered.json()["kind"]) == (202, "retrain")
    assert len(client.get("/api/jobs?kind=train").json()["items"]) == 1
