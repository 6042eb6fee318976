"""The figure of deletion and insertion: how the probability of a class goes
as its most important pixels go or come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightfast.base.errors import DataError
from lightfast.report.drawing import AFTER, BEFORE, canvas, legend_above, quarter_ticks, styled, svg
from lightfast.report.figures import WIDTH

if TYPE_CHECKING:
    from lightfast.explain.faithfulness import Faithfulness

_WORDS = (
    ("Deletion: a fall at once is good", "pixels taken away, %"),
    ("Insertion: a rise at once is good", "pixels brought back, %"),
)


def faithfulness_curves(found: Faithfulness) -> str:
    """Two panels: the order of the map against a random order.

    Raises DataError when a curve has not one value a step.
    """
    x, figure = found.shares, canvas(WIDTH, 300, gaps=(0.06, 0.0))
    panels = figure.subplots(1, 2, sharey=True)
    curves = (found.deletion, found.insertion)
    for axes, curve, (title, label) in zip(panels, curves, _WORDS, strict=True):
        own, random = curve.mean, curve.random_mean
        if own.shape != x.shape or random.shape != x.shape:
            expected = f"{len(x)} values, one a share"
            raise DataError(f"{curve.name} curve", expected=expected, got=f"{own.shape} and {random.shape}")
        styled(axes, title=title)
        axes.fill_between(x, own, random, color=AFTER, alpha=0.12, linewidth=0)
        axes.plot(x, own, color=AFTER, linewidth=2, label="order of the map")
        axes.plot(x, random, color=BEFORE, linewidth=2, label="random order")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=label)
        quarter_ticks(axes)
    legend_above(figure, *panels[0].get_legend_handles_labels(), ncols=2)
    panels[0].set_ylabel("probability of the explained class, %")
    areas = "; ".join(
        f"{curve.name}: area {curve.area:.3f} in the order of the map, {curve.random_area:.3f} in a random "
        "order"
        for curve in curves
    )
    return svg(figure, f"Deletion and insertion curves. {areas}")
