"""What every request passes, and what every answer carries."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from serve.conftest import Running, running

from lightfast.base.errors import SettingsError
from lightfast.library.library import Library
from lightfast.library.people.accounts import add_account
from lightfast.serve.app import create_app
from lightfast.serve.auth.tokens import issue_secret
from lightfast.serve.listening import listen
from lightfast.serve.settings import Limits, ServeSettings


@pytest.fixture
def served(plain_served: Running) -> Running:
    return plain_served


def test_a_page_that_points_its_name_at_this_machine_is_refused(client: httpx.Client):
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""):
        assert client.get("/api/session", headers={"Host": host}).status_code in (400, 421)
    port = client.base_url.port
    for host in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}"):
        assert client.get("/api/session", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_writes_of_other_sites_are_refused(client: httpx.Client, headers: dict[str, str]):
    answer = client.post("/api/review/undo", headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.json()["detail"]


def test_writes_of_the_own_pages_and_of_programs_pass(served: Running, client: httpx.Client):
    for headers in ({}, {"Origin": served.address, "Sec-Fetch-Site": "same-origin"}):
        assert client.post("/api/review/undo", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/session", "/api/nothing", "/healthz", "/static/nothing.js", "/api/assets/0"]
)
def test_every_answer_carries_the_security_headers(client: httpx.Client, path: str):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers


def test_a_failure_that_nobody_foresaw_is_a_problem_with_headers(
    served: Running, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_given):
        raise ZeroDivisionError("a secret of the house")

    monkeypatch.setattr("lightfast.serve.api.labels.list_labels", fails)
    answer = client.get("/api/labels")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "secret" not in answer.text


def test_static_files_lead_nowhere_else(client: httpx.Client):
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2f..%2fapp.py"):
        assert client.get(path).status_code == 404


def test_what_is_not_there_is_a_problem(client: httpx.Client):
    assert client.get("/api/nothing").json()["cure"]
    wrong = client.put("/api/session")
    assert wrong.status_code == 405
    assert wrong.headers["content-type"] == "application/problem+json"


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port}"):
            listen(ServeSettings(port=port))


def test_names_of_a_proxy_are_allowed(library: Library):
    settings = ServeSettings(port=0, hosts=("pictures.example",), work=False)
    with library.store.write() as connection:
        add_account(connection, "admin", "admin", "none")
    with running(library, settings) as found, found.client() as client:
        assert client.get("/api/session", headers={"Host": "pictures.example"}).status_code == 200


@pytest.mark.parametrize("proxied", [{"https": True}, {"hosts": ("pictures.example",)}])
def test_behind_a_proxy_nobody_is_the_owner_without_a_password(
    plain_served: Running, monkeypatch: pytest.MonkeyPatch, proxied: dict[str, Any]
):
    settings = ServeSettings(port=0, local_user="owner", work=False, **proxied)
    with pytest.raises(SettingsError, match="behind a proxy"):
        create_app(plain_served.library, settings)
    # Also where the last account is closed while the server runs.
    monkeypatch.setattr(plain_served.app.state.service, "settings", settings)
    with plain_served.client() as client:
        assert client.get("/api/assets").status_code == 401


async def _asked(served: Running, path: str, kind: str) -> tuple[int, int]:
    """(status, parts of the body that the server read) of an upload by nobody."""
    read = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(5):
            read += 1
            yield b"x" * 1_000

    transport = httpx.ASGITransport(served.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post(path, content=parts(), headers={"Content-Type": kind})
    return answer.status_code, read


@pytest.mark.parametrize("path", ["/api/assets", "/api/predict", "/api/search"])
@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=b"])
def test_nothing_is_read_of_an_upload_by_nobody(
    plain_served: Running, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
):
    settings = ServeSettings(port=0, https=True, work=False)
    monkeypatch.setattr(plain_served.app.state.service, "settings", settings)
    assert asyncio.run(_asked(plain_served, path, kind)) == (401, 0)


def test_a_reviewers_upload_is_not_read_from_a_viewer(library: Library):
    settings = ServeSettings(port=0, work=False)
    with library.store.write() as connection:
        add_account(connection, "admin", "admin", "none")
        viewer = add_account(connection, "eve", "viewer", "none")
        secret = issue_secret(connection, viewer.id, "token")[1]
    with running(library, settings) as found, found.client() as client:
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "text/plain"}
        # 415 would say that the body was looked at first.
        assert client.post("/api/assets", content=b"x", headers=headers).status_code == 403


def test_only_uploads_may_be_large(plain_served: Running, monkeypatch: pytest.MonkeyPatch):
    limits = Limits(file_bytes=3_000, request_bytes=20_000, text_bytes=1_000)
    settings = ServeSettings(port=0, local_user="owner", work=False, limits=limits)
    monkeypatch.setattr(plain_served.app.state.service, "settings", settings)

    def sent(path: str, size: int) -> int:
        with plain_served.client() as client:
            body = {"content": b"x" * size, "headers": {"Content-Type": "image/png"}}
            return client.post(path, **body).status_code

    assert sent("/api/users", 2_000) == 413
    assert sent("/api/predict/assets", 2_000) == 413
    for path in ("/api/assets", "/api/predict", "/api/search"):
        assert sent(path, 4_000) == 413
    assert sent("/api/assets", 2_000) == 201
