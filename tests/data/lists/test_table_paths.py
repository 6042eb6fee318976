"""Paths in tables as other systems and earlier places had them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from lightfast.base.errors import DataError
from lightfast.data.dataset import TableOptions
from lightfast.data.ingest import load_splits
from lightfast.data.lists.listing import picture_entries
from lightfast.data.lists.manifest import load_manifest

NAMES = [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(3)]


def table(folder: Path, paths: list[str]) -> Path:
    lines = [f"{path},{name[:3]}" for path, name in zip(paths, NAMES, strict=True)]
    (folder / "list.csv").write_text("\n".join(["path,label", *lines]), encoding="utf-8")
    return folder / "list.csv"


@pytest.mark.parametrize(
    "written",
    [
        lambda name: name.replace("/", "\\"),
        lambda name: "C:\\Users\\me\\" + name.replace("/", "\\"),
        lambda name: f"/old/place/{name}",
        lambda name: f"file:///old/my%20pictures/{name}",
        lambda name: name.removesuffix(".png"),
        lambda name: name.replace(".png", ".PNG"),
        lambda name: name.upper(),
        lambda name: f"./{name}".replace("cat", "Cat"),
    ],
)
def test_paths_of_other_systems_and_places_are_read_and_said(
    tree: Path, written: Callable[[str], str]
) -> None:
    path = table(tree, list(map(written, NAMES)))
    loaded = load_manifest(path)
    assert (len(loaded.train), loaded.unreadable) == (6, ())
    assert any("path(s) in" in note and "as cat/0.png" in note for note in loaded.notes)
    assert len(picture_entries([str(path)]).entries) == 6


def test_a_folder_that_the_table_leaves_out_is_found(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    tree.rename(tmp_path / "set" / "images")
    loaded = load_manifest(table(tmp_path / "set", NAMES))
    assert (len(loaded.train), loaded.unreadable) == (6, ())


def test_unicode_is_compared_in_one_form(tmp_path: Path, picture: Callable[..., Path]) -> None:
    names = [unicodedata.normalize("NFD", f"K\u00e4fer{number}.png") for number in range(6)]
    for number, name in enumerate(names):
        picture(tmp_path / name, number)
    loaded = load_manifest(table(tmp_path, [unicodedata.normalize("NFC", name) for name in names]))
    assert (len(loaded.train), loaded.unreadable) == (6, ())


def test_a_file_that_is_gone_is_not_replaced_by_a_neighbour(tree: Path) -> None:
    (tree / "cat" / "1.png").unlink()
    loaded = load_manifest(table(tree, NAMES))
    assert [Path(one.path).parts[-2:] for one in loaded.unreadable] == [("cat", "1.png")]
    (tree / "old").mkdir()
    (tree / "dog" / "2.png").rename(tree / "old" / "2.png")
    assert len(load_manifest(table(tree, NAMES)).unreadable) == 2


def test_two_files_that_fit_are_not_chosen_among(tree: Path) -> None:
    for path in tree.rglob("*.png"):
        (path.with_suffix(".jpg")).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="no such file"):
        load_manifest(table(tree, [name.removesuffix(".png") for name in NAMES]))


def test_a_root_elsewhere(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    for paths in (NAMES, [f"D:\\old\\{name}" for name in NAMES]):
        path = table(tmp_path / "tables", paths)
        with pytest.raises(DataError, match="Give the folder that its paths start at: `root=FOLDER`"):
            load_splits(path)
        assert len(load_splits(path, tables=TableOptions(root=tree)).train) == 6
    with pytest.raises(DataError, match=r"`root`.*expected a folder"):
        load_splits(path, tables=TableOptions(root=tree / "nothing"))
