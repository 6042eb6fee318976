"""Vectors of words and short texts, read from the two files of the package wordllama: its own loader would
look for them on the network.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.curate.embed import unit_rows

_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_CURE = "pip install 'lightfast[words]'"
_WORD_BEGINS = "▁"
_LETTERS = 4


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Vectors of the V pieces that words are cut into.

    Attributes:
        pieces: float32 (V, 256), trained by the authors of wordllama out of the input layers of language
            models (MIT).
        tokenizer: cuts a text into numbers of pieces.
    """

    pieces: NDArray[np.float32]
    tokenizer: Any

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (N, 256), rows at length 1: the mean of a text's pieces; a text without any is a row of
        zeros.
        """
        rows = np.zeros((len(texts), self.pieces.shape[1]), np.float32)
        for at, text in enumerate(texts):
            numbers = self.tokenizer.encode(text, add_special_tokens=False).ids
            if numbers:
                rows[at] = self.pieces[numbers].mean(axis=0)
        return unit_rows(rows)

    def any_words(self, count: int, rng: np.random.Generator) -> tuple[str, ...]:
        """`count` different words drawn from those that are one piece, of at least four letters."""
        known = sorted(
            piece.removeprefix(_WORD_BEGINS)
            for piece in self.tokenizer.get_vocab()
            if piece.startswith(_WORD_BEGINS)
            and piece[1:].isascii()
            and piece[1:].isalpha()
            and piece[1:].islower()
            and len(piece) > _LETTERS
        )
        return tuple(known[at] for at in rng.permutation(len(known))[:count])


@cache
def load_word_vectors() -> WordVectors:
    """The vectors, read when first needed.

    Raises SettingsError where wordllama is not installed, DataError where it has other files.
    """
    found = importlib.util.find_spec("wordllama")
    if found is None or not found.submodule_search_locations:
        raise SettingsError("searching by words", expected="the package wordllama", cure=_CURE)
    folder = Path(found.submodule_search_locations[0])
    lost = [name for name in (_WEIGHTS, _TOKENIZER) if not (folder / name).is_file()]
    if lost:
        raise DataError(f"{folder} has no {lost[0]}", expected="wordllama from 0.3 on", cure=_CURE)
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    (pieces,) = load_file(folder / _WEIGHTS).values()
    tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return WordVectors(np.ascontiguousarray(pieces, np.float32), tokenizer)
