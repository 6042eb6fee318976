"""Holm's correction of p-values for looking at several of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values corrected for looking at all of them, in the order given (Holm 1979).

    The chance of even one false finding among them stays at the level. The smallest is multiplied by how many
    there are, the next by one less, and so on; none ends below a smaller one, none above 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise DataError(
            "Holm's correction",
            expected="p-values (m,) in 0..1",
            got=f"shape {values.shape}, {values.min(initial=1):g} to {values.max(initial=0):g}",
        )
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), 1)
    return adjusted
