"""The strategy that asks about what a model cannot decide."""

from __future__ import annotations

import numpy as np

from lightfast.curate.selection.pool import Chosen, Pool, strategy


@strategy(
    "margin",
    "The pictures of which the model's two best classes are closest.",
    "Scheffer, Decomain and Wrobel 2001",
    needs_probs=True,
)
def choose_by_margin(pool: Pool, count: int) -> Chosen:
    """The candidates with the smallest margins."""
    order = np.argsort(-pool.unsureness[pool.candidates], kind="stable")[:count]
    rows = pool.candidates[order].tolist()
    return Chosen(tuple(rows), tuple(f"the model cannot decide: {pool.between(row)}" for row in rows))
