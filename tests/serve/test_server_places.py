"""Where things lie on the server is told to admins alone: others read names of files without folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from serve.conftest import noise_picture, running, upload
from sqlalchemy import Connection

from lightfast.base.errors import StorageError
from lightfast.library.job_progress import file_log, log_path
from lightfast.library.jobs import claim_job, end_job, new_job
from lightfast.library.library import Library
from lightfast.library.people.accounts import add_account
from lightfast.library.promote import promote_model
from lightfast.library.tag import ModelFacts, register_model
from lightfast.serve.auth.tokens import issue_secret
from lightfast.serve.places import without_places
from lightfast.serve.settings import ServeSettings


@pytest.fixture
def database() -> None:
    """SQLite."""


@dataclass(frozen=True)
class Asked:
    """A server, somebody of every role who asks it, and the folder in which all of it lies."""

    by: dict[str, httpx.Client]
    folder: Path
    model: int
    job: str


@pytest.fixture
def asked(library: Library, run: Path, tmp_path: Path) -> Iterator[Asked]:
    """A model with its run beside the library, and a job that failed on files of the server."""
    own = shutil.copytree(run, tmp_path / "elsewhere" / "blobs")
    facts = ModelFacts("blobs", str(own), "blobs", ("left", "middle", "right"), {"accuracy": 0.5})
    number = register_model(library.store, facts)
    promote_model(library.store, number)
    job = library.store.act(lambda connection: _failed_job(connection, library, tmp_path))
    with library.store.write() as connection:
        people = [("chief", "admin", None), ("ada", "reviewer", None), ("eve", "viewer", None)]
        secrets = {
            role: issue_secret(connection, add_account(connection, name, role, "none", client).id, "token")[1]
            for name, role, client in people
        }
    with running(library, ServeSettings(port=0, work=False)) as served:
        by = {
            name: served.client(headers={"Authorization": f"Bearer {one}"}) for name, one in secrets.items()
        }
        upload(by["admin"], 2)
        yield Asked(by, tmp_path, number, job)
        for one in by.values():
            one.close()


def _failed_job(connection: Connection, library: Library, folder: Path) -> str:
    """A job about a folder of the server, as it stands after a worker has failed on it."""
    place = str(folder / "my photos")
    number, _ = new_job(connection, "add", {"sources": [place]})
    claim_job(connection, number, "worker")
    end_job(connection, number, "worker", "failed", result={"out": [place]}, error=f"{place}/a.jpg is gone")
    with file_log(log_path(library, number)) as log:
        log.info("add begun by worker: {'sources': ('%s',)}", place)
    return number


@pytest.fixture
def kept_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is known stays so for long."""
    monkeypatch.setattr("lightfast.serve.service.KNOWN_SECONDS", 600)


def answers(client: httpx.Client, asked: Asked) -> dict[str, str]:
    """What somebody is told by every address that may speak of the server's files, refusals too."""
    model, job = f"/api/models/{asked.model}", f"/api/jobs/{asked.job}"
    paths = ["/api/models", model, "/api/jobs", job, f"{job}/log", f"{job}/events", "/api/search?like=1"]
    paths += [
        "/api/explain/1",
        "/api/repair/1",
        "/api/clusters",
        "/api/session",
        "/metrics",
        "/api/human",
        "/",
    ]
    return {path: client.get(path).text for path in paths}


@pytest.mark.parametrize("role", ["reviewer", "viewer"])
def test_whoever_is_no_admin_reads_names_without_folders(asked: Asked, role: str):
    shutil.rmtree(asked.folder / "elsewhere" / "blobs" / "checkpoint")
    said = answers(asked.by[role], asked)
    assert [path for path, text in said.items() if str(asked.folder) in text] == []
    assert [path for path, text in said.items() if "Traceback" in text] == []


def test_an_admin_reads_where_things_lie(asked: Asked):
    said = answers(asked.by["admin"], asked)
    told = {path for path, text in said.items() if str(asked.folder) in text}
    job = f"/api/jobs/{asked.job}"
    assert told >= {"/api/models", f"/api/models/{asked.model}", job, f"{job}/log", f"{job}/events"}


def test_an_admin_who_was_known_a_moment_ago_reads_where_the_model_lies(kept_known: None, asked: Asked):
    shutil.rmtree(asked.folder / "elsewhere" / "blobs")
    sent = {"content": noise_picture(1), "headers": {"Content-Type": "image/png"}}
    said = [asked.by["admin"].post("/api/predict", **sent).text for _ in range(2)]
    assert [str(asked.folder) in one for one in said] == [True, True]


def test_what_is_left_says_what_to_do(asked: Asked):
    reviewer = asked.by["reviewer"]
    found = reviewer.get(f"/api/jobs/{asked.job}").json()
    assert found["error"] == "a.jpg is gone"
    assert found["arguments"] == {"sources": ["my photos"]}
    refused = reviewer.get("/api/search?like=1").json()
    assert refused["detail"] == "the pictures have no features yet"
    assert refused["cure"] == "Make them: the job `embed`, or lightfast library embed library."
    (model,) = reviewer.get("/api/models").json()["items"]
    assert model["run"] == "blobs"


def test_nobody_who_is_not_known_reads_where_the_database_lies(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    place = asked.folder / "library" / "library.db"

    def away(*_given: object) -> None:
        reason = 'connection to server at "10.0.0.7", port 5432 failed'
        raise StorageError(f"{place} cannot be reached ({reason})", cure="Start the database and try again.")

    monkeypatch.setattr("lightfast.serve.api.operation.text", away)
    answer = httpx.get(asked.by["viewer"].base_url.join("/readyz"))
    assert answer.status_code == 503
    assert answer.json()["detail"] == "library.db cannot be reached (connection to server failed)"
    # Whoever looks after the server finds it in its log.
    assert str(place) in caplog.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/pictures/a b.jpg is gone", "a b.jpg is gone"),
        ("/srv/my own pictures/a.jpg: no such file", "a.jpg: no such file"),
        ("'/srv/a/b', '/srv/c/d'", "'b', 'd'"),
        ("copy /srv/a to /srv/c/d.", "copy a to d."),
        (
            "lightfast evaluate /srv/run /srv/run/pile.csv --out /srv/run/x",
            "lightfast evaluate run pile.csv --out x",
        ),
        ('File "/usr/lib/python3/site.py", line 3', 'File "site.py", line 3'),
        ("~/pictures/a.jpg", "a.jpg"),
        (r"C:\Users\ada\run is no folder", "run is no folder"),
        ("postgresql://ada@db.example/archive cannot be reached", "the database cannot be reached"),
        ("sqlite:////srv/library.db", "the database"),
        ("file:///srv/pictures/a.jpg is gone", "a.jpg is gone"),
        ("failed to resolve host 'db.example': no such name", "failed to resolve host: no such name"),
        ('could not translate host name "db.example" to address', "could not translate host name to address"),
        ('nothing is at "noon" (or later)', 'nothing is at "noon" (or later)'),
        ("see docs/serve.md and https://example.org/a/b", "see docs/serve.md and https://example.org/a/b"),
        ("cat and/or dog, 1 / 2, 3/4", "cat and/or dog, 1 / 2, 3/4"),
    ],
)
def test_folders_are_taken_out_of_a_text(text: str, shown: str):
    assert without_places(text) == shown


def test_a_long_text_of_slashes_takes_no_time_to_speak_of():
    assert without_places("/a b" * 50_000).endswith("a b")
    assert json.dumps(without_places("/" * 100_000))
