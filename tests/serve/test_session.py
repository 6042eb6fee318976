"""Who sends a request: the owner of this machine, a session, a token; and what each may do."""

from __future__ import annotations

import httpx
import pytest
from argon2 import PasswordHasher
from serve.conftest import Running, running, upload
from sqlalchemy import select

from lightfast.base.errors import SettingsError
from lightfast.library.library import Library
from lightfast.library.people.accounts import add_account
from lightfast.library.people.noting import note_audit
from lightfast.library.schema import audit, tokens, users
from lightfast.serve.app import create_app
from lightfast.serve.auth.attempts import LOGIN_REFUSED
from lightfast.serve.auth.passwords import hash_password
from lightfast.serve.settings import Limits, ServeSettings

PASSWORD = "correct horse battery"


@pytest.fixture
def database() -> None:
    """SQLite; what differs on PostgreSQL is in test_every_route.py and test_review.py."""


@pytest.fixture(scope="module")
def kept() -> str:
    # Quick on purpose: what a password costs stands in the hash.
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@pytest.fixture
def peopled(served: Running, kept: str) -> Running:
    """With three who can log in, one a role."""
    with served.library.store.write() as connection:
        for role in ("admin", "reviewer", "viewer"):
            add_account(connection, role, role, kept)
    return served


def log_in(client: httpx.Client, name: str) -> httpx.Client:
    answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return client


def test_on_loopback_the_owner_needs_no_password(client: httpx.Client):
    answer = client.get("/api/session").json()
    assert answer["local"] is True
    assert answer["user"]["name"] == "owner"
    assert answer["user"]["role"] == "admin"
    assert upload(client, 1)


def test_once_somebody_has_a_password_nobody_works_without(peopled: Running):
    with peopled.client() as client:
        assert client.get("/api/session").json()["user"] is None
        answer = client.get("/api/assets")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Log in" in answer.json()["cure"]


def test_beyond_loopback_it_does_not_start_without_users(library: Library, kept: str):
    settings = ServeSettings(host="0.0.0.0", port=0)
    with pytest.raises(SettingsError, match="nobody has a password"):
        create_app(library, settings)
    with library.store.write() as connection:
        add_account(connection, "ada", "admin", kept)
    assert create_app(library, settings)


def test_login_gives_a_cookie_that_scripts_cannot_read_and_logout_ends_it(peopled: Running):
    with peopled.client() as client:
        answer = client.post("/api/session", json={"name": "reviewer", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        secret = client.cookies["lightfast_session"]
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        assert client.get("/api/assets").status_code == 200
        assert client.delete("/api/session").status_code == 204
        client.cookies.set("lightfast_session", secret)
        assert client.get("/api/assets").status_code == 401
    with peopled.library.store.read() as connection:
        assert secret not in connection.execute(select(tokens.c.hash)).scalars().all()


def test_a_browser_writes_only_with_the_token_of_its_page(peopled: Running):
    with peopled.client() as client:
        log_in(client, "reviewer")
        del client.headers["X-CSRF-Token"]
        assert client.post("/api/review/undo").status_code == 403
        assert client.post("/api/review/undo", headers={"X-CSRF-Token": "0" * 64}).status_code == 403


def test_roles_hold(peopled: Running):
    with peopled.client() as client:
        log_in(client, "viewer")
        assert client.get("/api/assets").status_code == 200
        assert client.post("/api/review/lease", json={}).status_code == 403
    with peopled.client() as client:
        log_in(client, "reviewer")
        assert client.post("/api/review/lease", json={}).status_code == 200
        assert client.get("/api/users").status_code == 403
    with peopled.client() as client:
        log_in(client, "admin")
        assert [one["name"] for one in client.get("/api/users").json()["items"]] == [
            "admin",
            "reviewer",
            "viewer",
        ]


def test_a_wrong_password_is_refused_noted_and_soon_slowed_down(peopled: Running):
    with peopled.client() as client:
        codes = [
            client.post("/api/session", json={"name": "admin", "password": f"wrong{turn}"}).status_code
            for turn in range(12)
        ]
    assert codes == [401] * 10 + [429] * 2
    with peopled.library.store.read() as connection:
        rows = connection.execute(select(audit).where(audit.c.act == "login refused")).all()
    assert len(rows) == 10
    assert "wrong" not in str(rows).replace("login refused", "")


def test_passwords_that_are_tried_at_once_for_a_change_are_counted(
    peopled: Running, monkeypatch: pytest.MonkeyPatch
):
    """Others tried as many wrong ones as are allowed while the right one was looked at."""

    def tried_meanwhile(text: str) -> str:
        with peopled.library.store.write() as connection:
            for _ in range(10):
                note_audit(connection, None, LOGIN_REFUSED, name="viewer", address="10.0.0.9")
        return hash_password(text)

    with peopled.client() as client:
        log_in(client, "viewer")
        monkeypatch.setattr("lightfast.serve.api.session.hash_password", tried_meanwhile)
        wanted = {"password": PASSWORD, "new_password": "another good one"}
        answer = client.put("/api/session/password", json=wanted)
        assert (answer.status_code, answer.json()["detail"]) == (429, "too many requests")
        assert client.get("/api/session").json()["user"]["name"] == "viewer"


def test_a_name_that_nobody_has_is_refused_alike(peopled: Running):
    with peopled.client() as client:
        answers = [
            client.post("/api/session", json={"name": name, "password": "x" * 9}).json()
            for name in ("admin", "nobody")
        ]
    assert answers[0] == answers[1]


def test_a_token_works_until_it_is_revoked_and_its_secret_is_kept_nowhere(peopled: Running):
    with peopled.client() as client:
        log_in(client, "reviewer")
        made = client.post("/api/tokens", json={"note": "import"}, headers={"Idempotency-Key": "t1"}).json()
        again = client.post("/api/tokens", json={"note": "import"}, headers={"Idempotency-Key": "t1"})
        assert again.status_code == 409
        with peopled.client(headers={"Authorization": f"Bearer {made['secret']}"}) as program:
            assert program.post("/api/review/undo").status_code == 200
            assert made["secret"] not in client.get("/api/tokens").text
            assert client.delete(f"/api/tokens/{made['id']}").status_code == 200
            assert program.post("/api/review/undo").status_code == 401
    with peopled.library.store.read() as connection:
        from lightfast.library.schema import written_table

        everything = [connection.execute(select(table)).all() for table in (tokens, audit, written_table)]
    assert made["secret"] not in str(everything)


def test_nobody_sees_or_revokes_the_tokens_of_others(peopled: Running):
    with peopled.client() as client:
        log_in(client, "reviewer")
        made = client.post("/api/tokens", json={"note": "import"}).json()
    with peopled.client() as client:
        log_in(client, "viewer")
        assert client.get("/api/tokens").json()["items"] == []
        assert client.delete(f"/api/tokens/{made['id']}").status_code == 404


def test_another_password_logs_out_everywhere(peopled: Running):
    with peopled.client() as reader, peopled.client() as admin:
        log_in(reader, "viewer")
        log_in(admin, "admin")
        number = reader.get("/api/session").json()["user"]["id"]
        answer = admin.patch(f"/api/users/{number}", json={"password": "another good one"})
        assert answer.status_code == 200
        assert reader.get("/api/assets").status_code == 401


def test_the_last_admin_cannot_be_taken_away(peopled: Running):
    with peopled.client() as client:
        log_in(client, "admin")
        own = client.get("/api/session").json()["user"]["id"]
        for change in ({"role": "viewer"}, {"disabled": True}):
            assert client.patch(f"/api/users/{own}", json=change).status_code == 409
        assert client.get("/api/users").status_code == 200


def test_the_first_account_is_an_admins(client: httpx.Client):
    account = {"name": "eve", "password": PASSWORD, "role": "reviewer"}
    answer = client.post("/api/users", json=account)
    assert answer.status_code == 422
    assert "admin" in answer.json()["detail"]
    assert client.post("/api/users", json={**account, "role": "admin"}).status_code == 201
    assert client.get("/api/users").status_code == 401


def test_passwords_are_kept_as_argon2_hashes(peopled: Running):
    with peopled.library.store.read() as connection:
        hashes = connection.execute(select(users.c.password_hash)).scalars().all()
    assert all(one.startswith("$argon2id$") for one in hashes)


def test_too_many_requests_are_told_to_wait(library: Library):
    settings = ServeSettings(port=0, work=False, limits=Limits(requests_a_second=0.5, burst=3))
    with running(library, settings) as found, found.client() as client:
        answers = [client.get("/healthz") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
