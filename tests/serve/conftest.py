"""Servers that really listen on loopback, over libraries on both databases."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from fixtures.databases import database, library, own_postgres, postgres_server
from fixtures.exported import kit, small
from fixtures.runs import blob_file, run, trained_run
from PIL import Image

from lightfast.library.library import Library, create_library
from lightfast.serve.app import create_app
from lightfast.serve.listening import EndingServer, address_of, listen
from lightfast.serve.settings import ServeSettings

__all__ = [
    "blob_file",
    "database",
    "kit",
    "library",
    "own_postgres",
    "postgres_server",
    "run",
    "small",
    "trained_run",
]


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    address: str
    app: FastAPI
    library: Library

    def client(self, **more) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=60, **more)


@contextmanager
def running(library: Library, settings: ServeSettings | None = None, pictures=()) -> Iterator[Running]:
    """A server in a thread of this process, at a free port."""
    settings = settings or ServeSettings(port=0, local_user="owner", work=False)
    app = create_app(library, settings, pictures)
    with listen(settings) as listening:
        server = EndingServer(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        try:
            yield Running(address_of(listening), app, library)
        finally:
            server.should_exit = True
            thread.join(30)


@pytest.fixture
def served(library: Library, small: Path) -> Iterator[Running]:
    """A server of an empty library, whose model knows a, b, c and d."""
    settings = ServeSettings(port=0, local_user="owner", model=str(small), work=False)
    with running(library, settings) as found:
        yield found


@pytest.fixture
def client(served: Running) -> Iterator[httpx.Client]:
    with served.client() as found:
        yield found


def noise_picture(number: int, kind: str = "PNG", size: tuple[int, int] = (20, 24)) -> bytes:
    """The bytes of a picture file that no other number gives."""
    pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="module")
def plain_served(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server on SQLite for all tests of a file that do not mind each other."""
    made = create_library(tmp_path_factory.mktemp("plain") / "library")
    settings = ServeSettings(port=0, local_user="owner", model=str(small), work=False)
    with running(made, settings) as found:
        yield found
    made.close()


@pytest.fixture
def plain_client(plain_served: Running) -> Iterator[httpx.Client]:
    with plain_served.client() as found:
        yield found


def as_files(*contents: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    """What httpx sends as a form of files."""
    return [("files", (f"picture{at}.png", data, "image/png")) for at, data in enumerate(contents)]


def upload(client: httpx.Client, count: int, first: int = 0) -> list[int]:
    """The ids of so many new pictures."""
    answer = client.post("/api/assets", files=as_files(*(noise_picture(first + at) for at in range(count))))
    assert answer.status_code == 201, answer.text
    return [one["asset_id"] for one in answer.json()["items"]]
