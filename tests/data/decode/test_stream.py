"""Pictures as a stream: in order, never more ahead than agreed, errors by name, an early end."""

from __future__ import annotations

import itertools
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lightfast.base.errors import SettingsError
from lightfast.data.dataset import Entry, ImageSpec, Unreadable
from lightfast.data.decode.decode import decode_file
from lightfast.data.decode.stream import map_in_order, stream_pictures
from lightfast.data.lists.assemble import assemble


def entries(tree: Path) -> list[Entry]:
    return [Entry(path, path.name, 0) for path in sorted(tree.rglob("*.png"))]


def workers() -> int:
    return sum(thread.name.startswith("pictures") for thread in threading.enumerate())


@pytest.mark.parametrize("jobs, ahead", [(1, 1), (2, 3), (3, 64)])
def test_pictures_come_in_order_as_decode_file_reads_them(tree: Path, jobs: int, ahead: int) -> None:
    given = entries(tree)
    streamed = list(stream_pictures(given, (8, 7), 1, jobs, ahead))
    assert [entry for entry, _ in streamed] == given
    for entry, picture in streamed:
        np.testing.assert_array_equal(picture, decode_file(entry.path, (8, 7), 1))


def test_slow_ones_do_not_lose_their_place() -> None:
    def work(number: int) -> int:
        time.sleep(0.02 if number % 5 == 0 else 0)
        return number

    assert list(map_in_order(work, range(40), jobs=4, ahead=8)) == list(range(40))


def test_unreadable_files_are_named_and_the_others_go_on(tree: Path) -> None:
    (tree / "cat" / "1.png").write_bytes(b"")
    streamed = [picture for _, picture in stream_pictures(entries(tree), None, None)]
    assert streamed[1] == Unreadable(str(tree / "cat" / "1.png"), "empty file")
    assert sum(isinstance(picture, Unreadable) for picture in streamed) == 1
    assert len(streamed) == 6


def test_no_more_than_agreed_is_done_ahead() -> None:
    """The stream may be endless: without a bound this test would not end."""
    begun: list[int] = []
    stream = map_in_order(begun.append, itertools.count(), jobs=2, ahead=5)
    next(stream)
    time.sleep(0.05)
    assert len(begun) <= 5
    next(stream)
    time.sleep(0.05)
    assert 2 <= len(begun) <= 6
    stream.close()


def test_sources_are_read_only_as_far_as_needed(tree: Path) -> None:
    asked: list[Entry] = []

    def endless() -> Iterator[Entry]:
        for entry in itertools.cycle(entries(tree)):
            asked.append(entry)
            yield entry

    stream = stream_pictures(endless(), None, None, jobs=1, ahead=4)
    assert len(list(itertools.islice(stream, 3))) == 3
    assert len(asked) <= 6
    stream.close()


def test_closing_early_stops_the_threads() -> None:
    before = workers()
    done: list[int] = []
    stream = map_in_order(
        lambda number: (time.sleep(0.01), done.append(number)), range(1000), jobs=2, ahead=50
    )
    next(stream)
    assert workers() > before
    stream.close()
    assert workers() == before
    count = len(done)
    assert count < 60
    time.sleep(0.03)
    assert len(done) == count


def test_an_error_of_the_work_is_raised_in_its_place_and_ends_the_threads() -> None:
    def work(number: int) -> float:
        return 1 / (number - 3)

    before = workers()
    stream = map_in_order(work, range(100), jobs=2, ahead=10)
    assert [next(stream) for _ in range(3)] == [-1 / 3, -1 / 2, -1.0]
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert workers() == before


@pytest.mark.parametrize(
    "make",
    [
        lambda: map_in_order(abs, [1], jobs=0),
        lambda: map_in_order(abs, [1], ahead=0),
        lambda: stream_pictures([], None, None, jobs=-1),
    ],
)
def test_numbers_below_one_are_refused_at_once(make: Callable[[], object]) -> None:
    with pytest.raises(SettingsError, match="expected at least 1"):
        make()


def test_nothing_gives_nothing() -> None:
    assert list(stream_pictures([], (4, 4), 3)) == []


@pytest.fixture
def odd(tmp_path: Path) -> list[Entry]:
    """12 pictures, every other of which Pillow reads well and warns about."""
    animation = PngInfo()
    animation.add(b"acTL", bytes(8))
    for index in range(12):
        picture = Image.new("L", (9, 9), index)
        picture.save(tmp_path / f"{index:02}.png", pnginfo=animation if index % 2 else None)
    return [Entry(path, path.name, 0) for path in sorted(tmp_path.iterdir())]


def decode_raw(path: Path) -> None:
    with path.open("rb") as stream, Image.open(stream) as image:
        image.load()


def test_the_odd_pictures_warn(odd: list[Entry]) -> None:
    with pytest.warns(UserWarning, match="Invalid APNG"):
        decode_raw(odd[1].path)


def test_many_pools_at_once_ignore_what_pillow_says_and_leave_the_filters_as_they_were(
    odd: list[Entry],
) -> None:
    """Under `error` a warning that is not ignored makes its picture unreadable."""
    before = list(warnings.filters)

    def loaded(number: int) -> int:
        time.sleep(0.001 * (number % 5))
        return len(assemble("odd", odd, ("one",), ImageSpec((4 + number % 3, 4), 3)).train)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(loaded, range(32))) == [12] * 32
    assert list(warnings.filters) == before


def test_streams_that_end_in_another_order_leave_the_filters_as_they_were(odd: list[Entry]) -> None:
    before = list(warnings.filters)
    first, second = (stream_pictures(odd, (8, 8), 3, jobs=2, ahead=4) for _ in range(2))
    assert all(isinstance(next(stream)[1], np.ndarray) for stream in (first, second, first, second))
    first.close()
    assert all(isinstance(picture, np.ndarray) for _, picture in second)
    assert list(warnings.filters) == before


def test_no_warning_of_anyone_else_is_lost_while_pictures_are_decoded(odd: list[Entry]) -> None:
    def said() -> None:
        warnings.warn("mine", UserWarning, stacklevel=1)

    def worked(number: int) -> None:
        with pytest.raises(UserWarning, match="mine"):
            said()

    stream = stream_pictures(odd, (8, 8), 3, jobs=2, ahead=4)
    next(stream)
    with pytest.raises(UserWarning, match="mine"):
        said()
    with pytest.raises(UserWarning, match="Invalid APNG"):
        decode_raw(odd[1].path)
    stream.close()
    assert len(list(map_in_order(worked, range(20), jobs=4))) == 20
