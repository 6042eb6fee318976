"""Real Chromium over a server on loopback. A page that writes an error to its console fails its test."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serve.conftest import Running, running

from lightfast.evaluate.review import ReviewRule, review_threshold
from lightfast.library.add import add_pictures
from lightfast.library.library import Library, create_library
from lightfast.library.people.accounts import add_account
from lightfast.library.tag import ModelFacts, register_model, tag_assets
from lightfast.serve.auth.passwords import hash_password
from lightfast.serve.settings import ServeSettings
from lightfast.tagging.card import ModelCard
from lightfast.tagging.runtime import Tagger

NAMES = tuple(f"tone {letter}" for letter in "abcdefghijkl")
"""Twelve labels: more than there are digits."""
PASSWORD = "correct horse battery"


def chromium() -> str:
    """The system's browser, or LIGHTFAST_CHROMIUM; skips the test where there is none."""
    found = (
        os.environ.get("LIGHTFAST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if not found:
        pytest.skip("no Chromium on this machine (LIGHTFAST_CHROMIUM names one)")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all tests of this process."""
    program = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Visitor:
    """Somebody in front of a page. `allowed`: what its console may say, since the test asks for it."""

    page: Any
    address: str
    allowed: tuple[str, ...] = ()
    heard: list[str] = field(default_factory=list)

    def go(self, path: str) -> Any:
        self.page.goto(self.address + path)
        return self.page

    def rest(self, path: str) -> None:
        """Go to a page, and wait until it has what it asked for."""
        self.go(path)
        self.wait_until("(document.documentElement.dataset.asking ?? '0') === '0'")

    def text(self, part: str) -> str:
        return self.page.locator(part).text_content()

    def wait_until(self, script: str) -> None:
        """Wait until an expression holds; the browser's own way of waiting evaluates text in the page, which
        its policy forbids.
        """
        end = time.monotonic() + 15
        while not self.page.evaluate(script):
            assert time.monotonic() < end, f"{script} does not come true; the page says {self.text('#say')!r}"
            self.page.wait_for_timeout(20)

    @property
    def wrong(self) -> list[str]:
        return [text for text in self.heard if not any(one in text for one in self.allowed)]


def _listen(page: Any, heard: list[str]) -> None:
    def console(message: Any) -> None:
        if message.type in ("error", "warning"):
            heard.append(message.text)

    page.on("console", console)
    page.on("pageerror", lambda error: heard.append(str(error)))


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visitor]]:
    """`visit(served, path)`: a new browser window of somebody else. What its console said is wrong."""
    visitors: list[Visitor] = []

    def open_window(served: Running | str, path: str = "/", **options: Any) -> Visitor:
        address = served if isinstance(served, str) else served.address
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(15_000)
        visitor = Visitor(context.new_page(), address)
        _listen(visitor.page, visitor.heard)
        visitors.append(visitor)
        visitor.go(path)
        return visitor

    yield open_window
    for one in visitors:
        one.page.context.close()
    assert [one.wrong for one in visitors if one.wrong] == []


def toned(folder: Path, count: int) -> Path:
    """`count` pictures of one grey tone each with a mark of their own, so that no two are the same."""
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.full((40, 48), number * 255 // max(1, count - 1), np.uint8)
        pixels[2:6, 2 : 6 + number] ^= 0x80
        Image.fromarray(pixels).save(folder / f"tone-{number:03d}.png")
    return folder


def _tones(images: np.ndarray) -> np.ndarray:
    """The nearer the mean is to a label's tone, the more probable it is."""
    mean = images.reshape(len(images), -1).mean(axis=1, keepdims=True) / 255
    near = np.exp(-60 * np.abs(mean - np.linspace(0, 1, len(NAMES))))
    return (near / near.sum(axis=1, keepdims=True)).astype(np.float32)


def suggest_tones(library: Library) -> None:
    """Let a model look that calls a picture by its tone, and is sure of none."""
    tagger = Tagger(ModelCard("tones", (40, 48, 1), NAMES), _tones)
    facts = ModelFacts("tones", "runs/tones", "tones", NAMES, {"accuracy": 0.9, "n": 50})
    number = register_model(library.store, facts)
    tag_assets(library, tagger, number, review_threshold(ReviewRule("gap", 1), None))


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Running]:
    """A server of an empty library."""
    library = create_library(tmp_path / "library")
    with running(library, ServeSettings(port=0, local_user="ada", work=False)) as found:
        yield found
    library.close()


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Running]:
    """A server of 30 pictures, all of which wait for a person with a label suggested."""
    library = create_library(tmp_path / "library")
    add_pictures(library, [str(toned(tmp_path / "tones", 30))])
    suggest_tones(library)
    with running(library, ServeSettings(port=0, local_user="ada", work=False)) as found:
        yield found
    library.close()


@pytest.fixture
def peopled(waiting: Running) -> Running:
    """A server on which an admin, a reviewer and a client's viewer have passwords."""
    with waiting.library.store.write() as connection:
        for name, role, client in (
            ("chief", "admin", None),
            ("grace", "reviewer", None),
            ("buyer", "viewer", "acme"),
        ):
            add_account(connection, name, role, hash_password(PASSWORD), client)
    return waiting


def logged_in(served: Running, visit: Callable[..., Visitor], name: str, **options: bool) -> Visitor:
    """The people page of somebody who has logged in."""
    with served.client() as client:
        client.post("/api/session", json={"name": name, "password": PASSWORD})
        cookies = [
            {"name": key, "value": value, "url": served.address} for key, value in client.cookies.items()
        ]
    visitor = visit(served, "/login", **options)
    visitor.page.context.add_cookies(cookies)
    visitor.go("/people")
    return visitor
