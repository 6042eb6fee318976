"""Parts under other names, levels too many, folders that are neither part nor class."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from lightfast.base.errors import DataError
from lightfast.data.dataset import LoadedData
from lightfast.data.ingest import load_splits
from lightfast.data.lists.layout import NoClassFolders

Made = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, picture: Callable[..., Path]) -> Made:
    """A folder with one picture at each of some paths, every one another; a path that ends in / holds two."""
    seeds = iter(range(10_000))

    def made(*paths: str) -> Path:
        for path in paths:
            names = ("0.png", "1.png") if path.endswith("/") else ("",)
            for name in names:
                picture(tmp_path / "given" / f"{path}{name}", next(seeds))
        return tmp_path / "given"

    return made


def counts(loaded: LoadedData) -> dict[str, dict[str, int]]:
    """{part: {class: pictures}}."""
    return {
        part: dict(Counter(images.class_names[label] for label in images.require_labels()))
        for part, images in loaded.parts.items()
    }


BOTH = {"train": {"ant": 2, "bee": 2}, "test": {"ant": 2, "bee": 2}}
NAMES = [
    ("training_set", "test_set"),
    ("Train", "Test"),
    ("TRAIN", "TEST"),
    ("train_images", "test_images"),
    ("train-set", "test-set"),
    ("imgs_train", "imgs_test"),
    ("TrainImages", "TestImages"),
    ("train2017", "test2017"),
    ("Training Data", "Testing Data"),
    ("seg_train", "seg_test"),
    ("dogs_train", "dogs_test"),
    ("train.224x224", "test.224x224"),
    ("train_1", "test1"),
]


@pytest.mark.parametrize(("train", "test"), NAMES)
def test_parts_go_by_many_names(make: Made, train: str, test: str) -> None:
    given = make(*(f"{part}/{name}/" for part in (train, test) for name in ("ant", "bee")))
    loaded = load_splits(given)
    assert counts(loaded) == BOTH
    said = f"official parts: {test}/ as test, {train}/ as train"
    assert (said in loaded.notes) == (test not in {"Test", "TEST"})


@pytest.mark.parametrize("name", ["validation_set", "valid", "val_images", "dev", "development", "Validate"])
def test_the_validation_part_goes_by_many_names(make: Made, name: str) -> None:
    given = make(*(f"{part}/{kind}/" for part in ("train", name) for kind in ("ant", "bee")))
    assert counts(load_splits(given)) == {"train": BOTH["train"], "val": BOTH["test"]}


@pytest.mark.parametrize(
    "levels", ["{}/{}", "dataset/{}", "dataset/dataset/{}", "data/v1/{}/{}", "archive/{}/{}/{}"]
)
def test_superfluous_levels_are_stepped_into_and_said(make: Made, levels: str) -> None:
    given = make(
        *(f"{levels.replace('{}', part)}/{name}/" for part in ("train", "test") for name in ("ant", "bee"))
    )
    (given / "README.txt").write_text("about")
    loaded = load_splits(given)
    assert counts(loaded) == BOTH
    assert any(note.endswith(": read from there") for note in loaded.notes)


@pytest.mark.parametrize("levels", ["dataset/", "dataset/dataset/", "a/b/c/"])
def test_superfluous_levels_above_classes_too(make: Made, levels: str) -> None:
    given = make(f"{levels}ant/", f"{levels}bee/")
    (given / "docs").mkdir()
    loaded = load_splits(given)
    assert counts(loaded) == {"train": BOTH["train"]}
    assert f"all pictures of given/ lie in given/{levels}: read from there" in loaded.notes


@pytest.mark.parametrize("archive", ["zip", "gztar"])
def test_parts_in_an_archive(
    make: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: str
) -> None:
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    given = make(
        *(f"seg_{part}/seg_{part}/{name}/" for part in ("train", "test") for name in ("ant", "bee")),
        "seg_pred/seg_pred/",
    )
    loaded = load_splits(shutil.make_archive(str(tmp_path / "pile"), archive, given))
    assert counts(loaded) == BOTH
    assert "seg_pred/ (2 pictures) stands beside the parts and was left out" in loaded.notes


@pytest.mark.parametrize("beside", ["unlabelled/", "seg_pred/", "extra/more/", "new photos/"])
def test_a_folder_beside_two_parts_is_no_class(make: Made, beside: str) -> None:
    given = make(*(f"{part}/{name}/" for part in ("train", "test") for name in ("ant", "bee")), beside)
    loaded = load_splits(given)
    assert counts(loaded) == BOTH
    name = beside.partition("/")[0]
    assert f"{name}/ (2 pictures) stands beside the parts and was left out" in loaded.notes


def test_parts_below_every_class_are_parts(make: Made) -> None:
    given = make(*(f"{name}/{part}/" for part in ("Train", "test") for name in ("ant", "bee")))
    loaded = load_splits(given)
    assert counts(loaded) == BOTH
    assert loaded.part("test").ids[0] == "ant/test/0.png"
    assert "parts were read below the classes: test, train" in loaded.notes


@pytest.mark.parametrize(
    "paths",
    [
        ("train/", "bus/", "plane/"),
        ("test/", "control/"),
        ("valid/", "invalid/"),
        ("valid/2020/", "valid/2021/", "invalid/2020/"),
        ("ant/train_old/", "bee/x/"),
        ("training/", "running/"),
        ("dev/", "ops/"),
    ],
)
def test_classes_may_be_called_like_parts(make: Made, paths: tuple[str, ...]) -> None:
    loaded = load_splits(make(*paths))
    assert set(loaded.parts) == {"train"}
    assert set(loaded.train.class_names) == {path.partition("/")[0] for path in paths}


REFUSED = [
    (("train/ant/", "train/bee/", "bus/", "car/"), "train/ may be the train part, or a class as bus/ is"),
    (("train/ant/", "train/bee/", "eval/ant/"), "eval/ may be the validation part or the test part"),
    (("train/ant/", "train/bee/", "hold-out/ant/"), "hold-out/ may be the validation part or the test part"),
    (("ant/", "bee/", "test/ant/", "test/bee/"), "test/ holds folders called as the class folders beside it"),
    (("train/", "test/", "bus/"), "test/, train/ are called after official parts but hold no class folders"),
    (("test/ant/", "test/bee/"), "has test/ but no train/"),
    (("trainA/", "trainB/", "testA/", "testB/"), "testA/, testB/, trainA/, trainB/ all begin as parts do"),
    (("train/ant/", "train_images/bee/"), "train/ and train_images/ both name the train part"),
    (
        ("cats_train/", "dogs_train/", "cats_test/", "dogs_test/"),
        "cats_test/ and dogs_test/ both name the test part",
    ),
]


@pytest.mark.parametrize(("paths", "message"), REFUSED)
def test_what_may_be_either_is_refused_with_the_reading(
    make: Made, paths: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_splits(make(*paths))
    assert caught.value.cure


def test_the_cures_work(make: Made) -> None:
    given = make("train/ant/", "train/bee/", "eval/ant/", "eval/bee/")
    (given / "eval").rename(given / "test")
    assert counts(load_splits(given)) == BOTH
    given = make("cow/", "ox/")
    shutil.rmtree(given / "test")
    with pytest.raises(DataError, match="rename it where it is a class"):
        load_splits(given)
    assert counts(load_splits(given / "train")) == {"train": BOTH["train"]}
    (given / "train").rename(given / "steam engine")
    assert load_splits(given).train.class_names == ("cow", "ox", "steam engine")


def test_albums_by_date_are_one_class_and_no_classes(make: Made) -> None:
    with pytest.raises(NoClassFolders, match=r"one class only \(ant\)"):
        load_splits(make("ant/2020/", "ant/2021-05/"))


def test_one_name_in_two_spellings_of_unicode_is_one_class(make: Made) -> None:
    composed, decomposed = "K\u00e4fer", "Ka\u0308fer"
    loaded = load_splits(make(f"train/{composed}/", "train/bee/", f"test/{decomposed}/", "test/bee/"))
    assert loaded.train.class_names == (composed, "bee")
    assert counts(loaded)["test"] == {composed: 2, "bee": 2}
    assert loaded.part("test").ids[0].startswith(f"test/{decomposed}/")


def test_both_spellings_in_one_place_are_merged_with_a_note(make: Made) -> None:
    loaded = load_splits(make("K\u00e4fer/", "Ka\u0308fer/", "bee/"))
    assert counts(loaded)["train"] == {"K\u00e4fer": 4, "bee": 2}
    assert "class 'K\u00e4fer': 2 spellings of one name in Unicode were read as one class" in loaded.notes


def test_a_class_by_link_to_another_is_read_once_and_said(make: Made) -> None:
    given = make("ant/", "bee/")
    (given / "bees").symlink_to("bee")
    (given / "ant" / "more").symlink_to("../bee")
    loaded = load_splits(given)
    assert counts(loaded) == {"train": BOTH["train"]}
    assert any(note.startswith("2 folder(s) are links to what is read already") for note in loaded.notes)


def test_one_class_of_a_run_is_enough(make: Made) -> None:
    given = make("ant/closeups/", "ant/far/")
    assert counts(load_splits(given, known=("ant", "bee"))) == {"train": {"ant": 4}}
    loaded = load_splits(given / "ant", known=("ant", "bee"))
    assert counts(loaded) == {"train": {"closeups": 2, "far": 2}}


def test_a_folder_called_after_a_class_of_a_run_is_that_class(make: Made) -> None:
    given = make("Ka\u0308fer/") / "Ka\u0308fer"
    loaded = load_splits(given, known=("K\u00e4fer", "bee"))
    assert counts(loaded) == {"train": {"K\u00e4fer": 2}}
    assert any("is called after the class" in note for note in loaded.notes)
    with pytest.raises(NoClassFolders, match="no class folders"):
        load_splits(given)
