"""`library search`: pictures by tags, by likeness with pictures inside or outside the library, by words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.dataset import Entry, Unreadable
from lightfast.data.decode.stream import stream_pictures
from lightfast.library.feature_files import FeatureFormat, open_features
from lightfast.library.library import Library
from lightfast.library.search.by_words import SHOWN_FROM, search_words
from lightfast.library.search.hits import SearchPage, search_tags
from lightfast.library.search.label_names import require_client
from lightfast.library.search.likeness import LikenessQuery, SearchScope, default_source, search_like
from lightfast.runs.library.features import library_embedder
from lightfast.runs.options import RunOptions


@dataclass(frozen=True)
class LibrarySearchOptions:
    """What is searched for.

    Attributes:
        query: see `library.search.syntax`; with `like` and `text` what must hold as well.
        like, unlike: pictures: numbers of assets, or files that need not be in the library.
        text: words that say what is to be seen.
        sure: with `text`, how sure a picture has to be (0 to 1) to be shown.
        client: whose words the labels are in, and whose pictures alone are found; "": all.
        limit: pictures a page.
        cursor: of the page before.
        source: whose features are compared; None: those of the published backbone, or the only ones.
    """

    query: str = ""
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    text: str | None = None
    client: str = ""
    limit: int = 50
    cursor: str | None = None
    source: str | None = None
    sure: float = SHOWN_FROM


def search_library(library: Library, wanted: LibrarySearchOptions, options: RunOptions) -> SearchPage:
    """One page of what was found.

    Raises SettingsError for words and likeness at once, and for `unlike` alone; DataError for pictures that
    are not there or cannot be read, and for a client that has a word for no label.
    """
    if wanted.text is not None and (wanted.like or wanted.unlike):
        raise SettingsError("`text` and `like`", expected="one of them", got="both")
    if wanted.unlike and not wanted.like:
        raise SettingsError("`unlike`", expected="also `like`", got="it alone")
    if wanted.client:
        with library.store.read() as connection:
            require_client(connection, wanted.client)
    scope = SearchScope(
        wanted.query, wanted.client, wanted.limit, wanted.cursor, wanted.source, options.report
    )
    if wanted.text is not None:
        return search_words(library, wanted.text, scope, sure=wanted.sure)
    if not wanted.like:
        return search_tags(
            library, wanted.query, client=wanted.client, limit=wanted.limit, cursor=wanted.cursor
        )
    scope = replace(scope, source=wanted.source or default_source(library))
    return search_like(library, _likeness(library, wanted, str(scope.source), options.device), scope)


def picture_features(
    library: Library, files: Sequence[Path], source: str, device: str = "auto"
) -> NDArray[np.float32]:
    """float32 (M, D): features of files that need not be in the library, made as those of `source` were.

    Raises DataError for the first that cannot be read, and where the library has no such features.
    """
    with library.store.read() as connection:
        known = open_features(library, connection, source).format
    embedder, _ = library_embedder(known.run, device)
    if embedder.source != source:
        raise DataError(
            f"{known.run} is another network now than the one that made the features",
            cure=f"lightfast library embed {library.folder}, with `run={known.run}`, makes new ones.",
        )
    return embedder.compute(_read(files, known))


def _read(files: Sequence[Path], known: FeatureFormat) -> NDArray[np.uint8]:
    entries = [Entry(path, str(path), 0) for path in files]
    pictures = list[NDArray[np.uint8]]()
    for entry, pixels in stream_pictures(entries, known.image_size, known.channels):
        if isinstance(pixels, Unreadable):
            raise DataError(f"{entry.id} cannot be read: {pixels.reason}", cure="Give another picture.")
        pictures.append(pixels)
    return np.stack(pictures)


def _likeness(library: Library, wanted: LibrarySearchOptions, source: str, device: str) -> LikenessQuery:
    (like, like_files), (unlike, unlike_files) = map(_divided, (wanted.like, wanted.unlike))
    vectors = [
        picture_features(library, files, source, device) if files else None
        for files in (like_files, unlike_files)
    ]
    return LikenessQuery(like, unlike, *vectors)


def _divided(named: Sequence[str]) -> tuple[list[int], list[Path]]:
    """(numbers of assets, files)."""
    files = [Path(text) for text in named if not text.isdecimal()]
    lost = next((path for path in files if not path.is_file()), None)
    if lost is not None:
        raise DataError(
            f"no such file: {lost}", cure="Give a picture file, or the number of a picture of the library."
        )
    return [int(text) for text in named if text.isdecimal()], files
