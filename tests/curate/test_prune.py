"""The share that is left out is chosen by cross-validated accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from lightfast.base.errors import SettingsError
from lightfast.curate.prune import Pruning, choose_pruning

from .noisy import Noisy, noisy


def pruned(planted: Noisy, quality: np.ndarray, **options: object) -> Pruning:
    def nearest(rest: np.ndarray, held: np.ndarray) -> np.ndarray:
        fitted = KNeighborsClassifier(1).fit(planted.features[rest], planted.given[rest])
        return fitted.predict(planted.features[held])

    return choose_pruning(quality, planted.given, nearest, **options)  # type: ignore[arg-type]


def test_wrong_labels_are_left_out_where_they_hurt():
    planted = noisy(share=0.3)
    found = pruned(planted, np.where(planted.wrong, 0.1, 0.9))
    assert found.share in (0.2, 0.3, 0.4)
    assert not found.kept[planted.wrong].all()
    assert found.trials[-1].interval.low > 0


def test_nothing_is_left_out_without_need():
    clean = noisy(share=0.0)
    found = pruned(clean, np.linspace(0, 1, 600))
    assert found.share == 0
    assert found.kept.all()


def test_every_class_keeps_its_most_trusted_row():
    planted = noisy(100)
    planted.given[0] = 3
    quality = np.where(planted.given == 3, 0.01, 0.9)
    quality[np.flatnonzero(planted.given == 3)[-1]] = 0.02
    found = pruned(planted, quality, shares=(0.4,))
    assert (planted.given[found.kept] == 3).any()


def test_shares_outside_are_refused():
    with pytest.raises(SettingsError, match="pruning"):
        choose_pruning(np.ones(4), np.zeros(4, int), lambda rest, held: held, shares=(1.0,))
