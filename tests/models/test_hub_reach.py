"""A hub that does not answer is said at once; no test here leaves the machine."""

from __future__ import annotations

import socket
import time
from threading import Thread
from typing import Any

import pytest

from lightfast.base.errors import DownloadError
from lightfast.models import hub_reach


@pytest.fixture
def silent_hub(monkeypatch: pytest.MonkeyPatch):
    """An address that takes connections and never says a word."""
    from huggingface_hub import constants

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub_reach, "PROBE_SECONDS", 0.2)
        yield server


def answer(server: socket.socket, line: bytes) -> None:
    taken, _ = server.accept()
    with taken:
        taken.recv(4096)
        taken.sendall(line + b"\r\ncontent-length: 0\r\n\r\n")


def test_a_hub_that_is_silent_is_not_waited_for(silent_hub: Any):
    started = time.monotonic()
    assert not hub_reach.hub_answers()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Busy"])
def test_whatever_it_says_is_an_answer(silent_hub: Any, monkeypatch: pytest.MonkeyPatch, line: bytes):
    monkeypatch.setattr(hub_reach, "PROBE_SECONDS", 5.0)
    speaker = Thread(target=answer, args=(silent_hub, line))
    speaker.start()
    assert hub_reach.hub_answers()
    speaker.join()


def test_a_wish_to_stay_offline_is_kept(silent_hub: Any, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub_reach.urllib.request, "urlopen", None)
    assert not hub_reach.hub_answers()


def test_weights_that_cannot_be_fetched_name_the_cure(silent_hub: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub_reach, "weights_here", lambda _: False)
    with pytest.raises(DownloadError, match=r"weights of inception_v3 could not be fetched.*lite0"):
        hub_reach.require_published("inception_v3")


def test_weights_in_the_cache_need_no_hub(monkeypatch: pytest.MonkeyPatch):
    import huggingface_hub

    monkeypatch.setattr(hub_reach, "hub_answers", lambda: pytest.fail("the hub was asked"))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda _, name: f"/cache/{name}")
    hub_reach.require_published("inception_v3")
