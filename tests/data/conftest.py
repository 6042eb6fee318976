"""Small picture trees, and a web server on the loopback address that misbehaves on request."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lightfast.data.catalogue.download import RetryPolicy
from lightfast.data.images import ImageSet

CONTENT = np.random.default_rng(7).integers(0, 256, 200_000, dtype=np.uint8).tobytes()


def write_picture(path: Path, seed: int = 0, size: tuple[int, int] = (12, 10), channels: int = 3) -> Path:
    """A PNG of noise, (H, W) = `size`."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
    return path


def make_set(
    labels: list[int], pixels: list[int] | None = None, names: tuple[str, ...] | None = None
) -> ImageSet:
    """One 4 x 4 picture a label; equal numbers in `pixels` give identical pictures."""
    numbers = list(range(len(labels))) if pixels is None else pixels
    images = np.zeros((len(labels), 4, 4, 1), dtype=np.uint8)
    for row, number in enumerate(numbers):
        images[row, 0, :, 0] = np.frombuffer(int(number).to_bytes(4, "big"), dtype=np.uint8)
    count = max(labels, default=0) + 1
    class_names = names or tuple(f"class{label}" for label in range(count))
    return ImageSet(images=images, labels=np.array(labels), class_names=class_names, name="made")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """cat/ and dog/ with three 12 x 10 RGB pictures each."""
    root = tmp_path / "pets"
    for index in range(3):
        write_picture(root / "cat" / f"{index}.png", index)
        write_picture(root / "dog" / f"{index}.png", 10 + index)
    return root


@dataclass
class Site:
    """What the server does, and what it was asked: `ranges` holds the Range header of every request."""

    url: str = ""
    content: bytes = CONTENT
    accepts_ranges: bool = True
    break_after: list[int] = field(default_factory=list)
    status: int = 200
    announced: int | None = None
    etag: str = '"one"'
    ranges: list[str | None] = field(default_factory=list)

    @property
    def md5(self) -> str:
        return f"md5:{hashlib.md5(self.content).hexdigest()}"


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            site.ranges.append(asked)
            if site.status != 200:
                self.send_error(site.status)
                return
            fresh = self.headers.get("If-Range") == site.etag
            start = int(asked.split("=")[1].split("-")[0]) if asked and site.accepts_ranges and fresh else 0
            if start >= len(site.content):
                self.send_error(416)
                return
            body = site.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("ETag", site.etag)
            self.send_header("Content-Length", str(len(body)))
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}"
                )
            self.end_headers()
            self.wfile.write(body[: site.break_after.pop(0)] if site.break_after else body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    """A server on the loopback address; change its fields to make it misbehave."""
    settings = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(settings))
    settings.url = f"http://127.0.0.1:{server.server_port}/file.bin"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield settings
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hasty() -> RetryPolicy:
    """No pauses between attempts."""
    return RetryPolicy(timeout=5.0, attempts=2, pause=0.0)


@pytest.fixture
def picture() -> Callable[..., Path]:
    """`write_picture`."""
    return write_picture


@pytest.fixture
def made() -> Callable[..., ImageSet]:
    """`make_set`."""
    return make_set
