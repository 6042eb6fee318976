"""The figure of deletion and insertion: how the probability of a class goes
as its most important pixels go or come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lightfast.base.errors import DataError
from lightfast.report.drawing import AFTER, BEFORE, canvas, legend_above, quarter_ticks, styled, svg
from lightfast.report.figures import WIDTH

_WORDS = {
    "deletion": ("Deletion: a fall at once is good", "pixels taken away, %"),
    "insertion": ("Insertion: a rise at once is good", "pixels brought back, %"),
}


def faithfulness_curves(shares: ArrayLike, curves: Mapping[str, Mapping[str, Any]]) -> str:
    """Two panels: the order of the map against a random order.

    Args:
        shares: (S,) the share of pixels changed, 0..1.
        curves: "deletion" and "insertion" → {"mean", "random_mean": (S,) mean probabilities in 0..1, "area",
            "random_area": 0..1}.

    Raises DataError when a curve has not one value a share.
    """
    x = np.asarray(shares, dtype=np.float64)
    figure = canvas(WIDTH, 300, gaps=(0.06, 0.0))
    panels = np.atleast_1d(figure.subplots(1, len(curves), sharey=True))
    for axes, (name, curve) in zip(panels, curves.items(), strict=True):
        own, random = (np.asarray(curve[key], dtype=np.float64) for key in ("mean", "random_mean"))
        if own.shape != x.shape or random.shape != x.shape:
            raise DataError(
                f"{name} curve",
                expected=f"{len(x)} values, one a share",
                got=f"{own.shape} and {random.shape}",
            )
        title, label = _WORDS[name]
        styled(axes, title=title)
        axes.fill_between(x, own, random, color=AFTER, alpha=0.12, linewidth=0)
        axes.plot(x, own, color=AFTER, linewidth=2, label="order of the map")
        axes.plot(x, random, color=BEFORE, linewidth=2, label="random order")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=label)
        quarter_ticks(axes)
    legend_above(figure, *panels[0].get_legend_handles_labels(), ncols=2)
    panels[0].set_ylabel("probability of the explained class, %")
    areas = "; ".join(
        f"{name}: area {curve['area']:.3f} in the order of the map, {curve['random_area']:.3f} in a random "
        "order"
        for name, curve in curves.items()
    )
    return svg(figure, f"Deletion and insertion curves. {areas}")
