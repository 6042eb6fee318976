"""After a handful of decisions the queue follows them: what was learnt is offered, the doubtful come
first.
"""

from __future__ import annotations

import io
import time

import httpx
import numpy as np
import pytest
from PIL import Image
from serve.conftest import Running, as_files, running
from sqlalchemy import select

from lightfast.library.feature_files import FeatureFormat, FeatureRows, append_features
from lightfast.library.library import Library
from lightfast.library.review.lease import enqueue
from lightfast.library.schema import queue_table
from lightfast.serve.settings import ServeSettings

COUNT, DOUBTFUL = 40, 39


@pytest.fixture
def database() -> None:
    """SQLite."""


def plain(number: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def features(ids: list[int]) -> np.ndarray:
    """Pictures of even numbers lie at one end, of odd ones at the other; the last lies between."""
    side = np.where(np.arange(len(ids)) % 2 == 0, 1.0, -1.0)
    side[DOUBTFUL] = 0.0
    noise = np.random.default_rng(0).normal(0, 0.05, (len(ids), 4))
    return np.float32(np.stack([side, 1 - np.abs(side), 0 * side, 0 * side], axis=1) + noise)


def filled(client: httpx.Client, library: Library) -> list[int]:
    items = client.post("/api/assets", files=as_files(*map(plain, range(COUNT)))).json()["items"]
    ids = [one["asset_id"] for one in items]
    append_features(library, FeatureFormat("test", 4, (8, 8)), FeatureRows(ids, features(ids)))
    asked = [{"asset_id": one, "source": "tag", "reason": "new", "uncertainty": 0.5} for one in ids]
    with library.store.write() as connection:
        enqueue(connection, asked)
    return ids


def test_a_handful_of_decisions_teaches_the_queue(library: Library):
    settings = ServeSettings(port=0, local_user="owner", work=False)
    with running(library, settings) as found, found.client() as client:
        ids = filled(client, library)
        first = client.post("/api/review/lease", json={"count": 1}).json()["items"][0]
        assert first["guesses"] == []
        acts = [
            {"asset_id": one, "act": "confirm", "label": ("odd", "even")[at % 2 == 0]}
            for at, one in enumerate(ids[:20])
        ]
        assert client.post("/api/review/decide", json={"acts": acts}).status_code == 200
        wait_for_the_order(library, ids[DOUBTFUL])
        items = client.post("/api/review/lease", json={"count": 20}).json()["items"]
    assert items[0]["entry"]["asset_id"] == ids[DOUBTFUL]
    said = {one["entry"]["asset_id"]: one["guesses"][0]["label"] for one in items[1:]}
    assert said == {one: ("odd", "even")[at % 2 == 0] for at, one in enumerate(ids) if one in said}


def wait_for_the_order(library: Library, asset: int) -> None:
    """Until the head has put this picture before all others."""
    order = select(queue_table.c.asset_id).where(queue_table.c.state == "open")
    for _ in range(600):
        with library.store.read() as connection:
            rows = connection.execute(order.order_by(queue_table.c.uncertainty.desc(), queue_table.c.id))
            if rows.scalars().first() == asset:
                return
        time.sleep(0.1)
    raise AssertionError("the queue kept its order")


def test_without_features_the_queue_keeps_its_order(served: Running, client: httpx.Client):
    items = client.post("/api/assets", files=as_files(*map(plain, range(12)))).json()["items"]
    acts = [{"asset_id": one["asset_id"], "act": "confirm", "label": "a"} for one in items]
    assert client.post("/api/review/decide", json={"acts": acts}).status_code == 200
    assert served.app.state.service.follower.guesses(items[0]["asset_id"]) == {}
