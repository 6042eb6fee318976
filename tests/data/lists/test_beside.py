"""Tables beside folders of pictures, as competitions publish them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lightfast.base.errors import DataError
from lightfast.data.ingest import load_splits
from lightfast.data.lists.layout import NoClassFolders

LABELS = ("ant", "ant", "bee", "bee")


@pytest.fixture
def flat(tmp_path: Path, picture: Callable[..., Path]) -> Callable[..., Path]:
    """A folder with four pictures 0.png .. 3.png in each of some folders."""

    def made(*folders: str) -> Path:
        for number, folder in enumerate(folders):
            for index in range(4):
                picture(tmp_path / "given" / folder / f"{index}.png", 10 * number + index)
        return tmp_path / "given"

    return made


def table(
    path: Path, name: str = "{}.png", head: str = "path,label", labels: tuple[str, ...] = LABELS
) -> None:
    lines = [f"{name.format(index)},{label}" for index, label in enumerate(labels)]
    path.write_text("\n".join([head, *lines]) + "\n")


@pytest.mark.parametrize("folder", ["images", "train", "photos/all", ".", "data/images"])
@pytest.mark.parametrize("name", ["{}.png", "{}", "FOLDER/{}.png"])
def test_a_table_beside_pictures_labels_them(flat: Callable[..., Path], folder: str, name: str) -> None:
    given = flat(folder)
    table(given / "labels.csv", name.replace("FOLDER", folder))
    loaded = load_splits(given)
    assert [loaded.train.class_names[label] for label in loaded.train.require_labels()] == list(LABELS)
    assert loaded.train.ids[0].removeprefix("./") == (f"{folder}/0.png" if folder != "." else "0.png")
    assert "labels are those of labels.csv beside the pictures" in loaded.notes


def test_a_table_beside_pictures_one_level_down(flat: Callable[..., Path]) -> None:
    given = flat("dataset/images", "dataset/other")
    shutil.rmtree(given / "dataset" / "other")
    table(given / "dataset" / "train.csv")
    assert load_splits(given).train.class_names == ("ant", "bee")


def test_tables_called_after_parts_are_parts(flat: Callable[..., Path]) -> None:
    given = flat("train", "test")
    table(given / "train.csv")
    table(given / "test_labels.csv")
    loaded = load_splits(given)
    assert {part: images.ids[0] for part, images in loaded.parts.items()} == {
        "train": "train/0.png",
        "test": "test/0.png",
    }
    shutil.rmtree(given / "test")
    shutil.rmtree(given / "train")
    given = flat("images")
    table(given / "train.csv", labels=("ant", "ant", "bee"))
    (given / "test_labels.csv").write_text("path,label\n3.png,bee\n")
    assert load_splits(given).part("test").ids == ("images/3.png",)


def test_one_table_for_the_folders_of_parts_tells_them_by_the_files(flat: Callable[..., Path]) -> None:
    given = flat("train", "test")
    lines = [
        f"{part}/{index}.png,{label}" for part in ("train", "test") for index, label in enumerate(LABELS)
    ]
    (given / "labels.csv").write_text("\n".join(["path,label", *lines]))
    assert {part: len(images) for part, images in load_splits(given).parts.items()} == {"train": 4, "test": 4}


def test_pictures_without_labels_and_tables_without_are_noted(flat: Callable[..., Path]) -> None:
    given = flat("train", "test")
    table(given / "train.csv")
    (given / "test.csv").write_text("path\n0.png\n")
    (given / "sample_submission.csv").write_text("id,guess\n0,ant\n")
    loaded = load_splits(given)
    assert loaded.train.ids == tuple(f"train/{index}.png" for index in range(4))
    assert set(loaded.parts) == {"train"}
    assert any(note.startswith("test.csv was not used: it has no column 'label'") for note in loaded.notes)
    assert any(
        note.startswith("sample_submission.csv was not used: it has no column") for note in loaded.notes
    )
    assert any(note.startswith("4 picture(s) are not in the") for note in loaded.notes)


def test_missing_files_are_named(flat: Callable[..., Path]) -> None:
    given = flat("images")
    table(given / "labels.csv", labels=(*LABELS, "bee"))
    assert [(Path(one.path).name, one.reason) for one in load_splits(given).unreadable] == [
        ("4.png", "no such file")
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("number,kind\n0,ant\n", "it has no column 'path' .*number,kind"),
        ("path,comment\n0.png,nice\n", "it has no column 'label' .*path,comment"),
        (
            "path,label\nx9.jpg,ant\ny9.jpg,bee\n",
            "none of the 2 files that it names is here, the first is 'x9.jpg'",
        ),
        ("path,label\n0.png\n", "row 1"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_the_cure(
    flat: Callable[..., Path], text: str, why: str
) -> None:
    given = flat("images")
    (given / "train.csv").write_text(text)
    with pytest.raises(NoClassFolders, match=f"4 pictures but no class folders, and train.csv beside.*{why}"):
        load_splits(given)
    table(given / "train.csv", "images/{}.png")
    assert len(load_splits(given).train) == 4


def test_two_tables_that_are_no_parts_are_refused_and_the_cure_works(flat: Callable[..., Path]) -> None:
    given = flat("images")
    table(given / "experts.csv", "images/{}.png")
    table(given / "crowd.csv", "images/{}.png")
    with pytest.raises(DataError, match=r"crowd.csv and experts.csv both label the pictures.*Give the one"):
        load_splits(given)
    assert len(load_splits(given / "crowd.csv").train) == 4


def test_class_folders_come_before_a_table(tree: Path) -> None:
    table(tree / "list.csv", "cat/{}.png")
    loaded = load_splits(tree)
    assert loaded.train.class_names == ("cat", "dog")
    assert any("list.csv" in note for note in loaded.notes)


def test_a_table_beside_pictures_in_an_archive(
    flat: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    given = flat("images")
    table(given / "train.csv", "{}")
    loaded = load_splits(shutil.make_archive(str(tmp_path / "pile"), "zip", given))
    assert loaded.train.class_names == ("ant", "bee")
