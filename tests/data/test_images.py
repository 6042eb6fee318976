"""`ImageSet.relabel`: the next version of the labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightfast.base.errors import DataError, UnknownName
from lightfast.data.images import ImageSet

NAMES = ("cat", "dog", "fox")
PICTURES = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
STEP = {"verb": "relabel", "reviewer": "Ada"}


def pets() -> ImageSet:
    return ImageSet(PICTURES, NAMES, np.array([0, 1, 2, 0, 1, 2]), name="pets", groups=np.arange(6))


@given(st.dictionaries(st.integers(0, 5), st.sampled_from(NAMES)))
def test_what_is_named_changes_and_nothing_else(labels):
    before = pets()
    after = before.relabel(labels, step=STEP)
    wanted = [labels.get(row, NAMES[label]) for row, label in enumerate(before.require_labels())]
    assert [NAMES[label] for label in after.require_labels()] == wanted
    assert (after.parent, after.history) == (before.version, (STEP,))
    assert (after.ids, after.class_names, after.content_hashes) == (before.ids, NAMES, before.content_hashes)
    assert after.images is before.images
    assert before.require_labels().tolist() == [0, 1, 2, 0, 1, 2]
    by_id = {before.ids[row]: label for row, label in labels.items()}
    assert before.relabel(by_id, step=STEP).version == after.version
    assert (after.version == before.version) == np.array_equal(after.labels, before.labels)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"pets/9": "cat"}, "no pictures with the id 'pets/9'"),
        ({6: "cat"}, "row 6"),
        ({-1: "cat"}, "row -1"),
        ({0: None}, "no label for 'pets/0'.*Leave the picture out"),
    ],
)
def test_what_cannot_be_relabelled_is_named(labels, said):
    with pytest.raises(DataError, match=said):
        pets().relabel(labels, step=STEP)


def test_a_name_that_is_no_class_is_refused_with_the_closest():
    with pytest.raises(UnknownName, match=r"'pets/1'.*'dgo'.*Did you mean dog"):
        pets().relabel({1: "dgo"}, step=STEP)


def test_an_id_of_two_pictures_needs_a_row():
    twice = replace(pets(), ids=("a", "a", "b", "c", "d", "e"))
    with pytest.raises(DataError, match=r"2 pictures with the id 'a'.*give rows"):
        twice.relabel({"a": "cat"}, step=STEP)
    assert twice.relabel({1: "fox"}, step=STEP).require_labels()[1] == 2


def test_pictures_without_labels_cannot_be_relabelled():
    with pytest.raises(DataError, match="has no labels"):
        replace(pets(), labels=None).relabel({0: "cat"}, step=STEP)
