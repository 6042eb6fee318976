"""Predictions know a sender for a second; what is taken back in this process counts at once all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from argon2 import PasswordHasher
from serve.conftest import Running, noise_picture
from sqlalchemy import event, update

from lightfast.library.people.accounts import add_account
from lightfast.library.people.users import user_number
from lightfast.library.schema import tokens
from lightfast.library.store import now
from lightfast.serve.auth.tokens import issue_secret
from lightfast.serve.recent import Recent

PASSWORD = "correct horse battery"


def predict(client: httpx.Client) -> int:
    headers = {"Content-Type": "image/png"}
    return client.post("/api/predict", content=noise_picture(1), headers=headers).status_code


@pytest.fixture
def moment(served: Running, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock by which senders are known: it stands until a test moves it."""
    found = [0.0]
    monkeypatch.setattr(served.app.state.service, "people", Recent(1.0, lambda: found[0]))
    return found


@pytest.fixture
def program(served: Running) -> Callable[[str], httpx.Client]:
    """`program(name)`: a client with a token of this user."""

    def make(name: str) -> httpx.Client:
        with served.library.store.write() as connection:
            _, secret = issue_secret(connection, user_number(connection, name), "token")
        return served.client(headers={"Authorization": f"Bearer {secret}"})

    return make


@contextmanager
def log_in(served: Running, name: str) -> Iterator[httpx.Client]:
    with served.client() as client:
        answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        yield client


def add_people(served: Running, **roles: str) -> None:
    kept = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with served.library.store.write() as connection:
        for name, role in roles.items():
            add_account(connection, name, role, kept)
    served.app.state.service.people.forget()


def test_the_database_is_asked_once_a_second(served: Running, moment: list[float], program):
    asked: list[str] = []

    def note(_connection, _cursor, statement: str, *_more: object) -> None:
        if "tokens" in statement:
            asked.append(statement)

    with program("ada") as client:
        event.listen(served.library.store.engine, "before_cursor_execute", note)
        assert [predict(client) for _ in range(5)] == [200] * 5
        assert len(asked) == 1
        moment[0] = 0.99
        predict(client)
        assert len(asked) == 1
        moment[0] = 1.0
        predict(client)
        assert len(asked) == 2


def test_what_another_process_took_back_counts_within_a_second(served: Running, moment, program):
    with program("ada") as client:
        assert predict(client) == 200
        with served.library.store.write() as connection:
            connection.execute(update(tokens).values(revoked_at=now()))
        moment[0] = 1.0
        assert predict(client) == 401


def test_a_token_that_is_revoked_here_ends_at_once(served: Running, moment, program):
    with served.client() as owner:
        made = owner.post("/api/tokens", json={"note": "import"}).json()
        with served.client(headers={"Authorization": f"Bearer {made['secret']}"}) as client:
            assert predict(client) == 200
            assert owner.delete(f"/api/tokens/{made['id']}").status_code == 200
            assert predict(client) == 401


def test_a_session_ends_at_once_and_every_write_needs_its_page(served: Running, moment):
    add_people(served, ada="admin")
    with log_in(served, "ada") as ada:
        assert predict(ada) == 200
        token = ada.headers.pop("X-CSRF-Token")
        assert predict(ada) == 403
        ada.headers["X-CSRF-Token"] = token
        cookies = dict(ada.cookies)
        assert ada.delete("/api/session").status_code == 204
        with served.client(cookies=cookies, headers={"X-CSRF-Token": token}) as again:
            assert predict(again) == 401


def test_a_closed_account_is_out_at_once(served: Running, moment):
    add_people(served, ada="admin", ben="viewer")
    with log_in(served, "ada") as ada, log_in(served, "ben") as ben:
        assert predict(ben) == 200
        (number,) = [one["id"] for one in ada.get("/api/users").json()["items"] if one["name"] == "ben"]
        assert ada.patch(f"/api/users/{number}", json={"disabled": True}).status_code == 200
        assert predict(ben) == 401


def test_the_owner_of_the_machine_is_one_until_the_first_password(served: Running, moment):
    account = {"name": "ada", "password": PASSWORD, "role": "admin"}
    with served.client() as owner:
        assert predict(owner) == 200
        assert owner.post("/api/users", json=account).status_code == 201
        assert predict(owner) == 401
