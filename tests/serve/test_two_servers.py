"""Two servers on one database share everything, and lose and double nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
from argon2 import PasswordHasher
from library.pictures import fill
from serve.conftest import running
from sqlalchemy import func, select

from lightfast.library.library import Library, open_library
from lightfast.library.people.accounts import add_account
from lightfast.library.schema import decision_table
from lightfast.serve.settings import ServeSettings

PASSWORD = "correct horse battery"
SETTINGS = ServeSettings(port=0, local_user="owner", work=False)


def review(client: httpx.Client) -> list[int]:
    done = []
    while True:
        items = client.post("/api/review/lease", json={"count": 2}).json()["items"]
        if not items:
            return done
        for item in items:
            number = item["entry"]["asset_id"]
            act = {"asset_id": number, "act": "confirm", "label_id": 1}
            answer = client.post(
                "/api/review/decide", json={"acts": [act]}, headers={"Idempotency-Key": f"act{number}"}
            )
            assert answer.status_code == 200, answer.text
            done.append(number)


def test_two_servers_on_one_database(library: Library):
    fill(library, 40)
    kept = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with library.store.write() as connection:
        for name in ("ada", "bea", "cleo", "dora"):
            add_account(connection, name, "admin", kept)
    other = open_library(library.folder)
    with running(library, SETTINGS) as first, running(other, SETTINGS) as second, ExitStack() as stack:
        clients = [stack.enter_context(found.client()) for found in (first, second, first, second)]
        for client, name in zip(clients, ("ada", "bea", "cleo", "dora"), strict=True):
            answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
            client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        with ThreadPoolExecutor(4) as pool:
            done = [number for found in pool.map(review, clients) for number in found]
        # A session of one server is known to the other, and ends on both.
        with second.client(cookies=dict(clients[0].cookies)) as elsewhere:
            assert elsewhere.get("/api/session").json()["user"]["name"] == "ada"
            assert clients[0].delete("/api/session").status_code == 204
            assert elsewhere.get("/api/session").json()["user"] is None
    other.close()
    assert sorted(done) == list(range(1, 41))
    with library.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(decision_table)).scalar_one() == 40
