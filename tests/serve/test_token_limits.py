"""Tokens that may less than their users."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from library.pictures import fill
from serve.conftest import Running
from sqlalchemy import insert, update

from lightfast.library.label_numbers import label_numbers
from lightfast.library.people.users import user_number
from lightfast.library.schema import labels, tokens, users
from lightfast.library.store import now
from lightfast.serve.auth.tokens import TokenLimits, issue_secret


@pytest.fixture
def database() -> None:
    """SQLite; nothing here differs on PostgreSQL."""


@pytest.fixture
def filled(served: Running) -> Running:
    """Two pictures, one confirmed as a cat, which the client acme calls its own way."""
    fill(served.library, 2)
    with served.library.store.write() as connection:
        user_number(connection, "chief", "admin")
        numbers = label_numbers(connection, ["cat"])
        own = {"client": "acme", "name": "Hauskatze", "same_as_id": numbers["cat"]}
        connection.execute(insert(labels).values(own))
    with served.client() as owner:
        acts = [{"asset_id": 1, "act": "confirm", "label": "cat"}]
        assert owner.post("/api/review/decide", json={"acts": acts}).status_code == 200
    return served


def holder(served: Running, name: str, limits: TokenLimits | None = None) -> httpx.Client:
    """A client with a token of the user."""
    with served.library.store.write() as connection:
        _, secret = issue_secret(
            connection, user_number(connection, name), "token", "", limits or TokenLimits()
        )
    return served.client(headers={"Authorization": f"Bearer {secret}"})


def made(by: httpx.Client, **wanted: object) -> httpx.Response:
    return by.post("/api/tokens", json={"note": "a program", **wanted})


def test_a_token_may_at_most_what_its_role_says(filled: Running):
    with holder(filled, "chief") as chief:
        answer = made(chief, role="viewer").json()
        (listed,) = [one for one in chief.get("/api/tokens").json()["items"] if one["id"] == answer["id"]]
        assert (listed["role"], listed["client"]) == ("viewer", None)
    with filled.client(headers={"Authorization": f"Bearer {answer['secret']}"}) as program:
        assert program.get("/api/session").json()["user"]["role"] == "viewer"
        assert program.get("/api/assets").status_code == 200
        assert program.post("/api/review/lease", json={"count": 1}).status_code == 403
        assert program.get("/api/users").status_code == 403


def test_a_token_of_one_client_sees_that_clients_pictures_in_its_words(filled: Running):
    with holder(filled, "chief") as chief:
        secret = made(chief, client="acme").json()["secret"]
    with filled.client(headers={"Authorization": f"Bearer {secret}"}) as program:
        user = program.get("/api/session").json()["user"]
        assert (user["role"], user["client"]) == ("viewer", "acme")
        (card,) = program.get("/api/assets").json()["items"]
        assert [tag["label"] for tag in card["tags"]] == ["Hauskatze"]
        assert program.get("/api/assets/2").status_code == 404


def test_no_token_may_more_than_its_user(filled: Running):
    with holder(filled, "u1") as reviewer:
        assert made(reviewer, role="admin").status_code == 422
        assert made(reviewer, role="reviewer", client="acme").status_code == 422
        secret = made(reviewer, role="reviewer").json()["secret"]
    with filled.library.store.write() as connection:
        connection.execute(update(users).where(users.c.name == "u1").values(role="viewer", client="beta"))
    with filled.client(headers={"Authorization": f"Bearer {secret}"}) as program:
        user = program.get("/api/session").json()["user"]
    # The user lost rights after the token was made: so did the token.
    assert (user["role"], user["client"]) == ("viewer", "beta")


def test_a_token_of_another_client_than_its_users_holds_no_more(filled: Running):
    with holder(filled, "u1", TokenLimits(client="acme")) as program:
        assert program.get("/api/session").status_code == 200
        with filled.library.store.write() as connection:
            connection.execute(update(users).where(users.c.name == "u1").values(role="viewer", client="beta"))
        assert program.get("/api/session").status_code == 401


@pytest.mark.parametrize(
    "limits",
    [
        TokenLimits(role="admin"),
        TokenLimits(client="acme"),
        TokenLimits(expires_at=now() + timedelta(days=1)),
    ],
)
def test_a_token_with_limits_makes_and_revokes_none(filled: Running, limits: TokenLimits):
    with holder(filled, "chief") as chief, holder(filled, "chief", limits) as program:
        number = made(chief).json()["id"]
        assert made(program).status_code == 403
        assert program.delete(f"/api/tokens/{number}").status_code == 403


def test_a_token_ends_when_it_says_so(filled: Running):
    with holder(filled, "u1") as reviewer:
        answer = made(reviewer, days=1).json()
    assert answer["expires_at"] is not None
    with filled.client(headers={"Authorization": f"Bearer {answer['secret']}"}) as program:
        assert program.post("/api/review/lease", json={"count": 1}).status_code == 200
        with filled.library.store.write() as connection:
            here = update(tokens).where(tokens.c.id == answer["id"])
            connection.execute(here.values(expires_at=now() - timedelta(seconds=1)))
        assert program.post("/api/review/lease", json={"count": 1}).status_code == 401


def test_a_viewers_token_of_a_reviewer_reads_no_earlier_answers(filled: Running):
    with holder(filled, "u2") as second:
        second.post("/api/review/second-opinion", json={"asset_ids": [1]})
    for limits in (TokenLimits(role="viewer"), TokenLimits(client="acme")):
        with holder(filled, "u1", limits) as program:
            assert program.get("/api/assets/1").json()["asset"]["tags"] == []
    with holder(filled, "chief") as chief:
        assert [one["label"] for one in chief.get("/api/assets/1").json()["asset"]["tags"]] == ["cat"]


@pytest.mark.parametrize(
    "limits", [TokenLimits(role="admin"), TokenLimits(expires_at=now() + timedelta(days=1))]
)
def test_a_token_with_limits_gives_nobody_rights(filled: Running, limits: TokenLimits):
    account = {"name": "eve", "password": "correct horse battery", "role": "admin"}
    with holder(filled, "chief", limits) as program:
        listed = program.get("/api/users").json()["items"]
        (number,) = [one["id"] for one in listed if one["name"] == "chief"]
        assert program.post("/api/users", json=account).status_code == 403
        answer = program.patch(f"/api/users/{number}", json={"password": "correct horse battery"})
        assert answer.status_code == 403
        assert program.get("/api/users").json()["items"] == listed
    with holder(filled, "chief") as chief:
        assert chief.post("/api/users", json=account).status_code == 201


@pytest.mark.parametrize(
    "limits", [TokenLimits(client="acme"), TokenLimits(expires_at=now() + timedelta(days=1))]
)
def test_a_token_with_limits_lists_itself_alone(filled: Running, limits: TokenLimits):
    with holder(filled, "chief") as chief, holder(filled, "chief", limits) as program:
        made(chief, client="rival")
        (own,) = program.get("/api/tokens").json()["items"]
        assert own["client"] == limits.client
        assert len(chief.get("/api/tokens").json()["items"]) == 3


def test_a_clients_own_user_is_never_asked_by_whatever_token(filled: Running):
    with filled.library.store.write() as connection:
        number = user_number(connection, "buyer", "viewer")
        connection.execute(update(users).where(users.c.id == number).values(client="acme"))
    with holder(filled, "u2") as second:
        second.post("/api/review/second-opinion", json={"asset_ids": [1]})
    for limits in (TokenLimits(), TokenLimits(expires_at=now() + timedelta(days=1))):
        with holder(filled, "buyer", limits) as program:
            tags = program.get("/api/assets/1").json()["asset"]["tags"]
            assert [one["label"] for one in tags] == ["Hauskatze"]
