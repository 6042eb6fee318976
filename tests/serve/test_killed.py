"""The server killed in the middle of decisions, uploads and jobs: what was acknowledged is there
afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import httpx
from fixtures.http_reviewers import served_by_a_process
from library.pictures import fill
from serve.conftest import as_files, noise_picture
from sqlalchemy import select

from lightfast.library.library import Library
from lightfast.library.schema import assets, decision_table

_ENOUGH = 25


class Acknowledged:
    """Decides and uploads without a pause, and notes what was acknowledged."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.decided: dict[str, int] = {}
        self.uploaded: list[int] = []
        self.sent = 0

    def go_on(self) -> None:
        """Until nobody answers any more."""
        try:
            while True:
                self.decide(self.sent)
                self.sent += 1
                if self.sent % 5 == 0:
                    answer = self.client.post("/api/assets", files=as_files(noise_picture(self.sent)))
                    self.uploaded.append(answer.json()["items"][0]["asset_id"])
        except (httpx.HTTPError, json.JSONDecodeError):
            return

    def decide(self, number: int) -> None:
        acts = [{"asset_id": number % 20 + 1, "act": "confirm", "label_id": 1, "key": f"act{number}"}]
        answer = self.client.post("/api/review/decide", json={"acts": acts})
        self.decided[f"act{number}"] = answer.json()["decision_ids"][0]


def test_what_was_acknowledged_is_there(library: Library, tmp_path: Path):
    fill(library, 20)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(5):
        (photos / f"{number}.png").write_bytes(noise_picture(1_000 + number))
    with served_by_a_process(library.folder) as (process, client):
        known = Acknowledged(client)
        job = client.post("/api/jobs", json={"kind": "add", "arguments": {"sources": [str(photos)]}}).json()
        busy = threading.Thread(target=known.go_on)
        busy.start()
        while len(known.decided) < _ENOUGH and busy.is_alive():
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        busy.join(60)
    assert len(known.decided) >= _ENOUGH
    with library.store.read() as connection:
        kept = set(connection.execute(select(decision_table.c.id)).scalars())
        pictures = set(connection.execute(select(assets.c.id)).scalars())
    assert set(known.decided.values()) <= kept
    assert len(kept) <= len(known.decided) + 1
    assert set(known.uploaded) <= pictures
    with served_by_a_process(library.folder) as (_, client):
        goes_on(client, known, job["id"])


def goes_on(client: httpx.Client, known: Acknowledged, job: str) -> None:
    """What was under way is sent again, and is done once; jobs end, files are there."""
    again = Acknowledged(client)
    for number in range(known.sent + 1):
        again.decide(number)
    assert len(set(again.decided.values())) == known.sent + 1
    assert known.decided.items() <= again.decided.items()
    for number in known.uploaded:
        assert client.get(f"/api/assets/{number}/original").status_code == 200
    with client.stream("GET", f"/api/jobs/{job}/events") as events:
        last = [line for line in events.iter_lines() if line.startswith("data: ")][-1]
    assert json.loads(last.removeprefix("data: "))["state"] == "done"
    assert client.get("/api/assets", params={"limit": 500}).json()["items"]
