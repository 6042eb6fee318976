"""`lightfast library jobs`, `work` and `--background` as typed."""

from __future__ import annotations

import threading
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.cli import library_jobs
from lightfast.library.library import open_library
from lightfast.library.people.audit_log import AuditFilter, read_audit
from lightfast.serve.settings import login_name


@pytest.fixture
def ordered(type_in, tmp_path) -> str:
    """The id of a job that waits in `archive`: two pictures to add."""
    (tmp_path / "photos").mkdir()
    for number in range(2):
        pixels = np.full((8, 8), 90 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    type_in("library init archive")
    said = type_in("library add archive photos --background --json")
    assert said.code == 0, said.err
    return said.json["id"]


def test_an_order_is_done_by_a_worker_and_followed(type_in, ordered):
    assert "waiting" in type_in("library jobs archive").out
    assert "no job waits" in type_in("library work archive --until-idle").out
    followed = type_in(f"library jobs archive --follow {ordered}")
    assert followed.code == 0, followed.err
    assert "adding 2 of 2" in followed.out
    assert "adding 2 of 2" in type_in(f"library jobs archive --log {ordered}").out
    (job,) = type_in("library jobs archive --json").json["jobs"]
    assert (job["state"], job["result"]["added"]) == ("done", 2)
    with closing(open_library(Path("archive"))) as library, library.store.read() as connection:
        (ordered_line,) = read_audit(connection, AuditFilter(kind="job"))[0]
    assert (ordered_line.act, ordered_line.person) == ("job ordered", login_name())
    assert ordered_line.detail == {"job": ordered, "kind": "add"}


def test_a_job_is_cancelled_and_tried_again(type_in, ordered):
    assert type_in(f"library jobs archive --cancel {ordered} --json").json["state"] == "cancelled"
    assert type_in(f"library jobs archive --follow {ordered}").code == 1
    assert type_in(f"library jobs archive --retry {ordered} --json").json["state"] == "waiting"
    refused = type_in(f"library jobs archive --retry {ordered}")
    assert refused.code == 2
    assert "is waiting" in refused.line()


def test_a_job_that_is_not_there(type_in, ordered):
    refused = type_in("library jobs archive --follow nine")
    assert (refused.code, "no job nine" in refused.line()) == (2, True)


def test_what_cannot_be_done_fails_in_the_job_with_its_sentence(type_in, ordered):
    number = type_in("library add archive nowhere --background --json").json["id"]
    type_in("library work archive --until-idle")
    job = type_in(f"library jobs archive --follow {number} --json").json
    assert job["state"] == "failed"
    assert "nowhere" in job["error"]


def test_an_interrupted_worker_stops(type_in, ordered, monkeypatch):
    over = threading.Event()
    over.set()
    monkeypatch.setattr(library_jobs, "_interrupted", lambda: nullcontext(over))
    assert "stopped" in type_in("library work archive").out


def test_a_library_without_jobs(type_in):
    type_in("library init archive")
    assert type_in("library jobs archive").out == "no jobs\n"
    assert type_in("library work archive --until-idle --json").json["worker"]


def test_features_retrainings_and_exports_are_ordered_too(type_in, ordered):
    type_in("library work archive --until-idle")
    for rest in ("--xmp", "--out all.jsonl --state confirmed", "--manifest --out pile.csv"):
        said = type_in(f"library export archive {rest} --background --json")
        assert (said.code, said.json["state"]) == (0, "waiting"), said.err
    assert type_in("library embed archive --background --json").json["kind"] == "embed"
    curated = type_in("library curate archive --folds 3 --background --json").json
    assert (curated["kind"], curated["arguments"]["folds"]) == ("curate", 3)
    assert (
        type_in("library retrain archive --model mlp --background --json").json["arguments"]["model"] == "mlp"
    )
    jobs = type_in("library jobs archive --json").json["jobs"]
    assert {one["kind"] for one in jobs} == {"add", "embed", "curate", "retrain", "export"}


def test_an_export_lies_in_the_library_behind_its_number(type_in, ordered, tmp_path):
    type_in("library work archive --until-idle")
    number = type_in("library export archive --out all.jsonl --background --json").json["id"]
    type_in("library work archive --until-idle")
    job = type_in(f"library jobs archive --follow {number} --json").json
    assert (job["state"], job["result"]["rows"]) == ("done", 0)
    assert [path.name for path in (tmp_path / "archive" / "exports").iterdir()] == [f"{number}-all.jsonl"]


@pytest.mark.parametrize(
    "line, said",
    [
        ("export archive --out /tmp/all.csv --background", "the name of a file"),
        ("export archive --out log.jsonl --decisions --background", "tags, --manifest or --xmp"),
        ("retrain archive --budget 5m --background", "alone with it"),
        ("export archive --out all.xls --background", "name"),
    ],
)
def test_what_a_job_does_not_take_is_refused_when_it_is_ordered(type_in, ordered, line, said):
    refused = type_in(f"library {line}")
    assert (refused.code, said in refused.line()) == (2, True), refused.err
