"""Predicted purity: learned weights find their rule again; the shipped ones move with the signs."""

from __future__ import annotations

import dataclasses

import numpy as np

from lightfast.curate.cluster_purity import ClusterSigns, calibration, learned_weights, predicted_purity


def signs(count: int = 4, **changed: float) -> ClusterSigns:
    plain = {
        "firmness": 0.6,
        "agreement": 0.6,
        "closeness": 0.7,
        "gap": 0.1,
        "size": 20.0,
        "surroundings": 0.5,
    }
    return ClusterSigns(**{name: np.full(count, value) for name, value in (plain | changed).items()})


def test_the_rule_behind_true_purities_is_learned():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4_000, 6))
    truth = 1 / (1 + np.exp(-(rows @ np.array([1.0, 0, -1, 0, 0.5, 0]) + 0.3)))
    weights, offset = learned_weights(rows, truth, np.full(4_000, 20.0))
    assert np.allclose(weights, [1, 0, -1, 0, 0.5, 0], atol=0.02)
    assert abs(offset - 0.3) < 0.02


def test_purity_is_a_share_and_a_pair_is_at_least_half_alike():
    found = predicted_purity(signs(firmness=0.0, agreement=0.0, closeness=0.0, gap=0.0, size=2.0))
    assert ((found >= 0.5) & (found <= 1)).all()


def test_firmer_and_better_separated_clusters_are_predicted_purer():
    loose, firm = (predicted_purity(signs(firmness=v, agreement=v, gap=v / 3))[0] for v in (0.2, 0.95))
    assert firm > loose


def test_the_shipped_weights_name_the_sets_that_they_were_learned_on():
    learned = calibration()
    assert len(learned["weights"]) == signs().table().shape[1]
    assert len(learned["sets"]) >= 3


def test_a_cluster_without_size_gives_finite_signs():
    empty = dataclasses.replace(signs(), size=np.zeros(4))
    assert np.isfinite(empty.table()).all()
