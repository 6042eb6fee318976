"""What the user names becomes a library: one that is there, or one made for a folder of pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from serve.conftest import noise_picture, running

from lightfast.base.errors import DataError
from lightfast.library.library import create_library
from lightfast.serve.opening import open_or_create
from lightfast.serve.settings import ServeSettings


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTFAST_LIBRARIES", str(tmp_path / "libraries"))
    return tmp_path / "libraries"


def test_a_library_is_opened_as_it_is(tmp_path: Path):
    create_library(tmp_path / "archive").close()
    opened = open_or_create(tmp_path / "archive")
    assert opened.library.folder == tmp_path / "archive"
    assert (opened.made, opened.pictures) == (False, ())
    opened.library.close()


def test_a_folder_of_pictures_leads_to_the_same_library_each_time(tmp_path: Path, place: Path):
    photos = tmp_path / "photos"
    photos.mkdir()
    first = open_or_create(photos)
    first.library.close()
    again = open_or_create(photos)
    again.library.close()
    assert first.library.folder.parent.parent == place
    assert first.library.folder.name == "photos"
    assert (first.made, again.made) == (True, False)
    assert again.library.folder == first.library.folder
    assert again.pictures == (str(photos),)
    assert list(photos.iterdir()) == []


def test_without_a_name_it_is_the_own_library(place: Path):
    opened = open_or_create(None)
    opened.library.close()
    assert opened.library.folder == place / "pictures"
    assert opened.pictures == ()


def test_what_is_no_folder_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="is no folder"):
        open_or_create(tmp_path / "nothing")


def test_the_pictures_of_the_folder_are_added_by_a_job(tmp_path: Path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        (photos / f"{number}.png").write_bytes(noise_picture(number))
    opened = open_or_create(photos)
    settings = ServeSettings(port=0, local_user="owner")
    with running(opened.library, settings, opened.pictures) as found, found.client() as client:
        job = client.get("/api/jobs").json()["items"][0]
        assert job["kind"] == "add"
        with client.stream("GET", f"/api/jobs/{job['id']}/events") as events:
            assert '"state": "done"' in list(events.iter_lines())[-2]
        assert [one["name"] for one in client.get("/api/assets").json()["items"]] == [
            "2.png",
            "1.png",
            "0.png",
        ]
    opened.library.close()
