"""Folders with odd things in them, classes with odd names, parts that must agree:
nothing dropped without a word, nothing renumbered.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lightfast.base.errors import DataError
from lightfast.data.check import check
from lightfast.data.dataset import Entry, ImageSpec, LoadedData
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.assemble import assemble
from lightfast.data.lists.class_folders import load_class_folders
from lightfast.data.lists.manifest import load_manifest

ODD_NAMES = ("cats, small", 'the "good" ones', "🐈‍⬛", "Größe = 5 €", "it's; a\ttab")


def parted(tree: Path, root: Path) -> Path:
    for part in ("train", "val", "test"):
        shutil.copytree(tree, root / part)
    return root


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make one folder refuse to be listed. Rights would not do: the tests may run as root."""
    scandir = os.scandir

    def close(folder: Path) -> None:
        def refuse(path: str) -> object:
            if Path(path) == folder:
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)

    return close


def test_a_closed_folder_inside_a_class_is_named(
    tree: Path, closed: Callable[[Path], None], picture: Callable[..., Path]
) -> None:
    picture(tree / "cat" / "private" / "x.png", 7)
    closed(tree / "cat" / "private")
    loaded = load_class_folders(tree)
    assert [(Path(one.path).name, one.reason) for one in loaded.unreadable] == [
        ("private", "permission denied")
    ]
    assert len(loaded.train) == 6


def test_a_closed_class_folder_is_not_called_empty(tree: Path, closed: Callable[[Path], None]) -> None:
    closed(tree / "cat")
    with pytest.raises(DataError, match=r"no picture in .*cat: .*cat cannot be read \(permission denied\)"):
        load_class_folders(tree)


def test_a_link_that_leads_back_is_not_followed_and_said(tree: Path) -> None:
    (tree / "cat" / "again").symlink_to(tree / "cat")
    loaded = load_class_folders(tree)
    assert len(loaded.train) == 6
    again = "1 folder(s) are links to what is read already and were not followed"
    assert f"{again} (first: {tree / 'cat' / 'again'})" in loaded.notes


def test_a_class_folder_by_link_is_a_class(tree: Path, tmp_path: Path) -> None:
    shutil.move(tree / "cat", tmp_path / "elsewhere")
    (tree / "cat").symlink_to(tmp_path / "elsewhere")
    assert load_class_folders(tree).train.class_names == ("cat", "dog")


def test_a_folder_named_as_a_picture_with_pictures_in_it_is_a_folder(
    tree: Path, picture: Callable[..., Path]
) -> None:
    picture(tree / "cat" / "holiday.jpg" / "x.png", 7)
    loaded = load_class_folders(tree)
    assert "cat/holiday.jpg/x.png" in loaded.train.ids
    assert loaded.unreadable == ()


def test_pipes_and_broken_links_beside_the_classes_are_counted(tree: Path) -> None:
    os.mkfifo(tree / "pipe.png")
    (tree / "gone.png").symlink_to("nowhere")
    assert any(
        note.startswith("2 file(s) stand outside the class folders")
        for note in load_class_folders(tree).notes
    )


def test_every_kind_of_unreadable_file_is_counted_in_the_report(tree: Path) -> None:
    (tree / "cat" / "a.png").touch()
    (tree / "cat" / "b.png").write_text("hello")
    (tree / "dog" / "c.png").write_text("<html></html>")
    assert check(tree).reasons == {"not a picture": 2, "empty file": 1}


def test_an_empty_validation_class_is_refused(tree: Path, tmp_path: Path) -> None:
    root = parted(tree, tmp_path / "parted")
    for path in (root / "val" / "cat").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"empty class: no picture in .*val/cat"):
        load_class_folders(root)


def test_a_validation_part_of_broken_files_is_refused(tree: Path, tmp_path: Path) -> None:
    root = parted(tree, tmp_path / "parted")
    for path in (root / "val").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(
        DataError,
        match=r"none of the pictures of the val part could be read, the first is .*0.png: empty file",
    ):
        load_class_folders(root)


@pytest.mark.parametrize("part", ["val", "test"])
def test_an_unknown_class_in_a_part_is_refused_in_tables_too(tree: Path, part: str) -> None:
    rows = ["cat/0.png,cat,train", "cat/1.png,cat,train", "dog/0.png,dog,train", f"dog/1.png,bird,{part}"]
    (tree / "list.csv").write_text("path,label,split\n" + "\n".join(rows))
    with pytest.raises(DataError, match=f"class 'bird' of the {part} part is not among the training classes"):
        load_manifest(tree / "list.csv")


def test_a_class_that_a_part_lacks_keeps_the_numbers_of_the_others(tree: Path, tmp_path: Path) -> None:
    root = parted(tree, tmp_path / "parted")
    shutil.rmtree(root / "val" / "cat")
    loaded = load_class_folders(root)
    assert loaded.val is not None
    assert loaded.val.class_names == loaded.train.class_names
    assert set(loaded.val.require_labels().tolist()) == {1}


def odd_tree(root: Path, picture: Callable[..., Path]) -> Path:
    for number, name in enumerate(ODD_NAMES):
        for index in range(2):
            picture(root / name / f"{index}.png", 10 * number + index)
    return root


def labels_by_id(loaded: LoadedData) -> dict[str, str]:
    images = loaded.train
    return {
        one: images.class_names[label] for one, label in zip(images.ids, images.require_labels(), strict=True)
    }


def test_labels_with_commas_quotes_and_emoji_are_kept(tmp_path: Path, picture: Callable[..., Path]) -> None:
    loaded = load_class_folders(odd_tree(tmp_path / "odd", picture))
    assert set(loaded.train.class_names) == {printable(name) for name in ODD_NAMES}
    assert "🐈‍⬛" in loaded.train.class_names
    assert json.loads(json.dumps(loaded.train.class_names)) == list(loaded.train.class_names)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_table_gives_odd_labels_as_the_folders_do(
    tmp_path: Path, picture: Callable[..., Path], ending: str
) -> None:
    root = odd_tree(tmp_path / "odd", picture)
    rows = [(path.relative_to(root).as_posix(), path.parent.name) for path in sorted(root.rglob("*.png"))]
    table = root / f"list.{ending}"
    with table.open("w", newline="", encoding="utf-8") as stream:
        if ending == "csv":
            csv.writer(stream).writerows([("path", "label"), *rows])
        else:
            stream.writelines(json.dumps({"path": path, "label": label}) + "\n" for path, label in rows)
    assert labels_by_id(load_manifest(table)) == labels_by_id(load_class_folders(root))


def test_a_class_folder_that_is_not_utf8_gets_a_printable_name(
    tree: Path, picture: Callable[..., Path]
) -> None:
    picture(tree / "caf\udce9" / "a.png", 8)
    images = load_class_folders(tree).train
    assert images.class_names == ("caf\\xe9", "cat", "dog")
    assert "caf\\xe9/a.png" in images.ids
    assert all(text.isprintable() for text in images.ids)


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("plain né 👩‍🚀.jpg", "plain né 👩‍🚀.jpg"),
        ("\udce9\udcff.jpg", "\\xe9\\xff.jpg"),
        ("a\nb\x1b[31m", "a\\x0ab\\x1b[31m"),
        ("\ud800", "\\ud800"),
        ("a\u2028b", "a\\u2028b"),
        ("back\\slash", "back\\slash"),
    ],
)
def test_names_are_made_printable(name: str, wanted: str) -> None:
    assert printable(name) == wanted
    assert printable(wanted) == wanted


def tagged(tree: Path, tags: dict[str, tuple[int, ...]], parts: dict[str, str] | None = None) -> LoadedData:
    entries = [
        Entry(tree / name, name, -1, (parts or {}).get(name, "train"), numbers)
        for name, numbers in tags.items()
    ]
    return assemble("pets", entries, ("cat", "dog", "indoors"), ImageSpec())


def test_entries_with_tags_give_a_set_with_tags_and_no_labels(tree: Path) -> None:
    train = tagged(tree, {"cat/0.png": (0, 2), "dog/0.png": (1,), "dog/1.png": ()}).train
    assert train.labels is None
    assert train.require_tags().tolist() == [[True, False, True], [False, True, False], [False] * 3]


def test_every_part_has_its_own_tags(tree: Path) -> None:
    loaded = tagged(
        tree,
        {"cat/0.png": (0,), "cat/1.png": (0, 1), "dog/0.png": (0, 1)},
        {"cat/0.png": "test", "dog/0.png": "val"},
    )
    assert [
        (part, images.ids, images.require_tags()[:, :2].tolist()) for part, images in loaded.parts.items()
    ] == [
        ("train", ("cat/1.png",), [[True, True]]),
        ("val", ("dog/0.png",), [[True, True]]),
        ("test", ("cat/0.png",), [[True, False]]),
    ]


def test_a_tag_that_training_lacks_is_refused(tree: Path) -> None:
    with pytest.raises(DataError, match="class 'indoors' of the test part is not among the training classes"):
        tagged(tree, {"cat/0.png": (0,), "dog/0.png": (1,), "dog/1.png": (1, 2)}, {"dog/1.png": "test"})


def test_a_tag_of_which_nothing_can_be_read_is_refused(tree: Path) -> None:
    (tree / "dog" / "1.png").write_bytes(b"")
    with pytest.raises(
        DataError,
        match=r"class 'indoors': none of its pictures could be read, the first is .*dog/1.png: empty file",
    ):
        tagged(tree, {"cat/0.png": (0,), "dog/0.png": (1,), "dog/1.png": (0, 1, 2)})


def test_tags_and_single_labels_are_not_mixed(tree: Path) -> None:
    entries = [Entry(tree / "cat" / "0.png", "a", 0), Entry(tree / "dog" / "0.png", "b", -1, tags=(1,))]
    with pytest.raises(DataError, match="b has a list of tags and a has one label: expected one kind"):
        assemble("pets", entries, ("cat", "dog"), ImageSpec())


def sized(root: Path, picture: Callable[..., Path], sizes: list[tuple[int, int]]) -> Path:
    for number, size in enumerate(sizes):
        picture(root / "cat" / f"{number}.png", number, size)
        picture(root / "dog" / f"{number}.png", 100 + number, size)
    return root


@pytest.mark.parametrize(
    "sizes, largest, wanted",
    [
        ([(150, 200), (180, 160), (300, 170)], None, (96, 96)),
        ([(150, 200), (180, 160), (300, 170)], 224, (160, 160)),
        ([(150, 200), (180, 160), (300, 170)], 100, (100, 100)),
        ([(40, 50), (50, 30), (60, 45)], 224, (40, 40)),
        ([(120, 130)] * 2, None, (120, 130)),
        ([(120, 130)] * 2, 64, (64, 64)),
        ([(120, 130)] * 2, 120, (120, 130)),
        ([(20, 130)] * 2, 64, (20, 20)),
        ([(28, 28)] * 2, 224, (28, 28)),
    ],
)
def test_the_largest_side_bounds_the_common_size(
    tmp_path: Path,
    picture: Callable[..., Path],
    sizes: list[tuple[int, int]],
    largest: int | None,
    wanted: tuple[int, int],
) -> None:
    loaded = load_class_folders(sized(tmp_path / "sized", picture, sizes), ImageSpec(largest_side=largest))
    assert loaded.train.image_shape == (*wanted, 3)
    resized = any(size != wanted for size in sizes)
    assert any(f"resized to {wanted[0]}x{wanted[1]}" in note for note in loaded.notes) == resized


def test_a_common_size_above_the_largest_side_says_why(tmp_path: Path, picture: Callable[..., Path]) -> None:
    loaded = load_class_folders(
        sized(tmp_path / "sized", picture, [(120, 130)] * 2), ImageSpec(largest_side=64)
    )
    assert loaded.notes[0].startswith("4 pictures of 120x130 are larger than 64x64: resized to 64x64")


@pytest.mark.parametrize("side", [0, -3])
def test_a_largest_side_below_one_pixel_is_refused(side: int) -> None:
    with pytest.raises(DataError, match="largest_side: expected at least 1 pixel"):
        ImageSpec(largest_side=side)
