"""Tags of a library beside the pictures: union with what is there, only our own is taken out again."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.sidecars import DC, LR, THERE, items
from library.brightness import add_greys, numbers_of
from library.pictures import suggest
from sqlalchemy import select

from lightfast.export.xmp import load_sidecar, write_sidecar
from lightfast.export.xmp_keywords import Keyword
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.undo import undo
from lightfast.library.schema import tags
from lightfast.library.sidecars import write_library_sidecars


@pytest.fixture
def picture(library: Library, tmp_path: Path) -> Path:
    """The one picture; labels 1 and 2 are cat and dog."""
    add_greys(library, tmp_path / "greys", 1)
    with library.store.write() as connection:
        label_numbers(connection, ["cat", "dog"])
    return tmp_path / "greys" / "000.png"


def _sidecar(picture: Path) -> Path:
    return picture.with_name("000.png.xmp")


def _written(library: Library) -> dict[int, bool]:
    with library.store.read() as connection:
        return {row.label_id: row.written for row in connection.execute(select(tags))}


def test_what_a_person_confirmed_stands_beside_what_is_there_and_goes_when_taken_back(
    library: Library, picture: Path
):
    _sidecar(picture).write_bytes(THERE.encode())
    decide(library.store, 1, [ReviewAct(numbers_of(library)[0], "confirm", 1)])
    assert write_library_sidecars(library).written == 1
    assert items(_sidecar(picture), f"{DC}subject") == ["summer", "été", "cat"]
    assert items(_sidecar(picture), f"{LR}hierarchicalSubject") == ["season|summer", "cat"]
    assert _written(library) == {1: True}
    undo(library.store, 1)
    write_library_sidecars(library)
    assert items(_sidecar(picture), f"{DC}subject") == ["summer", "été"]
    assert _sidecar(picture).read_bytes().count(b"cat") == 0


def test_a_keyword_of_somebody_else_is_never_taken_out(library: Library, picture: Path):
    write_sidecar(picture, [Keyword(("cat",), "confirmed")])
    number = numbers_of(library)[0]
    decide(library.store, 1, [ReviewAct(number, "confirm", 1)])
    write_library_sidecars(library)
    decide(library.store, 1, [ReviewAct(number, "reject", 1)])
    write_library_sidecars(library)
    assert items(_sidecar(picture), f"{DC}subject") == ["cat"]


def test_a_rejected_suggestion_does_not_come_back_by_any_way(library: Library, picture: Path):
    number = numbers_of(library)[0]
    suggest(library, number, 1, 0.7)
    write_library_sidecars(library)
    assert [one.state for one in load_sidecar(_sidecar(picture))] == ["suggested"]
    decide(library.store, 1, [ReviewAct(number, "reject", 1)])
    write_library_sidecars(library)
    assert load_sidecar(_sidecar(picture)) == ()
    assert _written(library) == {1: False}
    # `lightfast export --to xmp` with a model knows no library, and does not suggest it again either.
    write_sidecar(picture, [Keyword(("cat",), "suggested", 0.9), Keyword(("dog",), "suggested", 0.1)])
    assert [one.path for one in load_sidecar(_sidecar(picture))] == [("dog",)]
    # A later confirmation counts.
    decide(library.store, 1, [ReviewAct(number, "confirm", 1)])
    write_library_sidecars(library)
    assert items(_sidecar(picture), f"{DC}subject") == ["cat"]


def test_a_place_that_cannot_be_written_keeps_the_tag_in_the_database_and_says_so(
    library: Library, picture: Path
):
    # Root may write anywhere; a folder in the sidecar's place stops everybody.
    _sidecar(picture).mkdir()
    decide(library.store, 1, [ReviewAct(numbers_of(library)[0], "confirm", 1)])
    said = write_library_sidecars(library)
    assert (said.written, [one.path for one in said.refused]) == (0, [str(picture)])
    assert _written(library) == {1: False}


def test_pictures_without_a_tag_get_no_sidecar(library: Library, picture: Path):
    assert write_library_sidecars(library).written == 0
    assert not _sidecar(picture).exists()
