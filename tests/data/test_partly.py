"""Pictures of which some are labelled: folders, tables and arrays as people leave them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import DataError, UnknownName
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.data.partly import UNLABELLED, load_partly, without_labels


def draw(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 16, 3), value, np.uint8)).save(path)
    return path


def said(found) -> dict[str, str | None]:
    names = (*found.class_names, None)
    return {one: names[label] for one, label in zip(found.data.train.ids, found.labels.tolist(), strict=True)}


def test_class_folders_are_labelled_and_what_lies_beside_them_is_not(tmp_path):
    for number, name in enumerate(("cat/a.png", "dog/b.png", "unsorted/c.png", "todo/e/d.png", "f.png")):
        draw(tmp_path / name, 40 * number)
    found = load_partly(str(tmp_path))
    expected = {"cat/a.png": "cat", "dog/b.png": "dog", "unsorted/c.png": None, "todo/e/d.png": None}
    assert said(found) == expected | {"f.png": None}


def test_a_folder_of_bare_pictures_has_no_labels(tmp_path):
    for number in range(3):
        draw(tmp_path / f"{number}.png", 60 * number)
    found = load_partly(str(tmp_path))
    assert (found.labels == UNLABELLED).all()
    assert found.class_names == ()
    assert found.data.train.labels is None


def test_unreadable_files_are_named_and_the_labels_stay_with_their_pictures(tmp_path):
    draw(tmp_path / "cat/b.png", 10), draw(tmp_path / "dog/c.png", 90), draw(tmp_path / "d.png", 200)
    (tmp_path / "cat/a.png").write_bytes(b"\x89PNG broken")
    found = load_partly(str(tmp_path))
    assert said(found) == {"cat/b.png": "cat", "dog/c.png": "dog", "d.png": None}
    assert [Path(one.path).name for one in found.data.unreadable] == ["a.png"]


@pytest.mark.parametrize("empty", ["", "nan", " "])
def test_an_empty_cell_is_no_label(tmp_path, empty):
    for number in range(3):
        draw(tmp_path / f"{number}.png", 60 * number)
    table = tmp_path / "pictures.csv"
    table.write_text(f"path,label\n0.png,cat\n1.png,{empty}\n2.png,dog\n")
    assert said(load_partly(str(table))) == {"0.png": "cat", "1.png": None, "2.png": "dog"}


def test_a_table_without_labels_and_one_of_nothing_but_empty_cells_are_unlabelled(tmp_path):
    draw(tmp_path / "0.png", 3), draw(tmp_path / "1.png", 99)
    for number, text in enumerate(("path\n0.png\n1.png\n", "path,label\n0.png,\n1.png,\n")):
        table = tmp_path / f"{number}.csv"
        table.write_text(text)
        assert (load_partly(str(table)).labels == UNLABELLED).all()


def test_metadata_in_the_folder_gives_the_labels(tmp_path):
    for number in range(3):
        draw(tmp_path / f"{number}.png", 60 * number)
    (tmp_path / "metadata.csv").write_text("file_name,label\n0.png,cat\n1.png,\n2.png,dog\n")
    assert said(load_partly(str(tmp_path))) == {"0.png": "cat", "1.png": None, "2.png": "dog"}


def test_two_labels_for_one_file_and_several_labels_are_refused(tmp_path):
    draw(tmp_path / "0.png", 3)
    table = tmp_path / "t.csv"
    table.write_text("path,label\n0.png,cat\n0.png,dog\n")
    with pytest.raises(DataError, match=r"'cat' and 'dog'"):
        load_partly(str(table))
    table.write_text("path,cat,dog\n0.png,1,1\n")
    with pytest.raises(DataError, match="several labels a picture"):
        load_partly(str(table))


def test_arrays_without_labels_or_with_minus_one_are_read(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3)).astype(np.uint8)
    np.savez(tmp_path / "bare.npz", images=images)
    np.savez(tmp_path / "some.npz", images=images, labels=np.array([0, -1, 2, -1]))
    assert (load_partly(str(tmp_path / "bare.npz")).labels == UNLABELLED).all()
    some = load_partly(str(tmp_path / "some.npz"))
    assert some.labels.tolist() == [0, -1, 2, -1]
    assert some.class_names == ("0", "1", "2")


def test_a_labelled_source_is_all_labelled_unless_that_is_to_be_forgotten(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3)).astype(np.uint8)
    path = save_npz(tmp_path / "all.npz", ImageSet(images, ("a", "b"), np.array([0, 1, 0, 1])))
    found = load_partly(str(path))
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert (without_labels(found).labels == UNLABELLED).all()


def test_labels_get_the_numbers_of_the_run_and_classes_that_it_does_not_know_are_refused(tmp_path):
    for number, name in enumerate(("cat/a.png", "dog/b.png", "c.png")):
        draw(tmp_path / name, 50 * number)
    assert load_partly(str(tmp_path), known=("dog", "eel", "cat")).class_names == ("dog", "eel", "cat")
    assert sorted(load_partly(str(tmp_path), known=("dog", "eel", "cat")).labels.tolist()) == [-1, 0, 2]
    with pytest.raises(UnknownName, match="dog"):
        load_partly(str(tmp_path), known=("cat", "eel"))


def test_folders_that_are_no_classes_of_the_run_are_albums(tmp_path):
    draw(tmp_path / "holiday/a.png", 5), draw(tmp_path / "garden/b.png", 90)
    found = load_partly(str(tmp_path), known=("cat", "dog"))
    assert (found.labels == UNLABELLED).all()
    assert any("no folder is called after a class of the run" in note for note in found.data.notes)


def test_a_single_file_and_a_source_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(DataError, match="no pool of pictures"):
        load_partly(str(draw(tmp_path / "a.png", 3)))
    with pytest.raises(DataError, match="no such file or folder"):
        load_partly(str(tmp_path / "nothing"))
