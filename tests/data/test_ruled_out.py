"""Pictures known only for what they are not: checked, read, and kept from what is tested on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.data.dataset import LoadedData
from lightfast.data.duplicates.kept_apart import with_ruled_out
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.data.ingest import load_splits
from lightfast.data.ruled_out import RuledOut, not_these
from lightfast.data.splits import split_loaded
from lightfast.train.not_these import checked_ruled_out


def _pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 12, 12, 3), dtype=np.uint8)


def test_a_row_leaves_one_class():
    with pytest.raises(DataError, match="not all of them"):
        RuledOut(ImageSet(_pixels(1)), np.array([[True, True, True]]))


def test_a_row_may_rule_out_nothing():
    found = RuledOut(ImageSet(_pixels(2)), np.array([[False, False], [True, False]]))
    assert found.says_something.tolist() == [False, True]


def test_pairs_of_one_picture_are_put_together_and_what_says_nothing_is_counted():
    pairs = [("a", "cat"), ("a", "owl"), ("b", "cow"), ("c", "dog"), ("c", "cat"), ("c", "owl")]
    found, (note,) = not_these(pairs, ("cat", "dog", "owl"))
    assert {name: row.tolist() for name, row in found.items()} == {"a": [True, False, True]}
    assert note.startswith("2 picture(s)")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two pictures a class, one that is no cat, one that is neither cat nor owl, one of the test part."""
    for number, pixels in enumerate(_pixels(9)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    rows = [f"{number}.png,{name},train," for number, name in enumerate(("cat", "dog", "owl") * 2)]
    rows += ["6.png,,train,cat", "7.png,,train,cat", "7.png,,train,owl", "8.png,,test,cat", "5.png,owl,test,"]
    (tmp_path / "data.csv").write_text("\n".join(["path,label,split,not_label", *rows[:-2], rows[-2]]))
    return tmp_path / "data.csv"


def test_a_table_says_what_pictures_are_not(table: Path):
    loaded = load_splits(table)
    assert (len(loaded.train), loaded.train.class_names) == (6, ("cat", "dog", "owl"))
    beside = loaded.ruled_out
    assert beside is not None
    assert [Path(name).name for name in beside.images.ids] == ["6.png", "7.png"]
    assert beside.classes.tolist() == [[True, False, False], [True, False, True]]
    assert beside.images.image_shape == loaded.train.image_shape


def test_a_table_names_pictures_without_a_label(table: Path):
    table.write_text(table.read_text().replace("6.png,,train,cat", "6.png,,unlabelled,"))
    loaded = load_splits(table)
    assert len(loaded.train) == 6
    beside = loaded.ruled_out
    assert beside is not None
    assert dict(
        zip((Path(name).name for name in beside.images.ids), beside.classes.tolist(), strict=True)
    ) == {"6.png": [False, False, False], "7.png": [True, False, True]}
    assert any("1 picture(s) without a label" in note for note in loaded.notes)


def test_an_unlabelled_picture_with_a_label_is_refused(table: Path):
    table.write_text(table.read_text().replace("0.png,cat,train,", "0.png,cat,unlabelled,"))
    with pytest.raises(DataError, match="picture 1 has a label and says that it is unlabelled"):
        load_splits(table)


def test_unlabelled_rows_of_a_table_of_several_labels_are_refused(tmp_path: Path):
    table = tmp_path / "data.csv"
    table.write_text("path,labels,split\n0.png,cat|dog,\n1.png,dog,\n2.png,,unlabelled\n")
    with pytest.raises(DataError, match="picture 3 is unlabelled"):
        load_splits(table)


def test_what_is_only_unlabelled_changes_no_training_but_that_of_few_labels(table: Path):
    table.write_text(table.read_text().replace("6.png,,train,cat", "6.png,,unlabelled,"))
    loaded = load_splits(table)
    taught = checked_ruled_out(loaded.train, loaded.ruled_out)
    assert taught is not None
    assert [Path(name).name for name in taught.images.ids] == ["7.png"]


def test_where_no_picture_without_a_label_can_be_read_the_others_are_learned_from(table: Path):
    for name in ("6.png", "7.png"):
        (table.parent / name).write_bytes(b"torn")
    loaded = load_splits(table)
    assert (len(loaded.train), loaded.ruled_out) == (6, None)
    assert any(note.startswith("2 picture(s) without a label were left out: ") for note in loaded.notes)


def test_a_label_and_a_not_label_in_one_row_are_refused(table: Path):
    table.write_text(table.read_text().replace("0.png,cat,train,", "0.png,cat,train,dog"))
    with pytest.raises(DataError, match="picture 1 has a label and says that it is not 'dog'"):
        load_splits(table)


def test_a_picture_that_another_row_gives_a_label_is_learned_by_it_alone(table: Path):
    table.write_text(f"{table.read_text()}\n0.png,,train,dog\n")
    beside = load_splits(table).ruled_out
    assert beside is not None
    assert [Path(name).name for name in beside.images.ids] == ["6.png", "7.png"]


def test_a_label_that_another_row_rules_out_is_refused(table: Path):
    table.write_text(f"{table.read_text()}\n0.png,,train,cat\n")
    with pytest.raises(DataError, match=r"0.png: one row gives the label 'cat'.*it is not 'cat'"):
        load_splits(table)


def test_what_a_picture_of_several_labels_is_not_is_refused(table: Path):
    table.write_text("path,labels,not_label\n0.png,cat|dog,\n1.png,dog,\n2.png,,cat\n")
    with pytest.raises(DataError, match="picture 3 says what it is not, in a table of several labels"):
        load_splits(table)
    table.write_text("path,labels,not_label\n0.png,cat|dog,\n1.png,dog,\n2.png,,\n")
    assert load_splits(table).train.tags is not None


def test_arrays_keep_them(tmp_path: Path):
    train = ImageSet(_pixels(6), ("cat", "dog", "owl"), np.arange(6) % 3)
    beside = RuledOut(ImageSet(_pixels(8)[6:]), np.array([[True, False, False], [False, True, True]]))
    read = load_splits(save_npz(tmp_path / "a.npz", LoadedData(train, ruled_out=beside))).ruled_out
    assert read is not None
    assert (read.classes == beside.classes).all()
    assert (read.images.images == beside.images.images).all()
    assert read.version != RuledOut(read.images, ~read.classes).version


def test_copies_of_what_is_chosen_on_or_tested_are_not_learned_from():
    images = ImageSet(_pixels(30), ("cat", "dog", "owl"), np.arange(30) % 3)
    loaded = LoadedData(images)
    splits = split_loaded(loaded)
    shown = np.concatenate([splits.test.images[:2], splits.val.images[:1], _pixels(31)[30:]])
    beside = RuledOut(ImageSet(shown), np.tile([True, False, False], (4, 1)))
    found = with_ruled_out(splits, LoadedData(images, ruled_out=beside))
    assert found.ruled_out is not None
    assert (found.ruled_out.images.images == shown[3:]).all()
    assert found.notes[-1].startswith("3 picture(s)")
