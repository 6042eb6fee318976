from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.explain.difference import (
    centre_of_mass,
    difference,
    grey_differences,
    map_change,
    rank_correlation,
    top_change,
)


def pictures(*, spot: int, shape=(2, 20, 20, 3)):
    """Grey pictures, and the same with a square of 5 × 5 pixels changed by `spot` levels in one channel."""
    before = np.full(shape, 100, np.uint8)
    after = before.copy()
    after[0, 3:8, 3:8, 1] = 100 + spot
    return before, after


@pytest.mark.parametrize("spot", [-100, -3, 1, 155])
def test_the_map_is_bright_where_the_picture_changed_whatever_the_sign_and_size(spot):
    found = difference(*pictures(spot=spot))
    wanted = np.zeros((20, 20), np.float32)
    wanted[3:8, 3:8] = 1
    assert np.array_equal(found.maps[0], wanted)
    assert found.largest[0] == abs(spot)
    assert found.mean[0] == pytest.approx(abs(spot) * 25 / 1200)


def test_the_plain_difference_is_grey_and_multiplied_by_the_factor_it_names():
    before, after = pictures(spot=-90)
    grey, factors = grey_differences(before, after)
    assert grey.shape == (2, 20, 20, 1)
    # 90 levels in one channel of three are 30 in the mean; eight times that is the most below 256.
    assert factors.tolist() == [8, 128]
    assert grey[0, 5, 5, 0] == 240
    assert not grey[1].any()


def test_a_difference_that_fills_the_scale_is_left_as_it_is():
    before, after = np.zeros((2, 1, 2, 2, 3), np.uint8)
    after[0, 0, 0] = 255
    grey, factors = grey_differences(before, after)
    assert (factors[0], grey[0, 0, 0, 0], grey[0, 1, 1, 0]) == (1, 255, 0)


def test_equal_pictures_give_an_empty_map():
    found = difference(*pictures(spot=50))
    assert not found.maps[1].any()
    assert found.largest[1] == found.mean[1] == found.shown[1] == 0


def test_one_odd_pixel_does_not_darken_the_rest():
    before, after = pictures(spot=20, shape=(1, 20, 20, 3))
    after[0, 19, 19] = 255
    found = difference(before, after)
    assert found.maps[0, 5, 5] == pytest.approx(1)
    assert (found.largest[0], found.shown[0]) == (155, 20)


def test_a_single_changed_pixel_is_still_seen():
    before = np.zeros((1, 100, 100, 1), np.uint8)
    after = before.copy()
    after[0, 7, 9] = 2
    assert np.argwhere(difference(before, after).maps[0] == 1).tolist() == [[7, 9]]


def test_pictures_of_another_size_or_type_are_refused():
    before, after = pictures(spot=1)
    with pytest.raises(DataError, match="same shape"):
        difference(before, after[:, :10])
    with pytest.raises(DataError, match="float32"):
        difference(before, after.astype(np.float32))


def test_rank_correlation_agrees_with_scipy():
    rng = generator(0, "maps")
    first = rng.integers(0, 5, (6, 9, 7)).astype(np.float32)
    second = first + rng.normal(scale=3, size=first.shape)
    theirs = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(first, second, strict=True)]
    assert rank_correlation(first, second) == pytest.approx(theirs, abs=1e-12)


def test_a_flat_map_has_no_rank_correlation():
    ramp = np.arange(20, dtype=np.float64).reshape(1, 4, 5)
    found = rank_correlation(np.concatenate([ramp, ramp]), np.concatenate([-ramp, np.full_like(ramp, 0.3)]))
    assert found[0] == pytest.approx(-1)
    assert np.isnan(found[1])


def test_maps_of_another_shape_and_broken_maps_are_refused():
    with pytest.raises(DataError, match="same shape"):
        rank_correlation(np.zeros((1, 4, 4)), np.zeros((1, 4, 5)))
    with pytest.raises(DataError, match="finite"):
        rank_correlation(np.full((1, 2, 2), np.nan), np.zeros((1, 2, 2)))


def test_the_centre_of_mass_is_that_of_the_positive_values():
    maps = np.zeros((2, 6, 8))
    maps[0, 1, 2], maps[0, 3, 2], maps[0, 5, 7] = 1, 3, -50
    maps[1, 2, 2] = -1
    found = centre_of_mass(maps)
    assert found[0].tolist() == [2.5, 2.0]
    assert np.isnan(found[1]).all()


def test_a_moved_spot_gives_its_shift():
    before, after = np.zeros((1, 10, 10)), np.zeros((1, 10, 10))
    before[0, 2, 2] = after[0, 5, 6] = 1
    change = map_change(before, after)
    assert change.shift.tolist() == [[3.0, 4.0]]
    assert change.distance.tolist() == [5.0]
    assert change.correlation[0] < 0


def test_what_is_not_defined_is_none_in_json():
    shown = json.loads(
        json.dumps(as_json(map_change(np.zeros((1, 3, 3)), np.ones((1, 3, 3)))), allow_nan=False)
    )
    assert shown == {"n": 1, "correlation": [None], "distance": [None], "shift": [[None, None]]}


def test_the_json_of_a_difference_is_plain():
    shown = json.loads(json.dumps(as_json(difference(*pictures(spot=10))), allow_nan=False))
    assert (shown["n"], shown["largest"]) == (2, [10.0, 0.0])


def test_top_three_before_and_after():
    before = np.array([[0.5, 0.3, 0.1, 0.1, 0.0], [0.9, 0.1, 0.0, 0.0, 0.0]])
    after = np.array([[0.3, 0.1, 0.0, 0.1, 0.5], [0.8, 0.2, 0.0, 0.0, 0.0]])
    first, second = top_change(before, after, "abcde")
    assert first.before == (("a", 0.5), ("b", 0.3), ("c", 0.1))
    assert first.after == (("e", 0.5), ("a", 0.3), ("b", 0.1))
    assert (first.changed, first.entered, first.left) == (True, ("e",), ("c",))
    assert (second.changed, second.entered, second.left) == (False, (), ())
    assert json.loads(json.dumps(as_json(first)))["after"][0] == ["e", 0.5]


def test_two_classes_have_a_top_two():
    (change,) = top_change(np.array([[0.2, 0.8]]), np.array([[0.6, 0.4]]), ("no", "yes"))
    assert [name for name, _ in change.after] == ["no", "yes"]


def test_probabilities_of_another_class_list_are_refused():
    with pytest.raises(DataError, match="probabilities"):
        top_change(np.zeros((1, 2)), np.zeros((1, 2)), "abc")
    with pytest.raises(SettingsError, match="at least 1"):
        top_change(np.zeros((1, 3)), np.zeros((1, 3)), "abc", k=0)
