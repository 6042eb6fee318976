"""Pictures whose label is outvoted by the labels of their nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.curate.neighbours import Neighbours


def outvoted(neighbours: Neighbours, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool (N,): fewer than half of a row's k nearest carry its own label (edited nearest neighbours: Wilson
    1972, IEEE Transactions on Systems, Man and Cybernetics 2, 408–421, there by the majority's label).

    What it leaves out may be wrongly labelled, adversarial, or only rare. Nobody is outvoted where k is 0.

    Args:
        neighbours: of N rows, their own rows left out (`curate.neighbours.nearest` without queries).
        labels: int64 (N,).

    Raises DataError where the lengths differ.
    """
    if len(labels) != len(neighbours.rows):
        raise DataError("labels", expected=f"{len(neighbours.rows)} of them", got=str(len(labels)))
    if not neighbours.rows.shape[1]:
        return np.zeros(len(labels), dtype=np.bool_)
    agreeing = labels[neighbours.rows] == labels[:, None]
    return 2 * agreeing.sum(axis=1) < agreeing.shape[1]
