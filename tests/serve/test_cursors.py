"""A cursor of a search is the server's own: nobody else can write one, or read out of it what is not said."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import stat
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path

import httpx
import pytest
from serve.conftest import Running, running, upload

from lightfast.library.library import Library, open_library
from lightfast.library.people.secret import SECRET_FILE, library_secret
from lightfast.serve.settings import ServeSettings
from lightfast.serve.workers import WorkerApp


@pytest.fixture
def database() -> None:
    """SQLite."""


def forged(parts: Sequence[object], place: Sequence[object]) -> str:
    """A cursor as anybody writes it who knows the program and the name of the database."""
    key = hashlib.blake2b(json.dumps(list(parts)).encode(), digest_size=32).digest()
    content = json.dumps(list(place), separators=(",", ":")).encode()
    check = hashlib.blake2b(content, key=key, digest_size=12).digest()
    return base64.urlsafe_b64encode(check + content).decode().rstrip("=")


@pytest.mark.parametrize("place", [[2], [10**30], ["x"], [], [-1], [None]])
def test_a_cursor_that_the_server_did_not_write_is_refused(
    served: Running, client: httpx.Client, place: list[object]
):
    upload(client, 2)
    cursor = forged((served.library.store.name, "tags", "", ""), place)
    answer = client.get("/api/search", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "the cursor is none of this search"


def test_a_cursor_holds_after_a_restart_and_in_another_process(library: Library):
    settings = ServeSettings(port=0, work=False)
    with running(library, settings) as first, first.client() as client:
        ids = upload(client, 3)
        cursor = client.get("/api/search", params={"limit": 2}).json()["next"]
    other = open_library(library.folder)
    with running(other, settings) as second, second.client() as client:
        items = client.get("/api/search", params={"limit": 2, "cursor": cursor}).json()["items"]
        assert [one["asset"]["id"] for one in items] == ids[:1]
    other.close()


def test_the_secret_is_for_the_owners_eyes_and_made_once(library: Library):
    first = library_secret(library.folder)
    path = library.folder / SECRET_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (len(first), library_secret(library.folder)) == (32, first)
    path.write_bytes(b"")
    assert library_secret(library.folder) not in (b"", first)


def test_a_secret_that_cannot_be_read_is_somebody_elses_and_stays(
    library: Library, monkeypatch: pytest.MonkeyPatch
):
    first, path = library_secret(library.folder), library.folder / SECRET_FILE
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refuse)
        own = library_secret(library.folder)
    assert own != first
    assert path.read_bytes() == first


def refuse(path: Path) -> bytes:
    """As for whoever is not the owner of the file."""
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


def test_the_processes_of_a_library_that_cannot_be_written_share_a_secret(library: Library):
    # In place of a file system that is mounted read-only, also for another process: no file can stand there.
    (library.folder / SECRET_FILE).mkdir()
    own = library_secret(library.folder)
    made = WorkerApp(library.folder, ServeSettings(port=0, work=False), own)
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(secret_in, (made,)) == own


def secret_in(made: WorkerApp) -> bytes:
    """The secret by which a process of the service signs."""
    made()
    return library_secret(made.folder)


def test_a_library_that_cannot_be_written_is_searched_page_by_page(
    library: Library, read_only: Callable[[Path], Path]
):
    settings = ServeSettings(port=0, work=False)
    with running(library, settings) as served, served.client() as client:
        upload(client, 3)
    assert not (library.folder / SECRET_FILE).exists()
    read_only(library.folder)
    with running(library, settings) as served, served.client() as client:
        page = client.get("/api/search", params={"limit": 2}).json()
        rest = client.get("/api/search", params={"limit": 2, "cursor": page["next"]}).json()
        assert len(page["items"] + rest["items"]) == 3
