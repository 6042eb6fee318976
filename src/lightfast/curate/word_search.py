"""Words against pictures of which only the probabilities of a backbone's own classes are known: in the manner
of ConSE (Norouzi et al. 2014), which carries pictures into the space of word vectors by the names of classes.

Here the classes are carried to the word: how far each stands out among all, weighted by the roots of its
probability. That is one product a picture, and on a few hundred photographs no worse than the cosine of the
mean vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.curate.backbone_words import imagenet_definitions, imagenet_names
from lightfast.curate.embed import unit_rows
from lightfast.curate.word_vectors import load_word_vectors

_BLOCK = 65_536


def class_fits(texts: Sequence[str]) -> NDArray[np.float32]:
    """float32 (1000, M): how well each class of ImageNet fits each text, the square of how many standard
    deviations their cosine lies above that of the other classes, 0 where it lies below.

    Raises SettingsError where the word vectors are not installed, DataError for a text without letters.
    """
    empty = [text for text in texts if not any(map(str.isalnum, text))]
    if empty:
        raise DataError(f"`text` {empty[0]!r}", expected="words")
    cosines = _class_vectors() @ load_word_vectors().embed([text.lower() for text in texts]).T
    above = (cosines - cosines.mean(axis=0)) / np.maximum(cosines.std(axis=0), 1e-6)
    return np.square(np.maximum(above, 0)).astype(np.float32)


def word_scores(
    classes: NDArray[np.integer], class_probs: NDArray[np.floating], fits: NDArray[np.float32]
) -> NDArray[np.float32]:
    """float32 (N, M): how well pictures fit texts.

    Args:
        classes: (N, T), the most probable classes of each picture.
        class_probs: (N, T), their probabilities.
        fits: (1000, M), see `class_fits`.
    """
    scores = np.empty((len(classes), fits.shape[1]), np.float32)
    for start in range(0, len(classes), _BLOCK):
        part = slice(start, start + _BLOCK)
        weights = np.sqrt(np.asarray(class_probs[part], np.float32))
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-6)
        if fits.shape[1] == 1:
            scores[part, 0] = np.einsum("nt,nt->n", fits[:, 0][classes[part]], weights)
        else:
            scores[part] = _spread(np.asarray(classes[part], np.int64), weights, len(fits)) @ fits
    return scores


def best_of_any_words(
    classes: NDArray[np.integer], class_probs: NDArray[np.floating], count: int, seed: int
) -> NDArray[np.float32]:
    """float32 (count,), rising: the score of the best of the pictures for each of `count` words drawn at
    random. What a search must beat before its best picture is believed.
    """
    words = load_word_vectors().any_words(count, np.random.default_rng(seed))
    fits, best = class_fits(words), np.zeros(len(words), np.float32)
    for start in range(0, len(classes), _BLOCK):
        part = slice(start, start + _BLOCK)
        best = np.maximum(best, word_scores(classes[part], class_probs[part], fits).max(axis=0, initial=0))
    return np.sort(best)


def _spread(classes: NDArray[np.int64], weights: NDArray[np.float32], width: int) -> Any:
    """The weights as a sparse matrix (N, width)."""
    from scipy.sparse import csr_array

    bounds = np.arange(0, classes.size + 1, classes.shape[1])
    return csr_array((weights.ravel(), classes.ravel(), bounds), shape=(len(classes), width))


@cache
def _class_vectors() -> NDArray[np.float32]:
    """float32 (1000, 256): the mean of the names of each class, and its definition, half and half."""
    known = load_word_vectors()
    named = [known.embed(names).mean(axis=0) for names in imagenet_names()]
    return unit_rows(unit_rows(np.stack(named)) + known.embed(imagenet_definitions()))
