"""Features on their principal axes."""

from __future__ import annotations

import numpy as np

from lightfast.train.principal import PrincipalFeatures


def test_fewer_rows_than_columns_lie_on_the_axes_that_the_moments_have():
    rows = np.random.default_rng(0).normal(size=(12, 40)).astype(np.float32)
    found = PrincipalFeatures.of(rows)
    scaled = found.scale(rows)
    variances = np.linalg.eigvalsh((scaled.T @ scaled).astype(np.float64) / len(rows))[::-1]
    kept = len(found.ridge)
    assert kept <= 12
    np.testing.assert_allclose(1 / found.ridge[:, 0] - 0.05, variances[:kept], atol=1e-4)
    np.testing.assert_allclose(found(rows), found.values, atol=1e-4)
    np.testing.assert_allclose(
        (found.values**2).mean(axis=0), variances[:kept] / (variances[:kept] + 0.05), atol=1e-3
    )
