"""Dark, glaring, blurred, plain and odd-sized pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from lightfast.curate.flaws import (
    PictureStatistics,
    blur_effect,
    file_sizes,
    find_flaws,
    picture_statistics,
    robust_deviations,
)


def sharp(count: int, side: int = 40, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def slow_blur_effect(grey: np.ndarray) -> float:
    """One picture, after the paper's formulas, by loops."""
    worst = 0.0
    for picture in (grey, grey.T):
        padded = np.pad(picture, ((4, 4), (0, 0)), mode="edge")
        blurred = np.array([padded[row : row + 9].mean(axis=0) for row in range(len(picture))])
        whole = lost = 0.0
        for row in range(1, len(picture)):
            for column in range(picture.shape[1]):
                one = abs(picture[row, column] - picture[row - 1, column])
                other = abs(blurred[row, column] - blurred[row - 1, column])
                whole, lost = whole + one, lost + max(0.0, one - other)
        worst = max(worst, (whole - lost) / whole)
    return worst


def test_blur_effect_is_that_of_the_formula():
    grey = gaussian_filter(np.random.default_rng(3).random((2, 20, 17)), (0, 1, 2))
    expected = [slow_blur_effect(picture) for picture in grey]
    np.testing.assert_allclose(blur_effect(grey.astype(np.float32)), expected, rtol=1e-4)


def test_a_blurred_picture_has_a_larger_blur_effect():
    grey = np.random.default_rng(4).random((1, 40, 40)).astype(np.float32)
    assert blur_effect(gaussian_filter(grey, (0, 3, 3)))[0] > blur_effect(grey)[0] + 0.3


def test_a_plain_picture_is_not_blurred():
    assert blur_effect(np.full((1, 30, 30), 0.5, dtype=np.float32))[0] == 0


def test_each_flaw_is_found_where_it_was_planted():
    images = sharp(60)
    images[3] = images[3] // 6
    images[7] = 195 + images[7] // 5
    images[11] = 90
    images[20] = np.clip(gaussian_filter(sharp(1, seed=9)[0].astype(float), (5, 5, 0)) * 4 - 380, 0, 255)
    found = {(one.row, one.kind) for one in find_flaws(picture_statistics(images))}
    assert found == {(3, "dark"), (7, "glaring"), (11, "plain"), (20, "blurred")}


def test_a_set_that_is_soft_throughout_has_no_blurred_pictures():
    soft = [gaussian_filter(one.astype(float), (5, 5, 0)) * 4 - 380 for one in sharp(30)]
    statistics = picture_statistics(np.clip(soft, 0, 255).astype(np.uint8))
    assert np.median(statistics.blur) > 0.6
    assert [one for one in find_flaws(statistics) if one.kind == "blurred"] == []


def test_lightest_and_darkest_are_hundredths():
    picture = np.zeros((1, 10, 20, 1), dtype=np.uint8)
    picture[0, :, 10:] = 255
    found = picture_statistics(picture)
    assert (found.darkest[0], found.lightest[0]) == (0, 1)
    assert found.spread[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    "size, odd", [((60, 80), False), ((120, 90), False), ((100, 900), True), ((20, 26), True)]
)
def test_odd_sizes_are_those_that_few_others_have(size, odd):
    sizes = np.array([(90, 120)] * 20 + [size])
    blank = np.full(21, 0.3, dtype=np.float32)
    found = find_flaws(PictureStatistics(blank + 0.5, blank, blank, blank, sizes))
    assert [(one.row, one.kind) for one in found] == [(20, "odd size")] * odd


def test_sizes_come_from_the_files_and_are_unknown_elsewhere(tmp_path):
    Image.new("RGB", (7, 5)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    assert file_sizes(tmp_path, ["a.png", "b.png", "gone.png"]).tolist() == [[5, 7], [0, 0], [0, 0]]
    assert file_sizes(tmp_path, ["gone.png"]) is None


def test_deviations_of_equal_values_are_nothing():
    assert robust_deviations(np.full(9, 3.0)).tolist() == [0.0] * 9
