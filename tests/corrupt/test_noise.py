"""Noise against the distributions that it claims."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lightfast.corrupt.noise import (
    Impulses,
    Photons,
    Spread,
    gaussian_noise,
    impulse_noise,
    shot_noise,
    speckle_noise,
)


def flat(level: int, count: int = 200_000) -> np.ndarray:
    return np.full((1, count // 100, 100, 1), level, np.uint8)


def test_gaussian_noise_is_normal_noise_rounded_to_levels():
    noisy = gaussian_noise(flat(100), Spread(0.18), np.random.default_rng(0)).ravel()
    found = np.cumsum(np.bincount(noisy, minlength=256))[:255] / noisy.size
    expected = stats.norm.cdf((np.arange(255) + 0.5 - 100) / (255 * 0.18))
    # Kolmogorov's bound at one in a thousand.
    assert np.abs(found - expected).max() < 1.95 / np.sqrt(noisy.size)


def test_gaussian_noise_keeps_the_tails_up_to_four_sigma():
    noise = gaussian_noise(flat(127, 2_000_000), Spread(0.04), np.random.default_rng(0)).astype(int) - 127
    assert [noise.min(), noise.max()] == pytest.approx([-4.3 * 0.04 * 255, 4.3 * 0.04 * 255], abs=3)


def test_speckle_noise_grows_with_the_value():
    spreads = [
        speckle_noise(
            np.full((1, 2000, 100, 1), level, np.float32), Spread(0.35), np.random.default_rng(0)
        ).std()
        for level in (0, 0.25, 1)
    ]
    assert spreads == pytest.approx([0, 0.0875, 0.35], rel=0.01)


@pytest.mark.parametrize("photons, level", [(3, 255), (3, 60), (5, 128), (60, 20), (500, 200)])
def test_shot_noise_counts_like_poisson(photons, level):
    counts = shot_noise(flat(level), Photons(photons), np.random.default_rng(0)) * (photons / 255)
    drawn = np.minimum(np.random.default_rng(1).poisson(level / 255 * photons, counts.size), photons)
    assert counts.mean() == pytest.approx(drawn.mean(), rel=0.01)
    assert counts.std() == pytest.approx(drawn.std(), rel=0.01)


def test_shot_noise_frequencies_are_those_of_poisson():
    counts = np.rint(shot_noise(flat(100), Photons(5), np.random.default_rng(0)) / 51).astype(int)
    expected = stats.poisson.pmf(np.arange(5), 5 * 100 / 255)
    assert np.bincount(counts.ravel())[:5] / counts.size == pytest.approx(expected, abs=0.005)


def test_shot_noise_leaves_black_black():
    assert not shot_noise(flat(0), Photons(3), np.random.default_rng(0)).any()


def test_impulses_are_half_salt_half_pepper():
    noisy = impulse_noise(flat(127), Impulses(0.17), np.random.default_rng(0))
    shares = [(noisy == value).mean() for value in (0, 127, 255)]
    assert shares == pytest.approx([0.085, 0.83, 0.085], abs=0.003)
