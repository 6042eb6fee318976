"""What the world does to a library: a clear sentence, and nothing lost."""

from __future__ import annotations

import errno
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.databases import away
from library.pictures import fill
from PIL import Image
from sqlalchemy import URL, event, func, select
from sqlalchemy.exc import OperationalError

from lightfast.base.errors import StorageError
from lightfast.library import add, library, tag
from lightfast.library.add import AddResult, add_pictures
from lightfast.library.library import Library, create_library, open_library
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.schema import assets, decision_table
from lightfast.library.summary import summarise
from lightfast.tagging.card import ModelCard
from lightfast.tagging.runtime import Tagger


def _pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_bomb_is_a_row_with_its_reason(library: Library, tmp_path: Path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
    content += _chunk(b"IDAT", zlib.compress(bytes(1_000))) + _chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(content)
    said = add_pictures(library, [str(tmp_path / "bomb.png")])
    assert "bomb" in said.unreadable[0].reason
    with library.store.read() as connection:
        assert "bomb" in connection.execute(select(assets.c.unreadable)).scalar_one()


def test_a_picture_that_changed_on_disk_is_not_tagged_as_the_old_one(library: Library, tmp_path: Path):
    folder = _pictures(tmp_path / "pictures", 2)
    add_pictures(library, [str(folder)])
    Image.fromarray(np.zeros((30, 30, 3), np.uint8)).save(folder / "0.png")
    tagger = Tagger(ModelCard("one", (8, 8, 3), ("a", "b")), lambda images: np.full((len(images), 2), 0.5))
    facts = tag.ModelFacts("one", "one", "one", ("a", "b"), {})
    said = tag.tag_assets(library, tagger, tag.register_model(library.store, facts))
    assert (said.seen, said.lost) == (1, 1)


def test_a_library_on_a_read_only_folder_can_be_read_and_says_why_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = create_library(tmp_path / "library")
    fill(made, 1)
    made.close()

    def read_only(path: Path) -> URL:
        return URL.create("sqlite", database=f"file:{path}", query={"mode": "ro", "uri": "true"})

    monkeypatch.setattr(library, "sqlite_url", read_only)
    opened = open_library(tmp_path / "library")
    assert summarise(opened).pictures == 1
    with pytest.raises(StorageError, match=r"cannot be written .* Make it writable; reading works"):
        decide(opened.store, 1, [ReviewAct(1, "confirm", 1)])
    opened.close()


def test_an_act_waits_for_a_database_that_wentaway(library: Library):
    fill(library, 1)
    with away(library) as back:
        timer = threading.Timer(1.0, back)
        timer.start()
        decide(library.store, 1, [ReviewAct(1, "confirm", 1)])
        timer.join()
    with library.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(decision_table)).scalar_one() == 1


def test_adding_goes_on_after_the_database_wentaway(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(add, "_BATCH", 2)
    folder = _pictures(tmp_path / "pictures", 6)
    timers: list[threading.Timer] = []
    with away(library) as back:
        back()

        def report(_label: str, done: int, _total: int, _detail: str = "") -> None:
            if done == 2:
                timers.append(threading.Timer(1.0, held.__enter__()))
                timers[0].start()

        held = away(library)
        said = add_pictures(library, [str(folder)], report=report)
        timers[0].join()
        held.__exit__(None, None, None)
    assert said == AddResult(added=6)


def test_a_database_that_stays_away_is_named_with_the_cure(library: Library):
    fill(library, 1)
    if library.store.is_sqlite:
        pytest.skip("a file is there or is not")
    library.store.patience = 0.2
    with away(library):
        for act in (
            lambda: decide(library.store, 1, [ReviewAct(1, "confirm", 1)]),
            lambda: summarise(library),
        ):
            with pytest.raises(StorageError, match=r"cannot be reached .*Start the database and try again"):
                act()


def test_a_full_disk_loses_nothing_and_adding_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(add, "_BATCH", 8)
    folder = _pictures(tmp_path / "pictures", 64)
    made = create_library(tmp_path / "library")
    with made.store.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def full(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages + 2}")

    made.store.close()
    event.listen(made.store.engine, "connect", full)
    with pytest.raises(StorageError, match=r"the disk is full\. Make room"):
        add_pictures(made, [str(folder)])
    event.remove(made.store.engine, "connect", full)
    made.store.close()
    before = summarise(made).pictures
    said = add_pictures(made, [str(folder)])
    assert 0 < before < 64
    assert (said.known, said.added) == (before, 64 - before)
    made.close()


def test_a_full_server_is_named_so(library: Library):
    def full(_connection: Any) -> None:
        said = 'could not extend file "base/1/2": No space left on device'
        raise OperationalError("insert", {}, Exception(said))

    with pytest.raises(StorageError, match="the disk is full"):
        library.store.act(full)


def test_no_room_for_a_thumbnail_is_told_in_one_line_and_adding_goes_on(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = _pictures(tmp_path / "pictures", 3)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(library.thumbnails))

    with monkeypatch.context() as patch:
        patch.setattr("lightfast.base.files.tempfile.mkstemp", full)
        with pytest.raises(StorageError, match="the disk is full"):
            add_pictures(library, [str(folder)])
    assert add_pictures(library, [str(folder)]).added == 3
