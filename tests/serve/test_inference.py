"""The threads that predict: batches where requests pile up, each answer to whoever asked, none lost at the
end.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from serve.conftest import Running, as_files, noise_picture

from lightfast.data.decode.unreadable import UnreadablePicture
from lightfast.library.uploads import Upload
from lightfast.serve.inference import MicroBatcher, Overloaded
from lightfast.tagging.card import ModelCard
from lightfast.tagging.runtime import Tagger

DRAWING = {"strokes": [[[0, 0], [9, 9]]]}
CARD = ModelCard("test", (4, 4, 3), ("dark", "bright"))


def brightness(images: np.ndarray) -> np.ndarray:
    bright = images.reshape(len(images), -1).mean(axis=1, dtype=np.float32) / 255
    return np.stack([1 - bright, bright], axis=1)


def uploads(count: int) -> list[Upload]:
    return [Upload(f"{number}.png", noise_picture(number)) for number in range(count)]


class Held:
    """A model that answers when it is let go, and the sizes of the batches that reached it."""

    def __init__(self, card: ModelCard = CARD) -> None:
        self._gate = threading.Event()
        self.sizes: list[int] = []
        self.batcher = MicroBatcher(Tagger(card, self._slow, threads=1), self.sizes.append)

    def _slow(self, images: np.ndarray) -> np.ndarray:
        self._gate.wait(30)
        return brightness(images)

    def until_busy(self) -> None:
        while not self.sizes:
            threading.Event().wait(0.01)

    def let_go(self) -> None:
        self._gate.set()


def test_what_waits_goes_together_at_most_a_batch():
    held = Held()
    batcher = held.batcher
    first = batcher.submit(uploads(1)[0])
    held.until_busy()
    others = [batcher.submit(one) for one in uploads(300)]
    held.let_go()
    assert first.result(30).shape == (2,)
    assert [one.result(30).shape for one in others] == [(2,)] * 300
    batcher.close()
    assert held.sizes == [1, 256, 44]


def test_each_gets_its_own_answer():
    batcher = MicroBatcher(Tagger(CARD, brightness, threads=3))
    sent = uploads(40)
    found = [one.result(30) for one in [batcher.submit(one) for one in sent]]
    alone = [batcher.submit(one).result(30) for one in sent]
    batcher.close()
    np.testing.assert_allclose(found, alone, atol=1e-6)


def test_a_failure_of_the_model_reaches_those_who_asked_and_nobody_else():
    calls = iter([True, False])

    def sometimes(images: np.ndarray) -> np.ndarray:
        if next(calls):
            raise RuntimeError("out of memory")
        return brightness(images)

    batcher = MicroBatcher(Tagger(CARD, sometimes, threads=1))
    with pytest.raises(RuntimeError, match="out of memory"):
        batcher.submit(uploads(1)[0]).result(30)
    assert batcher.submit(uploads(1)[0]).result(30).sum() == pytest.approx(1)
    batcher.close()


def test_what_is_no_picture_is_its_own_failure():
    batcher = MicroBatcher(Tagger(CARD, brightness, threads=1))
    broken = batcher.submit(Upload("x", b"nothing"))
    assert batcher.submit(uploads(1)[0]).result(30).shape == (2,)
    with pytest.raises(UnreadablePicture):
        broken.result(30)
    batcher.close()


def test_close_answers_what_waits_and_takes_no_more():
    batcher = MicroBatcher(Tagger(CARD, brightness, threads=1))
    waiting = [batcher.submit(one) for one in uploads(20)]
    batcher.close()
    assert all(one.done() for one in waiting)
    with pytest.raises(Overloaded):
        batcher.submit(uploads(1)[0])


def test_what_nobody_waits_for_any_more_takes_no_place_in_a_batch():
    held = Held()
    batcher = held.batcher
    first = batcher.submit(uploads(1)[0])
    held.until_busy()
    waiting = [batcher.submit(one) for one in uploads(260)]
    for one in waiting[:200]:
        one.cancel()
    held.let_go()
    assert [one.result(30).shape for one in (first, *waiting[200:])] == [(2,)] * 61
    batcher.close()
    assert held.sizes == [1, 60]


def test_what_was_given_up_keeps_nobody_out():
    held = Held()
    batcher = held.batcher
    (picture,) = uploads(1)
    # The thread takes some away at once.
    waiting = [batcher.submit(picture) for _ in range(4_096)]
    while len(batcher._waiting) < 4_096:
        waiting.append(batcher.submit(picture))
    with pytest.raises(Overloaded):
        batcher.submit(picture)
    for one in waiting:
        one.cancel()
    last = batcher.submit(picture)
    held.let_go()
    assert last.result(30).shape == (2,)
    batcher.close()


def test_pictures_of_a_request_for_which_there_is_no_room_are_not_computed(
    plain_served: Running, monkeypatch: pytest.MonkeyPatch
):
    asked: list[asyncio.Future[np.ndarray]] = []

    def ask(_upload: Upload) -> asyncio.Future[np.ndarray]:
        if len(asked) == 2:
            raise Overloaded
        asked.append(asyncio.get_running_loop().create_future())
        return asked[-1]

    with plain_served.client() as client:
        held = plain_served.app.state.service.model.current()
        monkeypatch.setattr(held.batcher, "ask", ask)
        answer = client.post("/api/predict", files=as_files(*map(noise_picture, range(3))))
    assert answer.status_code == 503
    assert [one.cancelled() for one in asked] == [True, True]


def test_a_caller_who_goes_away_is_not_computed_for(plain_served: Running, monkeypatch: pytest.MonkeyPatch):
    held = Held(ModelCard("test", (28, 28, 3), ("dark", "bright")))
    batcher = held.batcher
    with plain_served.client() as client, ThreadPoolExecutor(2) as pool:
        model = plain_served.app.state.service.model.current()
        monkeypatch.setattr(model, "batcher", batcher)
        monkeypatch.setattr(model, "tagger", batcher.tagger)
        body = {"content": noise_picture(1), "headers": {"Content-Type": "image/png"}}
        first = pool.submit(client.post, "/api/predict", **body)
        held.until_busy()
        asked: list[tuple[str, dict[str, Any]]] = [
            ("/api/predict", body),
            ("/api/predict/strokes", {"json": DRAWING}),
        ]
        for path, sent in asked:
            with pytest.raises(httpx.ReadTimeout), plain_served.client() as hasty:
                hasty.post(path, timeout=1, **sent)
        end = time.monotonic() + 20
        while not all(one.answer.cancelled() for one in batcher._waiting) and time.monotonic() < end:
            threading.Event().wait(0.05)
        assert [one.answer.cancelled() for one in batcher._waiting] == [True, True]
        held.let_go()
        assert first.result(30).status_code == 200
        batcher.close()
    assert held.sizes == [1]
