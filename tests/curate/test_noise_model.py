"""The noise model finds the transitions that labels were drawn by."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.curate.noise_model import fit_noise_model, log_sources, smoothed_transition

from .noisy import noisy


def test_transitions_of_pair_noise_are_found():
    planted = noisy(3000, share=0.2, pair=True, sharp=0.5)
    found = fit_noise_model(log_sources(planted.probs), planted.given).transition
    wanted = np.eye(4) * 0.8 + np.roll(np.eye(4), 1, axis=1) * 0.2
    assert found == pytest.approx(wanted, abs=0.05)


def test_a_source_that_says_nothing_gets_little_weight():
    planted = noisy(1500)
    blind = np.random.default_rng(1).dirichlet(np.ones(4), 1500)
    weights = fit_noise_model(log_sources(planted.probs, blind), planted.given).weights
    assert weights[1] < 0.2 * weights[0]


def test_quality_is_the_chance_of_the_label_in_the_posterior():
    planted = noisy(300)
    sources = log_sources(planted.probs)
    model = fit_noise_model(sources, planted.given)
    posterior = model.posterior(sources, planted.given)
    assert posterior.sum(axis=0) == pytest.approx(np.ones(300), abs=1e-5)
    quality, suggested = model.judged(sources, planted.given, 0.5)
    assert np.corrcoef(quality, posterior[planted.given, np.arange(300)])[0, 1] > 0.9
    posterior[planted.given, np.arange(300)] = -1
    assert (suggested == posterior.argmax(axis=0)).mean() > 0.95


def test_rows_beyond_a_block_and_beyond_the_fitted_ones_are_judged_alike():
    planted = noisy(30_000, sharp=0.7)
    sources = log_sources(planted.probs)
    model = fit_noise_model(sources, planted.given)
    quality = model.judged(sources, planted.given, 0.5)[0]
    last = model.judged(sources[:, :, -10:], planted.given[-10:], 0.5)[0]
    assert quality[-10:] == pytest.approx(last)


def test_a_class_without_pictures_leans_on_the_others():
    found = smoothed_transition(np.array([[90.0, 10, 0], [10, 90, 0], [0, 0, 0]]))
    assert found.sum(axis=1) == pytest.approx([1, 1, 1])
    assert found[2, 2] == pytest.approx(0.9, abs=0.02)
