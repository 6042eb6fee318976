"""Several processes at one address over one SQLite file: one is killed, the others answer, it comes back."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from library.pictures import fill
from sqlalchemy import select

from lightfast.base.errors import SettingsError
from lightfast.library.library import Library
from lightfast.library.people.accounts import add_account
from lightfast.library.schema import decision_table
from lightfast.serve.settings import ServeSettings

PASSWORD = "correct horse battery"
_LONGEST = 240.0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are looked up in /proc"),
]


@pytest.fixture
def database() -> None:
    """SQLite: one writer at a time is the harder case; test_two_servers.py has both databases."""


def children(number: int) -> set[int]:
    """The processes that answer: what the supervisor started, without what Python itself did."""
    text = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="utf-8")
    found = set()
    for child in map(int, text.split()):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"spawn_main" in command:
            found.add(child)
    return found


def becomes(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + _LONGEST
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@contextmanager
def two_processes(folder: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    """`lightfast serve --workers 2`, once it answers."""
    command = [sys.executable, "-m", "lightfast.cli", "serve", str(folder), "--port", "0", "--json"]
    with subprocess.Popen([*command, "--workers", "2"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["address"]
            assert httpx.get(f"{address}/readyz", timeout=_LONGEST).status_code == 200
            assert becomes(lambda: len(children(process.pid)) == 2)
            yield process, address
        finally:
            process.terminate()
            process.wait(_LONGEST)


def answering(address: str, times: int) -> set[str]:
    """Which processes count requests, by the files that the sum is made of: told by any of them."""
    for _ in range(times):
        # Without keeping the connection: the next one may come to another process.
        httpx.get(f"{address}/healthz", timeout=_LONGEST)
    text = httpx.get(f"{address}/metrics", timeout=_LONGEST).text
    return set(re.findall(r'lightfast_process_up{pid="(\d+)"}', text))


def decide(address: str, number: int) -> int:
    """One decision of a client of its own; its number. A connection that died is tried again, as pages do."""
    acts = [{"asset_id": number, "act": "confirm", "label_id": 1, "key": f"act{number}"}]
    end = time.monotonic() + _LONGEST
    while True:
        try:
            answer = httpx.post(f"{address}/api/review/decide", json={"acts": acts}, timeout=_LONGEST)
        except httpx.TransportError:
            assert time.monotonic() < end
            continue
        assert answer.status_code == 200, answer.text
        return answer.json()["decision_ids"][0]


def test_one_of_two_processes_is_killed_and_comes_back(library: Library):
    fill(library, 60)
    with two_processes(library.folder) as (process, address):
        assert becomes(lambda: len(answering(address, 8)) == 2)
        before = children(process.pid)
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(decide, address, number) for number in range(1, 61)]
            # In the middle of it.
            assert becomes(lambda: sum(one.done() for one in waiting) >= 10)
            os.kill(min(before), signal.SIGKILL)
            kept = [one.result() for one in waiting]
        assert httpx.get(f"{address}/readyz", timeout=_LONGEST).status_code == 200
        assert becomes(lambda: len(children(process.pid) - {min(before)}) == 2)
        assert becomes(lambda: len(answering(address, 8)) == 2)
    assert len(set(kept)) == 60
    with library.store.read() as connection:
        found = connection.execute(select(decision_table.c.id)).scalars().all()
    assert sorted(found) == sorted(kept)


def test_a_session_is_known_to_all_and_so_are_failed_logins(library: Library):
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with library.store.write() as connection:
        add_account(connection, "ada", "admin", hashed)
    with two_processes(library.folder) as (process, address):
        answer = httpx.post(f"{address}/api/session", json={"name": "ada", "password": PASSWORD}, timeout=60)
        cookies = dict(answer.cookies)
        names = {
            httpx.get(f"{address}/api/session", cookies=cookies).json()["user"]["name"] for _ in range(8)
        }
        assert names == {"ada"}
        wrong = {"name": "ada", "password": "wrong " + PASSWORD}
        codes = [httpx.post(f"{address}/api/session", json=wrong, timeout=60).status_code for _ in range(12)]
        # With the first one ten in all, whichever of the two they came to.
        assert codes == [401] * 9 + [429] * 3
        os.kill(process.pid, signal.SIGKILL)
        # Nobody is left behind at the address.
        assert becomes(lambda: not answers(address))


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", timeout=5).is_success
    except httpx.TransportError:
        return False


def test_how_many_processes_is_checked():
    with pytest.raises(SettingsError, match="workers"):
        ServeSettings(workers=0)
