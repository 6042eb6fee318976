"""Files to tags: order, broken files, bounded work."""

from __future__ import annotations

import dataclasses
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.data.dataset import Entry
from lightfast.data.decode.decode import decode_file
from lightfast.tagging.runtime import Tagger, load_tagger
from lightfast.tagging.stream import tag_files

Files = Callable[[int], list[Entry]]


def in_batches_of(tagger: Tagger, size: int) -> Tagger:
    class Small(Tagger):
        @property
        def batch(self) -> int:
            return size

    return Small(tagger.card, tagger.infer, tagger.threads)


def test_every_file_in_order_with_the_numbers_of_the_decoded_array(tagger: Tagger, files: Files):
    entries = files(23)
    found = list(tag_files(in_batches_of(tagger, 4), entries))
    images = np.stack([decode_file(one.path, (16, 16), 3) for one in entries])
    assert [one for batch in found for one in batch.entries] == entries
    assert np.abs(np.concatenate([batch.probs for batch in found]) - tagger.probs(images)).max() < 1e-6


def test_broken_files_are_named_and_the_others_keep_their_own_rows(
    tagger: Tagger, files: Files, tmp_path: Path
):
    entries = files(9)
    for index in (0, 4, 5, 8):
        entries[index].path.write_bytes(b"" if index == 0 else b"not a picture")
    found = list(tag_files(in_batches_of(tagger, 2), entries))
    kept = [one for batch in found for one in batch.entries]
    lost = [one for batch in found for one in batch.unreadable]
    assert [one.id for one in kept] == ["001.png", "002.png", "003.png", "006.png", "007.png"]
    assert [Path(one.path).name for one in lost] == ["000.png", "004.png", "005.png", "008.png"]
    assert lost[0].reason == "empty file"
    assert all(len(batch.probs) == len(batch.entries) for batch in found)
    images = np.stack([decode_file(one.path, (16, 16), 3) for one in kept])
    assert np.abs(np.concatenate([batch.probs for batch in found]) - tagger.probs(images)).max() < 1e-6


def test_a_slow_reader_holds_the_work_back(tagger: Tagger, files: Files):
    entries = files(2) * 200
    taken = 0

    def watched():
        nonlocal taken
        for entry in entries:
            taken += 1
            yield entry

    stream = tag_files(in_batches_of(dataclasses.replace(tagger, threads=2), 5), watched())
    for _ in range(3):
        next(stream)
        time.sleep(0.02)
    # Three batches were handed out; three a thread, of two threads, may be on the way.
    assert taken <= (3 + 6 + 1) * 5
    stream.close()


def test_closing_ends_the_threads(small: Path, files: Files):
    before = threading.active_count()
    stream = tag_files(in_batches_of(load_tagger(small, 2), 2), files(12))
    next(stream)
    stream.close()
    assert threading.active_count() == before


def test_no_files_are_no_batches(tagger: Tagger):
    assert list(tag_files(tagger, [])) == []


def test_warnings_between_two_batches_are_not_lost(tagger: Tagger, files: Files):
    before = list(warnings.filters)
    stream = tag_files(in_batches_of(tagger, 2), files(6))
    next(stream)
    with pytest.raises(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)
    stream.close()
    assert list(warnings.filters) == before


def test_damaged_files_are_left_out_or_read_and_counted(tagger: Tagger, files: Files, tmp_path: Path):
    entries = files(5)
    grain = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(grain).save(tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    entries[1].path.write_bytes(content[: len(content) // 2] + content[len(content) // 2 + 300 :])
    entries[3].path.write_bytes(content[:-2])
    (strict,), (lenient,) = (
        list(tag_files(in_batches_of(tagger, 8), entries, one)) for one in ("refuse", "read")
    )
    assert [one.reason.partition(" (")[0] for one in strict.unreadable] == ["damaged"]
    assert (len(strict.entries), dict(strict.remarks)) == (4, {"no-end": 1})
    assert (lenient.entries, dict(lenient.remarks)) == (tuple(entries), {"damaged": 1, "no-end": 1})
