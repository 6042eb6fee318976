"""The server is killed while somebody reviews: the page says so, goes on afterwards, and nothing is lost."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serve.web.conftest import Visitor, suggest_tones, toned
from sqlalchemy import func, select

from lightfast.library.add import add_pictures
from lightfast.library.library import create_library, open_library
from lightfast.library.schema import decision_table


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def process(library: Path, port: int) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "lightfast.cli", "serve", str(library), "--port", str(port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as started:
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                assert started.poll() is None
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield started
        finally:
            started.kill()


def decisions(library: Path) -> int:
    opened = open_library(library)
    try:
        with opened.store.read() as connection:
            return connection.execute(select(func.count()).select_from(decision_table)).scalar_one()
    finally:
        opened.close()


def test_a_server_that_is_killed_in_the_middle_of_a_review_loses_nothing(
    tmp_path: Path, visit: Callable[..., Visitor]
):
    folder, port = tmp_path / "library", _free_port()
    library = create_library(folder)
    add_pictures(library, [str(toned(tmp_path / "tones", 30))])
    suggest_tones(library)
    library.close()
    with process(folder, port) as first:
        visitor = visit(f"http://127.0.0.1:{port}", "/review")
        # What a browser calls a server that dies before, at the beginning of, and within an answer.
        away = ("CONNECTION_REFUSED", "CONNECTION_RESET", "EMPTY_RESPONSE", "CONTENT_LENGTH_MISMATCH")
        visitor.allowed = tuple(f"ERR_{one}" for one in (*away, "INCOMPLETE_CHUNKED_ENCODING"))
        page = visitor.page
        page.wait_for_selector("#one img")
        for _ in range(3):
            page.keyboard.press("Space")
        visitor.wait_until("document.getElementById('left').textContent === '27'")
        first.kill()
        first.wait()
        for _ in range(3):
            page.keyboard.press("Space")
        page.wait_for_selector("#say.away")
    assert decisions(folder) == 3
    with process(folder, port):
        visitor.wait_until("document.getElementById('left').textContent === '24'")
        page.keyboard.press("x")
        visitor.wait_until("document.getElementById('left').textContent === '23'")
        assert page.locator("#decided").inner_text() == "7"
    assert decisions(folder) == 7
