"""What names say of parts and of systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightfast.data.sources.names import is_system, named_parts, part_named, passed_over_part

PARTS = {
    "train": ("train", "TRAIN", "Training_Set", "imgs-train", "train_jpgs", "train (1)", "data_train_2017"),
    "val": ("val", "valid", "Validation Set", "dev", "val.images"),
    "test": ("test", "testset", "TestImages", "tst", "test1"),
    None: (
        "trains",
        "train_old",
        "trainer",
        "valley",
        "testing ground",
        "value",
        "contest",
        "latest",
        "t",
        "",
    ),
}


@pytest.mark.parametrize(("name", "part"), [(name, part) for part, names in PARTS.items() for name in names])
def test_parts_are_known_by_their_names(name: str, part: str | None) -> None:
    assert part_named(name) == part


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("dogs_train", "dogs_test"), {"dogs_train": "train", "dogs_test": "test"}),
        (("x-train-v2", "x-val-v2", "other"), {"x-train-v2": "train", "x-val-v2": "val"}),
        (("dogs_train", "cats_test"), {}),
        (("express_train", "steam_train"), {}),
        (("dogs_test", "dogs_val"), {}),
    ],
)
def test_other_names_are_parts_where_they_share_the_rest(
    names: tuple[str, ...], found: dict[str, str]
) -> None:
    assert {folder.name: part for folder, part in named_parts(map(Path, names)).items()} == found


def test_a_path_through_the_system_s_own_is_known_by_its_first_folder() -> None:
    assert passed_over_part(("ant", "@eaDir", "1.jpg", "THUMB.jpg")) == (True, "ant/@eaDir")
    assert passed_over_part(("ant", ".hidden", "1.jpg")) == (True, "")
    assert passed_over_part(("A.photoslibrary", "originals", "1.jpg")) == (False, "")
    assert passed_over_part(("A.photoslibrary", "resources", "1.jpg")) == (True, "A.photoslibrary/resources")
    assert passed_over_part(("ant", "1.jpg")) == (False, "")


@pytest.mark.parametrize(
    "name", ["@EADIR", "Thumbs.db", "FOUND.000", ".Trash-0", "Icon\r", "x Previews.lrdata"]
)
def test_names_of_systems_are_known_in_any_case(name: str) -> None:
    assert is_system(name)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "name", ["0" * 200 + "x", "images" * 40 + "x", "1_" * 100 + "train" + "_1" * 100 + "x"]
)
def test_long_names_take_no_longer(name: str) -> None:
    assert part_named(name) is None
