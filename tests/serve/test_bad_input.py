"""A full disk, a database that goes away, a newer one, a read-only folder: a clear status, nothing lost."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fixtures.databases import OwnServer, away, fresh_database
from library.pictures import fill
from serve.conftest import Running, as_files, noise_picture, running, upload
from sqlalchemy import Connection, create_engine, event, func, select, text

from lightfast.base.errors import DataError
from lightfast.library.library import Library, create_library, open_library
from lightfast.library.schema import decision_table, labels
from lightfast.serve.settings import ServeSettings

SETTINGS = ServeSettings(port=0, local_user="owner", work=False)


@pytest.fixture
def sqlite_library(tmp_path: Path):
    made = create_library(tmp_path / "library")
    yield made
    made.close()


def test_a_full_disk_is_said_and_nothing_half_written_stays(
    sqlite_library: Library, monkeypatch: pytest.MonkeyPatch
):
    def full(*_given):
        raise OSError(errno.ENOSPC, "No space left on device")

    with running(sqlite_library, SETTINGS) as found, found.client() as client:
        with monkeypatch.context() as patch:
            patch.setattr("lightfast.library.uploads.os.fsync", full)
            answer = client.post("/api/assets", files=as_files(noise_picture(1)))
        assert answer.status_code == 507
        assert "disk is full" in answer.json()["detail"]
        assert [path for path in sqlite_library.kept.rglob("*") if path.is_file()] == []
        assert upload(client, 1)


def test_a_database_that_grows_no_more_is_said_and_nothing_of_the_decision_stays(sqlite_library: Library):
    fill(sqlite_library, 3)
    engine = sqlite_library.store.engine

    def act(number: int, label: str) -> dict:
        one = {"asset_id": number, "act": "confirm", "label": label, "reason": "x" * 1_500}
        return {"acts": [one]}

    def full(connection: Connection) -> None:
        # SQLite's own "database or disk is full", as from a disk that has no room.
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    with running(sqlite_library, SETTINGS) as found, found.client() as client:
        assert client.post("/api/review/decide", json=act(1, "cat")).status_code == 200
        event.listen(engine, "begin", full)
        answers = [client.post("/api/review/decide", json=act(2, f"label{number}")) for number in range(40)]
        refused = [one for one in answers if one.status_code != 200]
        event.remove(engine, "begin", full)
        assert {one.status_code for one in refused} == {507}
        assert "disk is full" in refused[0].json()["detail"]
        assert refused[0].json()["cure"]
        with engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {2**30}")
            kept = connection.execute(select(func.count()).select_from(decision_table)).scalar_one()
            named = set(connection.execute(select(labels.c.name)).scalars())
        assert kept == 1 + len(answers) - len(refused)
        # The label that a refused decision brought went with it.
        assert f"label{answers.index(refused[0])}" not in named
        engine.dispose()
        assert client.post("/api/review/decide", json=act(3, "dog")).status_code == 200


def test_an_upload_that_breaks_off_leaves_nothing(sqlite_library: Library):
    data = noise_picture(1, "JPEG", (200, 300))
    with running(sqlite_library, SETTINGS) as found, found.client() as client:
        (cut,) = client.post("/api/assets", files=as_files(data[: len(data) // 2])).json()["items"]
        assert cut["asset_id"] is None
        assert "truncated" in cut["unreadable"]
        host, _, port = found.address.removeprefix("http://").partition(":")
        head = f"POST /api/assets HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\n"
        with socket.create_connection((host, int(port))) as line:
            line.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:1_000])
        assert client.get("/api/assets").json()["items"] == []
        assert [path for path in sqlite_library.kept.rglob("*") if path.is_file()] == []
        assert upload(client, 1)


def test_what_is_decided_while_the_database_is_away_is_answered_once_it_is_back(library: Library):
    fill(library, 3)
    with running(library, SETTINGS) as found, found.client() as client, ThreadPoolExecutor(2) as pool:
        assert client.post("/api/review/lease", json={"count": 1}).status_code == 200
        with away(library) as back:
            acts = [{"acts": [{"asset_id": one, "act": "confirm", "label_id": 1}]} for one in (1, 2)]
            sent = [pool.submit(client.post, "/api/review/decide", json=one) for one in acts]
            # On SQLite somebody else writes for so long, on PostgreSQL nobody can connect.
            done, _ = wait(sent, timeout=2 if library.store.is_sqlite else 10)
            assert done == set()
            back()
            assert [one.result(60).status_code for one in sent] == [200, 200]
    with library.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(decision_table)).scalar_one() == 2


def test_a_read_only_folder_is_served_for_reading(
    sqlite_library: Library, read_only: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
):
    with running(sqlite_library, SETTINGS) as found, found.client() as client:
        upload(client, 2)
    read_only(sqlite_library.folder)
    with running(sqlite_library, replace(SETTINGS, work=True)) as found, found.client() as client:
        assert "read-only" in caplog.text
        assert len(client.get("/api/assets").json()["items"]) == 2
        assert client.get("/api/assets/1/view/256").status_code == 200
        answer = client.post("/api/assets", files=as_files(noise_picture(7)))
        assert answer.status_code == 503
        assert answer.json()["cure"]
        assert client.post("/api/jobs", json={"kind": "embed"}).status_code == 503


def test_a_database_of_a_newer_version_is_refused_and_left_alone(sqlite_library: Library):
    with sqlite_library.store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DataError, match="newer version"):
        open_library(sqlite_library.folder)


def stop_connections(server: str, library: Library, *, allowed: bool) -> None:
    """Let nobody connect to the library's database any more, and end who is connected; or allow it again."""
    name = library.store.engine.url.database
    address = server.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(allowed).lower()}"))
        if not allowed:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            connection.execute(text(ended), {"name": name})
    engine.dispose()


def test_a_database_that_goes_away_is_waited_for_by_writes_and_named_by_reads(
    postgres_server: str, tmp_path: Path
):
    library = create_library(tmp_path / "library", fresh_database(postgres_server))
    fill(library, 3)
    library.store.patience = 1
    with running(library, SETTINGS) as found, found.client() as client:
        act = {"acts": [{"asset_id": 1, "act": "confirm", "label_id": 1, "key": "k"}]}
        assert client.post("/api/review/undo").status_code == 200
        stop_connections(postgres_server, library, allowed=False)
        answer = client.get("/api/assets")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        stop_connections(postgres_server, library, allowed=True)
        assert client.post("/api/review/decide", json=act).status_code == 200
        assert client.get("/api/assets").status_code == 200
    with library.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(decision_table)).scalar_one() == 1
    library.close()


@pytest.mark.timeout(120)
def test_a_server_of_the_database_that_is_gone_for_ten_seconds_loses_nothing(
    own_postgres: OwnServer, tmp_path: Path
):
    library = create_library(tmp_path / "library", fresh_database(own_postgres.address))
    fill(library, 200)
    library.store.patience = 2
    over, refused = threading.Event(), []

    def decide(worker: int) -> list[int]:
        """Decide picture after picture, each until that is acknowledged; the numbers of the decisions."""
        numbers = []
        with found.client() as client:
            for asset in range(1 + worker, 201, 4):
                act = {"asset_id": asset, "act": "confirm", "label_id": 1}
                request = {"json": {"acts": [act]}, "headers": {"Idempotency-Key": f"picture {asset}"}}
                while (answer := client.post("/api/review/decide", **request)).status_code != 200:
                    refused.append(answer)
                    time.sleep(0.5)
                numbers += answer.json()["decision_ids"]
                if over.is_set() and len(numbers) > 20:
                    break
                time.sleep(0.1)
        return numbers

    with running(library, SETTINGS) as found, found.client() as client, ThreadPoolExecutor(4) as pool:
        working = [pool.submit(decide, worker) for worker in range(4)]
        time.sleep(1)
        own_postgres.stop()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            answer = client.get("/api/assets")
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert int(answer.headers["retry-after"]) > 0
            assert "cannot be reached" in answer.json()["detail"]
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 503
        own_postgres.start()
        end = time.monotonic() + 30
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.2)
        over.set()
        acknowledged = [number for one in working for number in one.result(60)]
        assert len(client.get("/api/assets").json()["items"]) == 50
        assert upload(client, 1)
    assert refused
    assert {(one.status_code, "retry-after" in one.headers) for one in refused} == {(503, True)}
    with library.store.read() as connection:
        kept = connection.execute(select(decision_table.c.id)).scalars().all()
    assert sorted(kept) == sorted(acknowledged)
    library.close()


def test_a_library_whose_folder_moved_says_so(sqlite_library: Library):
    with running(sqlite_library, SETTINGS) as found, found.client() as client:
        upload(client, 1)
        sqlite_library.kept.rename(sqlite_library.folder / "elsewhere")
        answer = client.get("/api/assets/1/original")
    assert answer.status_code == 409
    assert "moved or changed" in answer.json()["detail"]


def test_two_retrains_at_once_are_refused(served: Running, client: httpx.Client):
    assert client.post("/api/models/retrain", json={}).status_code == 202
    answer = client.post("/api/models/retrain", json={})
    assert answer.status_code == 409
    assert "waits already" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/review/decide", {"acts": []}),
        ("/api/review/decide", {"acts": [{"asset_id": 1, "act": "explode"}]}),
        ("/api/review/decide", {"acts": [{"asset_id": 1, "act": "confirm", "label": "a\0b"}]}),
        ("/api/review/decide", {"acts": [{"asset_id": 2**70, "act": "skip"}]}),
        ("/api/review/decide", {"acts": [{"asset_id": 1, "act": "skip", "seconds": -1}]}),
        ("/api/review/lease", {"count": 0}),
        ("/api/labels", {"name": "  "}),
        ("/api/labels", {"name": "x" * 201}),
        ("/api/users", {"name": "eve", "password": "short", "role": "admin"}),
        ("/api/jobs", {"kind": "add", "arguments": {"sources": []}}),
        ("/api/jobs", {"kind": "embed", "arguments": {"strange": 1}}),
    ],
)
def test_what_does_not_fit_is_named(plain_client: httpx.Client, path: str, body: dict):
    answer = plain_client.post(path, json=body)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"count": NaN}', b"null"])
def test_a_body_that_is_no_json(plain_client: httpx.Client, content: bytes):
    answer = plain_client.post(
        "/api/review/lease", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)


def test_unknown_numbers(plain_client: httpx.Client):
    for path in (
        "/api/assets/77",
        "/api/assets/77/view/256",
        "/api/explain/77",
        "/api/jobs/0123456789abcdef",
    ):
        assert plain_client.get(path).status_code == 404, path
    assert plain_client.delete("/api/tokens/77").status_code == 404
    assert plain_client.patch("/api/labels/77", json={}).status_code == 404
    assert plain_client.post("/api/models/77/promote").status_code == 404


def test_a_key_that_was_used_for_another_request(plain_client: httpx.Client):
    headers = {"Idempotency-Key": "label"}
    first = plain_client.post("/api/labels", json={"name": "once"}, headers=headers)
    again = plain_client.post("/api/labels", json={"name": "once"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = plain_client.post("/api/labels", json={"name": "twice"}, headers=headers)
    assert other.status_code == 422
    assert plain_client.post("/api/labels", json={"name": "once"}).status_code == 409
