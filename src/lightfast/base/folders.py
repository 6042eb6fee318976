"""The folders outside the user's command: data sets, and copies that may be deleted at any time.

No other module reads LIGHTFAST_DATA, LIGHTFAST_CACHE or the system's folders. By default the two stand beside
each other, so that nothing in the cache is taken for a data set.
"""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """Where data sets are kept: LIGHTFAST_DATA, else `lightfast` in the user's cache folder. Absolute."""
    return _folder("LIGHTFAST_DATA", "lightfast")


def source_cache_folder() -> Path:
    """Where copies are kept: LIGHTFAST_CACHE, else `lightfast-cache` in the user's cache folder. Absolute."""
    return _folder("LIGHTFAST_CACHE", "lightfast-cache")


def libraries_folder() -> Path:
    """Where libraries stand that were made for a folder of pictures: LIGHTFAST_LIBRARIES, else `libraries` in
    the user's data folder. Absolute.
    """
    named = os.environ.get("LIGHTFAST_LIBRARIES")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("lightfast") / "libraries"


def pictures_folder() -> Path:
    """Where decoded pictures are kept: `pictures` in the cache folder."""
    return source_cache_folder() / "pictures"


def sources_folder() -> Path:
    """Where fetched files and unpacked archives are kept: `sources` in the cache folder."""
    return source_cache_folder() / "sources"


def features_folder() -> Path:
    """Where features of pictures are kept: `features` in the cache folder."""
    return source_cache_folder() / "features"


def searches_folder() -> Path:
    """Where found near duplicates are kept: `near-duplicates` in the cache folder."""
    return source_cache_folder() / "near-duplicates"


def _folder(variable: str, default: str) -> Path:
    named = os.environ.get(variable)
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path(default)
