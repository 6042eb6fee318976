"""What `/api/audit` tells: every login and decision, by whom; in pages; nothing secret."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from argon2 import PasswordHasher
from library.pictures import fill
from serve.conftest import running
from sqlalchemy import func, select

from lightfast.library.library import Library
from lightfast.library.people.accounts import add_account
from lightfast.library.promote import promote_model
from lightfast.library.schema import audit, decision_table
from lightfast.library.tag import ModelFacts, register_model
from lightfast.serve.settings import ServeSettings

PASSWORD = "correct horse battery"


@pytest.fixture
def told(library: Library) -> Iterator[httpx.Client]:
    """The admin ada, after she and the reviewer bea did one of each."""
    fill(library, 4, users=0)
    kept = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with library.store.write() as connection:
        add_account(connection, "ada", "admin", kept)
        add_account(connection, "bea", "reviewer", kept)
    numbers = [
        register_model(library.store, ModelFacts(name, f"runs/{name}", name, ("cat",), {}))
        for name in ("first", "second")
    ]
    with (
        running(library, ServeSettings(port=0, work=False)) as served,
        served.client() as ada,
        served.client() as bea,
    ):
        assert ada.post("/api/session", json={"name": "bea", "password": "no " + PASSWORD}).status_code == 401
        for client, name in ((ada, "ada"), (bea, "bea")):
            answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
            client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        for asset, client in ((1, ada), (2, bea), (3, bea)):
            acts = [{"asset_id": asset, "act": "confirm", "label_id": 1}]
            assert client.post("/api/review/decide", json={"acts": acts}).status_code == 200
        bea.post("/api/review/undo")
        made = bea.post("/api/tokens", json={"note": "import"}).json()
        bea.delete(f"/api/tokens/{made['id']}")
        for number in numbers:
            ada.post(f"/api/models/{number}/promote")
        ada.post("/api/models/rollback")
        promote_model(library.store, "second")
        assert bea.get("/api/audit").status_code == 403
        bea.delete("/api/session")
        yield ada


def everything(client: httpx.Client, **query: object) -> list[dict]:
    found, cursor = [], None
    while True:
        page = client.get("/api/audit", params={**query, **({"cursor": cursor} if cursor else {})}).json()
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found


def test_every_line_is_told_once_in_pages_newest_first(told: httpx.Client, library: Library):
    whole = everything(told, limit=500)
    assert everything(told, limit=3) == whole
    assert len({one["id"] for one in whole}) == len(whole)
    assert [one["at"] for one in whole] == sorted((one["at"] for one in whole), reverse=True)
    with library.store.read() as connection:
        lines = sum(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (audit, decision_table)
        )
    assert len(whole) == lines


def test_each_kind_names_who_did_what(told: httpx.Client):
    kinds = {
        kind: [(one["person"], one["act"]) for one in everything(told, kind=kind)[::-1]]
        for kind in ("login", "decision", "token", "model", "user")
    }
    assert kinds["login"] == [(None, "login refused"), ("ada", "login"), ("bea", "login"), ("bea", "logout")]
    decided = [("ada", "confirm"), ("bea", "confirm"), ("bea", "confirm"), ("bea", "undo")]
    assert kinds["decision"] == decided
    assert kinds["token"] == [("bea", "token made"), ("bea", "token revoked")]
    assert kinds["model"] == [
        ("ada", "model promoted"),
        ("ada", "model promoted"),
        ("ada", "model rolled back"),
        (None, "model promoted"),
    ]
    assert kinds["user"] == []
    confirmed = everything(told, kind="decision")[-1]
    assert confirmed["detail"] == {"asset_id": 1, "label": "cat", "batch_id": confirmed["detail"]["batch_id"]}


def test_a_person_is_found_with_the_logins_that_were_refused_under_that_name(told: httpx.Client):
    acts = [one["act"] for one in everything(told, person="bea")]
    assert sorted(acts) == sorted(
        ["login refused", "login", "confirm", "confirm", "undo", "token made", "token revoked", "logout"]
    )
    assert everything(told, person="nobody") == []
    assert {one["kind"] for one in everything(told, person="ada")} == {"login", "decision", "model"}


def test_nothing_secret_is_told(told: httpx.Client):
    text = told.get("/api/audit", params={"limit": 500}).text
    assert PASSWORD not in text
    assert "lft_" not in text
    assert "lfs_" not in text


def test_a_strange_cursor_is_refused(told: httpx.Client):
    assert told.get("/api/audit", params={"cursor": "abc"}).status_code == 422
    assert told.get("/api/audit", params={"kind": "gossip"}).status_code == 422


def test_labels_that_people_add_are_noted_however_they_add_them(told: httpx.Client):
    made = told.post("/api/labels", json={"name": "wolf"}).json()
    told.post("/api/labels", json={"name": "Canis", "client": "shop", "same_as_id": made["id"]})
    for key in "ab":
        acts = [{"asset_id": 4, "act": "confirm", "label": name} for name in ("wolf", "fox")]
        assert told.post(
            "/api/review/decide", json={"acts": acts}, headers={"Idempotency-Key": key}
        ).is_success
    refused = [{"asset_id": 999, "act": "confirm", "label": "owl"}]
    assert not told.post("/api/review/decide", json={"acts": refused}).is_success
    # Nobody who is known brought those of the fixture.
    lines = [one for one in everything(told, kind="label")[::-1] if one["person"] is not None]
    assert {(one["person"], one["act"]) for one in lines} == {("ada", "label added")}
    assert [one["detail"]["name"] for one in lines] == ["wolf", "Canis", "fox"]
    assert lines[1]["detail"]["client"] == "shop"
