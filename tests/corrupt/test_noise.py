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


def flat(level: float, count: int = 200_000) -> np.ndarray:
    return np.full((1, count // 100, 100, 1), level, np.float32)


def test_gaussian_noise_has_its_sigma():
    noise = gaussian_noise(flat(0.5), Spread(0.18), np.random.default_rng(0)) - 0.5
    assert stats.kstest(noise.ravel() / 0.18, "norm").pvalue > 0.001


def test_speckle_noise_grows_with_the_value():
    spreads = [
        speckle_noise(flat(level), Spread(0.35), np.random.default_rng(0)).std() for level in (0, 0.25, 1)
    ]
    assert spreads == pytest.approx([0, 0.0875, 0.35], rel=0.01)


@pytest.mark.parametrize("photons, level", [(3, 255), (3, 60), (5, 128), (60, 20), (500, 200)])
def test_shot_noise_counts_like_poisson(photons, level):
    counts = shot_noise(flat(level / 255), Photons(photons), np.random.default_rng(0)) * photons
    drawn = np.minimum(np.random.default_rng(1).poisson(level / 255 * photons, counts.size), photons)
    assert counts.mean() == pytest.approx(drawn.mean(), rel=0.01)
    assert counts.std() == pytest.approx(drawn.std(), rel=0.01)


def test_shot_noise_frequencies_are_those_of_poisson():
    counts = np.rint(shot_noise(flat(100 / 255), Photons(5), np.random.default_rng(0)) * 5).astype(int)
    expected = stats.poisson.pmf(np.arange(5), 5 * 100 / 255)
    assert np.bincount(counts.ravel())[:5] / counts.size == pytest.approx(expected, abs=0.005)


def test_shot_noise_leaves_black_black():
    assert not shot_noise(flat(0), Photons(3), np.random.default_rng(0)).any()


def test_impulses_are_half_salt_half_pepper():
    noisy = impulse_noise(flat(0.5), Impulses(0.17), np.random.default_rng(0))
    shares = [(noisy == value).mean() for value in (0, 0.5, 1)]
    assert shares == pytest.approx([0.085, 0.83, 0.085], abs=0.003)
