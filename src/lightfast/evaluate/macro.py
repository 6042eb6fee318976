"""Macro precision, recall and F1 of a confusion matrix, with intervals that hold at the edge too: few
pictures, none misread, none read rightly.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.randomness import generator
from lightfast.statistics.intervals import TAILS, Interval

Counts = tuple[NDArray, NDArray, NDArray]
"""Right pictures, labels and predictions a class, (..., K) each."""
MacroMean = Callable[[ArrayLike, ArrayLike, ArrayLike], NDArray[np.float64]]
"""`Counts` → mean over the classes (...)."""
_RESAMPLES = 1000
# More cells than this are resampled by their normal approximation: 1,000 draws take 0.1 to 0.2 ms a cell, 0.8
# s at 62 classes.
_EXACT_CELLS = 1000


def mean_f1(hits: ArrayLike, support: ArrayLike, guesses: ArrayLike) -> NDArray[np.float64]:
    """Macro F1 (...) from counts (..., K): right pictures, labels and predictions a class; classes with
    neither do not count.
    """
    right, total = _floats(hits), _floats(support) + _floats(guesses)
    return _mean(2 * right, total, total > 0)


def mean_recall(hits: ArrayLike, support: ArrayLike, guesses: ArrayLike) -> NDArray[np.float64]:
    """Macro recall (...), as `mean_f1`; 0 for a class that is only predicted."""
    return _mean(_floats(hits), _floats(support), _floats(support) + _floats(guesses) > 0)


def mean_precision(hits: ArrayLike, support: ArrayLike, guesses: ArrayLike) -> NDArray[np.float64]:
    """Macro precision (...), as `mean_f1`; 0 for a class that is never predicted."""
    return mean_recall(hits, guesses, support)


MACRO_MEANS: dict[str, MacroMean] = {
    "macro_precision": mean_precision,
    "macro_recall": mean_recall,
    "macro_f1": mean_f1,
}
"""Name of a macro measure → its mean over the classes."""


def macro_bounds(confusion: NDArray[np.int64], means: dict[str, MacroMean]) -> dict[str, Interval]:
    """95 % intervals of macro measures: bootstrap over the pictures (Efron 1979), one picture held back.

    Drawing N pictures again with replacement is a multinomial draw of the K × K cells. Drawn pictures alone
    would say that what was never seen cannot be: no interval where all were read rightly, none where all were
    misread. So each draw gets one more picture, of random weight (exponential, mean 1 picture): for the low
    end one that is misread where that harms the measure most, for the high end one that is read rightly where
    that helps most. Of a plain share this is about the interval of Clopper and Pearson, and the device is
    Gaffke's for a mean (2005; Learned-Miller and Thomas 2019). Simulated coverage: benchmarks/coverage.py.
    The draws are the same at every call.

    Args:
        confusion: int64 (K, K), rows = given label, columns = predicted label.
        means: of `MACRO_MEANS`, those wanted.
    """
    if not confusion.sum():
        return dict.fromkeys(means, Interval(0.0, 1.0))
    rng = generator(0, "interval of macro F1")
    draw = _drawn_cells if np.count_nonzero(confusion) <= _EXACT_CELLS else _drawn_normal
    counted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    drawn = draw(confusion, rng)
    weight = rng.exponential(size=(_RESAMPLES, 1))
    return {name: _bounds(mean, counted, drawn, weight) for name, mean in means.items()}


def macro_f1_bounds(confusion: NDArray[np.int64]) -> Interval:
    """`macro_bounds` of macro F1."""
    return macro_bounds(confusion, {"macro_f1": mean_f1})["macro_f1"]


def with_picture(counts: Counts, given: int | None, predicted: int | None, weight: ArrayLike = 1.0) -> Counts:
    """The counts with one more picture of class `given`, read as `predicted` (None: as one that does not
    count), of this weight (..., 1).
    """
    hits, support, guesses = (_floats(side) for side in counts)
    classes = np.arange(hits.shape[-1])
    label = (classes == (-1 if given is None else given)) * weight
    read = (classes == (-1 if predicted is None else predicted)) * weight
    return hits + label * (given == predicted), support + label, guesses + read


def _bounds(mean: MacroMean, counted: Counts, drawn: Counts, weight: NDArray[np.float64]) -> Interval:
    value = float(mean(*counted))
    misread, helped = _edges(mean, counted)
    low = np.quantile(mean(*with_picture(drawn, *misread, weight)), TAILS[0])
    high = np.quantile(mean(*with_picture(drawn, helped, helped, weight)), TAILS[1])
    return Interval(min(float(low), value), max(float(high), value))


def _edges(mean: MacroMean, counted: Counts) -> tuple[tuple[int | None, int | None], int]:
    """((label, prediction) of one more misread picture that lowers the mean most, class of one more right one
    that raises it most), among the classes that occur. Precision, recall and F1 count the two sides of a
    misread picture apart, so that it is one of the two best labels with one of the two best predictions.
    """

    def after(given: int | None, predicted: int | None) -> float:
        return float(mean(*with_picture(counted, given, predicted)))

    known = np.flatnonzero(counted[1] + counted[2]).tolist()
    labels = sorted(known, key=lambda k: after(k, None))[:2]
    answers = sorted(known, key=lambda k: after(None, k))[:2]
    pairs = [(one, other) for one in labels for other in answers if one != other]
    misread = min(pairs or [(labels[0], None), (None, answers[0])], key=lambda pair: after(*pair))
    return misread, max(known, key=lambda k: after(k, k))


def _drawn_cells(confusion: NDArray[np.int64], rng: np.random.Generator) -> Counts:
    """Counts, each (resamples, K), of multinomial draws of the cells."""
    cells, one_hot = np.flatnonzero(confusion), np.eye(len(confusion), dtype=np.float32)
    counts = confusion.ravel()[cells]
    drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=_RESAMPLES).astype(np.float32)
    given, predicted = np.divmod(cells, len(confusion))
    own = one_hot[given] * (given == predicted)[:, None]
    return drawn @ own, drawn @ one_hot[given], drawn @ one_hot[predicted]


def _drawn_normal(confusion: NDArray[np.int64], rng: np.random.Generator) -> Counts:
    """The same from the normal distribution that such draws approach.

    The cells vary as if on their own, so that the total varies too, which F1, a ratio of counts,
    does not notice.
    """
    hits, support, guesses = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    own = np.diag(hits)
    spread = np.block(
        [[own, own, own], [own, np.diag(support), confusion], [own, confusion.T, np.diag(guesses)]]
    )
    drawn = rng.multivariate_normal(
        np.concatenate([hits, support, guesses]), spread, _RESAMPLES, check_valid="ignore", method="eigh"
    )
    hits, support, guesses = np.split(np.maximum(drawn, 0), 3, axis=1)
    return hits, support, guesses


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _mean(
    part: NDArray[np.float64], whole: NDArray[np.float64], counts: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean of part / whole (0 where nothing is counted) over the classes (last axis) that count."""
    shares = np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
    return shares.sum(axis=-1) / np.maximum(counts.sum(axis=-1), 1)
