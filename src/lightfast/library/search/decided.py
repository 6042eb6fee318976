"""The decided pictures nearest to one that is looked at."""

from __future__ import annotations

from lightfast.curate.backbone_words import WORDS_OF
from lightfast.library.feature_files import open_features, sources_of
from lightfast.library.library import Library
from lightfast.library.search.hits import SearchPage
from lightfast.library.search.likeness import LikenessQuery, SearchScope, search_like

_DECIDED = "by:* state:confirmed"


def decided_neighbours(library: Library, asset_id: int, count: int = 3) -> SearchPage | None:
    """The pictures most like this one of which people have said what they are, the most alike first; None
    where this picture has no features to compare.
    """
    kept = sources_of(library)
    if not kept:
        return None
    source = WORDS_OF if WORDS_OF in kept else kept[0]
    with library.store.read() as connection:
        known = open_features(library, connection, source)
    if known.rows_of([asset_id])[0] < 0:
        return None
    return search_like(library, LikenessQuery([asset_id]), SearchScope(_DECIDED, limit=count, source=source))
