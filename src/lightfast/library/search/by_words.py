"""Pictures by words, without any label: by a pair of networks for pictures and texts where the library's
features are of one, else by what a backbone sees in them. It may find nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import load_json, write_json
from lightfast.base.progress import Reporter
from lightfast.curate.backbone_words import WORDS_OF
from lightfast.curate.embed import unit_rows
from lightfast.curate.text_pair import PAIR, TextPair, load_text_pair
from lightfast.curate.word_search import best_of_any_words, class_fits, word_scores
from lightfast.curate.word_vectors import load_word_vectors
from lightfast.library.feature_files import FeatureFile, open_features, sources_of
from lightfast.library.library import Library
from lightfast.library.search.conditions import compile_query
from lightfast.library.search.cursor import named_search
from lightfast.library.search.hits import SearchHit, SearchPage, require_limit
from lightfast.library.search.likeness import (
    DEEPEST,
    LikenessQuery,
    SearchScope,
    ranked_page,
    ranking_start,
    search_like,
)
from lightfast.library.search.ranked import RankedRows, Scores, rank_rows

SHOWN_FROM = 0.95
"""A picture is shown where it fits better than the best picture of this share of random words."""
_WORDS, _BLOCK = 200, 16_384
_CHANCE = "chance.json"


def search_words(
    library: Library, text: str, scope: SearchScope | None = None, *, sure: float = SHOWN_FROM
) -> SearchPage:
    """The pictures that fit some words, the best first; none where none fits.

    `similarity` says how sure that is: the share of 200 words drawn at random whose best picture in the whole
    library fits worse than this one. Pictures below `sure` are not shown.

    Args:
        library: its features by a pair of networks (`text_pair`) are read, or else by the published backbone.
        text: one word or a few, in English, or in what the pair understands.
        scope: see `SearchScope`; its `source` says which of several pairs.
        sure: 0 to 1.

    Raises DataError where there are no such features, and where the pair that made them is another one now;
    SettingsError where the word vectors are not installed, and where one of several pairs has to be named.
    """
    scope = scope or SearchScope()
    require_limit(scope.limit)
    if not 0 <= sure <= 1:
        raise SettingsError(f"`sure` {sure}", expected="0 to 1")
    source = _source(library, scope.source)
    if source.startswith(PAIR):
        return _by_pair(library, text, replace(scope, source=source), sure)
    return _by_classes(library, text, scope, sure)


def _source(library: Library, wanted: str | None) -> str:
    """Whose features are compared with words."""
    pairs = [one for one in sources_of(library) if one.startswith(PAIR)]
    if wanted is not None:
        if wanted not in (WORDS_OF, *pairs):
            expected = " or ".join((*pairs, WORDS_OF))
            raise SettingsError("`source` of a search by words", expected=expected, got=repr(wanted))
        return wanted
    if len(pairs) > 1:
        raise SettingsError("`source` of a search by words", expected=" or ".join(pairs), got="none")
    return pairs[0] if pairs else WORDS_OF


def _by_pair(library: Library, text: str, scope: SearchScope, sure: float) -> SearchPage:
    """By the cosine of the text with the pictures, in the space of the pair that made the features."""
    _require_words(text)
    with library.store.read() as connection:
        known = open_features(library, connection, str(scope.source))
    pair = load_text_pair(known.format.run or known.folder)
    if pair.source != known.format.source:
        raise DataError(
            f"{pair.folder} is another pair now than the one that made the features",
            cure=f"lightfast library embed {library.folder}, with `run={pair.folder}`, makes new ones.",
        )
    page = search_like(library, LikenessQuery(like_vectors=pair.texts([text])), scope)
    chance = _chance_of_pair(known, pair, scope.report)
    share = np.searchsorted(chance, [one.similarity or 0.0 for one in page.hits]) / len(chance)
    shown = tuple(
        replace(hit, similarity=float(one)) for hit, one in zip(page.hits, share, strict=True) if one >= sure
    )
    return _told(page, shown, share, sure)


def _told(
    page: SearchPage, shown: tuple[SearchHit, ...], share: NDArray[np.floating], sure: float
) -> SearchPage:
    """The page with what is sure of it: below that there is no more; where nothing is, how near it came."""
    more = page.cursor if len(shown) == len(share) else None
    if shown or not len(share):
        return replace(page, hits=shown, cursor=more)
    note = f"the best picture fits better than {share[0]:.0%} of random words would; shown from {sure:.0%} on"
    return replace(page, hits=(), cursor=None, notes=(note, *page.notes))


def _chance_of_pair(known: FeatureFile, pair: TextPair, report: Reporter) -> NDArray[np.float32]:
    def best() -> NDArray[np.float32]:
        words = pair.texts(load_word_vectors().any_words(_WORDS, np.random.default_rng(0))).T
        found = np.full(words.shape[1], -1, np.float32)
        for start in range(0, len(known), _BLOCK):
            cosines = unit_rows(known.vectors[start : start + _BLOCK]) @ words
            found = np.maximum(found, cosines.max(axis=0))
        return np.sort(found)

    return _kept_chance(known, best, report)


def _require_words(text: str) -> None:
    if not any(map(str.isalnum, text)):
        raise DataError(f"`text` {text!r}", expected="words")


def _by_classes(library: Library, text: str, scope: SearchScope, sure: float) -> SearchPage:
    """By what the published backbone sees, in the manner of ConSE."""
    fits = class_fits([text])
    with library.store.read() as connection:
        known = open_features(library, connection, WORDS_OF)
        classes, probs = _kept_classes(known)
        compiled = compile_query(connection, scope.query, scope.client, scope.blind_to)
        named = named_search(library, "text", scope.query, scope.client, text, sure)
        first = ranking_start(named, scope, len(known))

        def word_fits(rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
            return word_scores(classes[rows], probs[rows], fits)[:, 0]

        scores = Scores(known, lambda rows: word_fits(slice(None) if rows is None else rows), word_fits)
        found = rank_rows(connection, compiled, scores, min(first + scope.limit, DEEPEST) + 1)
        chance = chance_scores(known, scope.report)
        share = np.searchsorted(chance, found.scores) / len(chance)
        shown = share >= sure
        ranked = RankedRows(found.rows[shown], share[shown].astype(np.float32))
        page = ranked_page(connection, ranked, known, (named, first, scope))
    if not len(share) or shown.any():
        return page
    note = f"the best picture fits better than {share[0]:.0%} of random words would; shown from {sure:.0%} on"
    return replace(page, notes=(note, *page.notes))


def chance_scores(known: FeatureFile, report: Reporter) -> NDArray[np.float32]:
    """float32 (200,), rising: the best scores that words drawn at random reach in this library. Kept beside
    the features, and found anew when there are twice as many pictures.
    """
    return _kept_chance(known, lambda: best_of_any_words(*_kept_classes(known), _WORDS, 0), report)


def _kept_chance(
    known: FeatureFile, best: Callable[[], NDArray[np.float32]], report: Reporter
) -> NDArray[np.float32]:
    path = known.folder / _CHANCE
    if path.is_file():
        said = load_json(path)
        if said["pictures"] <= len(known) < 2 * said["pictures"]:
            return np.array(said["scores"], np.float32)
    report("random words", 0, 1)
    scores = best()
    write_json(path, {"pictures": len(known), "scores": scores.tolist()})
    report("random words", 1, 1)
    return scores


def _kept_classes(known: FeatureFile) -> tuple[NDArray[np.uint16], NDArray[np.float16]]:
    if known.classes is None or known.class_probs is None:
        raise DataError(
            f"features by {known.format.source} were kept without its classes",
            cure=f"Move {known.folder} away, then: lightfast library embed.",
        )
    return known.classes, known.class_probs
