"""Decisions over a set: later ones win, and what fits no picture is named."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import UnknownName
from lightfast.data.decisions import Decision
from lightfast.data.images import ImageSet
from lightfast.data.replay import misplaced, replay


@pytest.fixture
def pictures() -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 3, 1), dtype=np.uint8)
    return ImageSet(pixels, ("cat", "dog", "owl"), np.array([0, 1, 2, 0]), ("a", "b", "c", "d"))


def _said(pictures: ImageSet, name: str, label: str | None, by: str = "ada", given: str | None = None):
    content = pictures.content_hashes[pictures.ids.index(name)]
    return Decision.of((name, content), (given, label), reviewer=by)


def test_the_next_version_has_the_decided_labels_and_its_parent(pictures: ImageSet):
    found = replay(pictures, [_said(pictures, "a", "dog")])
    assert found.images.require_labels().tolist() == [1, 1, 2, 0]
    assert (found.changed, found.images.parent) == (("a",), pictures.version)


def test_later_decisions_win_and_without_one_the_earlier_holds(pictures: ImageSet):
    said = [_said(pictures, "a", "dog"), _said(pictures, "a", "owl")]
    assert replay(pictures, said).images.require_labels()[0] == 2
    assert replay(pictures, said[:1]).images.require_labels()[0] == 1


def test_people_who_disagree_are_listed_in_the_order_of_their_last_word(pictures: ImageSet):
    said = [_said(pictures, "a", "dog"), _said(pictures, "a", "owl", "bob"), _said(pictures, "a", "cat")]
    (conflict,) = replay(pictures, said).conflicts
    assert conflict.said == (("bob", "owl"), ("ada", "cat"))


def test_somebody_who_came_to_agree_is_no_conflict(pictures: ImageSet):
    said = [_said(pictures, "a", "dog"), _said(pictures, "a", "owl", "bob"), _said(pictures, "a", "owl")]
    assert replay(pictures, said).conflicts == ()


def test_not_this_leaves_the_picture_out_of_its_class(pictures: ImageSet):
    found = replay(pictures, [_said(pictures, "d", None)])
    assert (found.images.ids, found.negatives) == (("a", "b", "c"), (("d", "cat"),))


def test_every_not_this_since_the_last_label_counts(pictures: ImageSet):
    said = [_said(pictures, "d", None), _said(pictures, "d", None, "bob", "dog")]
    found = replay(pictures, said)
    assert found.images.require_labels()[3] == 2  # neither cat nor dog: owl
    again = replay(pictures, [_said(pictures, "d", None), _said(pictures, "d", "dog"), said[1]])
    assert again.negatives == (("d", "dog"),)


def test_what_is_ruled_out_goes_beside_the_next_version(pictures: ImageSet):
    ruled_out = replay(pictures, [_said(pictures, "d", None)]).ruled_out
    assert ruled_out is not None
    assert (ruled_out.images.ids, ruled_out.classes.tolist()) == (("d",), [[True, False, False]])
    assert (ruled_out.images.images[0] == pictures.images[3]).all()
    assert replay(pictures, [_said(pictures, "d", "cat")]).ruled_out is None


def test_not_this_of_two_is_the_other(pictures: ImageSet):
    two = ImageSet(pictures.images, ("cat", "dog"), np.array([0, 1, 1, 0]), pictures.ids)
    assert replay(two, [_said(two, "a", None)]).images.require_labels().tolist() == [1, 1, 1, 0]


def test_a_label_that_a_person_left_is_counted_and_changes_nothing(pictures: ImageSet):
    found = replay(pictures, [_said(pictures, "a", "cat")])
    assert (found.agreed, found.images.version) == (1, pictures.version)


def test_pictures_that_are_gone_or_changed_are_named(pictures: ImageSet):
    gone = Decision.of(("z", "00"), (None, "cat"), reviewer="ada")
    changed = Decision.of(("b", "00"), (None, "cat"), reviewer="ada")
    found = misplaced([pictures], [gone, changed, _said(pictures, "a", "dog")])
    assert found == (("z", "there is no such picture now"), ("b", "its pixels are others now"))
    assert replay(pictures, [gone, changed]).changed == ()


def test_a_picture_that_is_known_for_what_it_is_not_is_sent_to_the_version_before(pictures: ImageSet):
    next_version = replay(pictures, [_said(pictures, "a", None, given="cat")])
    assert "a" not in next_version.images.ids
    ((name, why),) = misplaced([next_version.images], [_said(pictures, "a", "dog")], next_version.ruled_out)
    assert name == "a"
    assert "the version before" in why


def test_a_label_that_is_no_class_is_refused(pictures: ImageSet):
    with pytest.raises(UnknownName, match="cow"):
        replay(pictures, [_said(pictures, "a", "cow")])
