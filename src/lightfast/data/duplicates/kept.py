"""What a search for near duplicates found, kept between starts: one JSON file a search, under a key of the
pictures, their labels, and the code that searched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lightfast.base.errors import DataError, StorageError
from lightfast.base.files import load_json, make_folder, write_json
from lightfast.base.folders import searches_folder
from lightfast.data.decode.cache import cache_limit
from lightfast.data.images import ImageSet

MOST_KEPT = 64
"""Searches; those longest not used go first. One of 200,000 pictures takes some megabytes."""


def search_key(sets: Sequence[ImageSet]) -> str:
    """The name of a search: the pixels and labels of all rows in their order, and all that decides."""
    digest = hashlib.blake2b(_code(), digest_size=16)
    for images in sets:
        digest.update(json.dumps([images.image_shape, len(images)]).encode())
        digest.update("".join(images.content_hashes).encode())
        said = images.labels if images.tags is None else images.tags
        digest.update(b"" if said is None else np.ascontiguousarray(said).tobytes())
    return digest.hexdigest()


def load_search(key: str) -> dict[str, Any] | None:
    """What `keep_search` was given under this key; None where it is not there, or no longer whole."""
    place = searches_folder() / f"{key}.json"
    if not place.is_file():
        return None
    try:
        outer = load_json(place)
        facts = outer["facts"] if outer["digest"] == _digest(outer["facts"]) else None
    except (DataError, KeyError, TypeError):
        return None
    with contextlib.suppress(OSError):
        # The time of the last use, by which the oldest goes.
        os.utime(place)
    return facts


def keep_search(key: str, facts: dict[str, Any]) -> None:
    """Keep `facts` (JSON values) for the next start, whole or not at all; where there is no place for it, or
    LIGHTFAST_CACHE_GB is 0, the next start searches again.
    """
    if not cache_limit():
        return
    with contextlib.suppress(StorageError, OSError):
        folder = make_folder(searches_folder())
        write_json(folder / f"{key}.json", {"digest": _digest(facts), "facts": facts})
        kept = sorted(folder.glob("*.json"), key=lambda place: place.stat().st_mtime)
        for place in kept[:-MOST_KEPT]:
            place.unlink(missing_ok=True)


def _digest(facts: Any) -> str:
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=1)
def _code() -> bytes:
    """This folder's code with all its thresholds, and the versions of what computes."""
    import cv2

    files = sorted(Path(__file__).parent.glob("*.py"))
    return b"\0".join(
        [cv2.__version__.encode(), np.__version__.encode(), *(one.read_bytes() for one in files)]
    )
