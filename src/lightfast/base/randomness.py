"""Randomness is passed, never hidden: generators derived from (seed, purpose)."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose: the same (seed, purpose)
    always gives the same number on every machine.
    """
    text = "\x1f".join([str(int(seed)), *map(str, purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A numpy generator for one purpose, e.g. `generator(seed, "corrupt", "fog", 3)`."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *purpose)))
