"""Files come into a library once, whatever happens on the way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select, update

from lightfast.base.errors import DataError
from lightfast.library import add
from lightfast.library.add import AddResult, add_pictures
from lightfast.library.facts import file_facts, perceptual_hash
from lightfast.library.library import Library
from lightfast.library.schema import assets, places
from lightfast.library.store import now
from lightfast.library.views import THUMBNAIL, view_path


def _picture(path: Path, seed: int, side: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(5):
        _picture(tmp_path / "pictures" / f"{number}.png", number)
    return tmp_path / "pictures"


def _count(library: Library, table=assets) -> int:
    with library.store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_every_picture_is_an_asset_with_its_place(library: Library, folder: Path):
    assert add_pictures(library, [str(folder)]).added == 5
    with library.store.read() as connection:
        rows = connection.execute(select(assets, places.c.uri).join(places)).all()
    assert {row.uri for row in rows} == {str(path) for path in folder.iterdir()}
    assert {(row.width, row.height, row.format) for row in rows} == {(50, 40, "PNG")}


def test_adding_again_opens_no_file_and_changes_nothing(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    add_pictures(library, [str(folder)])
    monkeypatch.setattr(add, "file_facts", None)
    assert add_pictures(library, [str(folder)]) == AddResult(known=5)


def test_a_picture_in_two_places_is_one_asset(library: Library, folder: Path):
    shutil.copy(folder / "0.png", folder / "copy.png")
    said = add_pictures(library, [str(folder)])
    assert (said.added, said.copies) == (5, 1)
    assert (_count(library), _count(library, places)) == (5, 6)


def test_what_was_added_before_a_stop_stays_and_the_rest_follows(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(add, "_BATCH", 2)

    def stop(label: str, done: int, total: int, detail: str = "") -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_pictures(library, [str(folder)], report=stop)
    assert add_pictures(library, [str(folder)]) == AddResult(added=1, known=4)


def test_a_file_that_is_no_picture_is_a_row_with_its_reason(library: Library, folder: Path):
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    said = add_pictures(library, [str(folder)])
    assert [Path(one.path).name for one in said.unreadable] == ["torn.png"]
    with library.store.read() as connection:
        reasons = connection.execute(select(assets.c.unreadable).where(assets.c.unreadable.isnot(None)))
        assert len(reasons.all()) == 1


def test_a_changed_file_leads_to_its_new_picture(library: Library, folder: Path):
    add_pictures(library, [str(folder)])
    _picture(folder / "0.png", 99, side=60)
    assert add_pictures(library, [str(folder)]) == AddResult(added=1, known=4, changed=1)
    with library.store.read() as connection:
        where = places.c.uri == str(folder / "0.png")
        assert connection.execute(select(assets.c.height).join(places).where(where)).scalar_one() == 60


def test_a_deleted_picture_that_is_added_again_is_back(library: Library, folder: Path):
    add_pictures(library, [str(folder)])
    with library.store.write() as connection:
        connection.execute(update(assets).values(deleted_at=now()))
    assert add_pictures(library, [str(folder)]).restored == 5


def test_kept_pictures_are_copies(library: Library, folder: Path):
    add_pictures(library, [str(folder)], keep=True)
    copies = [path for path in library.kept.rglob("*") if path.is_file()]
    originals = {path.read_bytes() for path in folder.iterdir()}
    assert {path.read_bytes() for path in copies} == originals


def test_thumbnails_are_upright_and_carry_no_metadata(library: Library, folder: Path):
    image = Image.fromarray(np.zeros((30, 600, 3), np.uint8))
    exif = Image.Exif()
    exif[274], exif[306] = 6, "2021:05:06 07:08:09"
    image.save(folder / "turned.jpg", exif=exif)
    facts = file_facts(folder / "turned.jpg")
    add_pictures(library, [str(folder / "turned.jpg")])
    with Image.open(view_path(library.thumbnails, str(facts.content), THUMBNAIL)) as small:
        assert (small.size, len(small.getexif())) == ((13, 256), 0)
    assert facts.taken_at is not None
    assert facts.taken_at.isoformat() == "2021-05-06T07:08:09+00:00"


def test_a_source_that_is_not_there_is_refused(library: Library, tmp_path: Path):
    with pytest.raises(DataError):
        add_pictures(library, [str(tmp_path / "nothing")])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_opened_is_named(library: Library, folder: Path):
    (folder / "0.png").chmod(0)
    assert [one.path for one in add_pictures(library, [str(folder)]).unreadable] == [str(folder / "0.png")]


def test_the_perceptual_hash_survives_another_size_and_tells_pictures_apart(folder: Path):
    pixels = np.asarray(Image.open(folder / "0.png").resize((64, 64), Image.Resampling.BICUBIC))
    smaller = np.asarray(Image.open(folder / "0.png").resize((48, 48), Image.Resampling.BICUBIC))
    other = np.asarray(Image.open(folder / "1.png").resize((64, 64)))
    distance = lambda one, two: bin((perceptual_hash(one) ^ perceptual_hash(two)) & 2**64 - 1).count("1")  # noqa: E731
    assert distance(pixels, smaller) <= 8 < distance(pixels, other)
