"""Odd pictures are read as a person sees them, broken ones are named with their reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.files import load_json, write_json
from lightfast.data.dataset import ImageSpec, LoadedData
from lightfast.data.decode.decode import UnreadablePicture, decode_file, load_header
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.class_folders import load_class_folders

# Pillow warns about the very metadata that are broken here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
Fields = Callable[[np.ndarray], np.ndarray]
Names = tuple[list[str], dict[str, str]]


@pytest.fixture(scope="module")
def read(library: Path) -> LoadedData:
    return load_class_folders(library, ImageSpec((16, 16), 3))


def test_the_corpus_is_large_enough(odd_names: Names) -> None:
    assert len(odd_names[0]) >= 40
    assert len(odd_names[1]) >= 30


def test_an_odd_picture_is_read_as_a_person_sees_it(
    odd_picture: tuple[Path, tuple[int, ...], object, int], fields: Fields
) -> None:
    path, shape, wanted, tolerance = odd_picture
    decoded = decode_file(path)
    assert decoded.shape == load_header(path).shape == shape
    np.testing.assert_allclose(fields(decoded), np.array(wanted), atol=tolerance)


def test_a_file_that_is_no_picture_says_what_it_is(broken_picture: tuple[Path, str], library: Path) -> None:
    path, reason = broken_picture
    with pytest.raises(UnreadablePicture) as caught:
        decode_file(path)
    assert caught.value.reason.startswith(reason)
    assert str(library) not in caught.value.reason
    assert str(caught.value).isprintable()


def test_one_folder_of_everything_is_read_in_one_go(odd_names: Names, read: LoadedData) -> None:
    good, bad = odd_names
    assert set(read.train.ids) == {f"good/{printable(name)}" for name in good} | {"bad/whole.png"}
    told = {Path(one.path).name: one.reason for one in read.unreadable}
    assert set(told) == {printable(name) for name in bad}
    assert all(told[printable(name)].startswith(reason) for name, reason in bad.items())
    assert len(read.unreadable) == len(bad)
    assert sum(read.sizes.values()) == len(read.train) == len(good) + 1


def test_nothing_in_it_is_black_or_replaced(library: Path, odd_names: Names, read: LoadedData) -> None:
    files = {f"good/{printable(name)}": library / "good" / name for name in odd_names[0]}
    for picture, one in zip(read.train.images, read.train.ids, strict=True):
        np.testing.assert_array_equal(picture, decode_file(files.get(one, library / one), (16, 16), 3))
        assert picture.max() > 50 or "dark" in one


def test_the_notes_count_animations_and_pages(odd_names: Names, read: LoadedData) -> None:
    moving = sum(name.startswith("moving") for name in odd_names[0])
    assert f"{moving} animations gave their first frame" in read.notes
    assert "1 files of several pages gave their first page" in read.notes


def test_every_name_goes_into_json_and_parquet(read: LoadedData, tmp_path: Path) -> None:
    import pandas as pd

    names = [*read.train.ids, *(one.path for one in read.unreadable)]
    assert load_json(write_json(tmp_path / "a.json", names)) == names
    pd.DataFrame({"id": names}).to_parquet(tmp_path / "a.parquet")
    assert pd.read_parquet(tmp_path / "a.parquet")["id"].tolist() == names
    assert json.loads(json.dumps(list(read.notes))) == list(read.notes)
    assert len(read.train.version) == 16


def test_every_format_is_turned_exactly_once(turned: tuple[Path, Image.Image], fields: Fields) -> None:
    path, picture = turned
    upright, decoded = np.atleast_3d(np.asarray(picture)), decode_file(path)
    assert decoded.shape == load_header(path).shape == upright.shape
    np.testing.assert_allclose(fields(decoded), fields(upright), atol=9)
