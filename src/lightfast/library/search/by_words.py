"""Pictures by words, without any label: what a backbone sees in them. It may find nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import load_json, write_json
from lightfast.base.progress import Reporter
from lightfast.curate.backbone_words import WORDS_OF
from lightfast.curate.word_search import best_of_any_words, class_fits, word_scores
from lightfast.library.feature_files import FeatureFile, open_features
from lightfast.library.library import Library
from lightfast.library.search.conditions import compile_query
from lightfast.library.search.hits import SearchPage, require_limit
from lightfast.library.search.likeness import DEEPEST, SearchScope, ranked_page, ranking_start
from lightfast.library.search.ranked import RankedRows, Scores, rank_rows

SHOWN_FROM = 0.95
"""A picture is shown where it fits better than the best picture of this share of random words."""
_WORDS = 200
_CHANCE = "chance.json"


def search_words(
    library: Library, text: str, scope: SearchScope | None = None, *, sure: float = SHOWN_FROM
) -> SearchPage:
    """The pictures that fit some words, the best first; none where none fits.

    `similarity` says how sure that is: the share of 200 words drawn at random whose best picture in the whole
    library fits worse than this one. Pictures below `sure` are not shown.

    Args:
        library: its features by the published backbone are read.
        text: one word or a few, in English.
        scope: see `SearchScope`; its `source` is not used.
        sure: 0 to 1.

    Raises DataError where there are no such features, SettingsError where the word vectors are not installed.
    """
    scope = scope or SearchScope()
    require_limit(scope.limit)
    if not 0 <= sure <= 1:
        raise SettingsError(f"`sure` {sure}", expected="0 to 1")
    fits = class_fits([text])
    with library.store.read() as connection:
        known = open_features(library, connection, WORDS_OF)
        classes, probs = _kept_classes(known)
        compiled = compile_query(connection, scope.query, scope.client, scope.blind_to)
        named = (library.store.name, "text", scope.query, scope.client, text, sure)
        first = ranking_start(named, scope, len(known))
        scores = Scores(
            known,
            lambda: word_scores(classes, probs, fits)[:, 0],
            lambda rows: word_scores(classes[rows], probs[rows], fits)[:, 0],
        )
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
    path = known.folder / _CHANCE
    if path.is_file():
        said = load_json(path)
        if said["pictures"] <= len(known) < 2 * said["pictures"]:
            return np.array(said["scores"], np.float32)
    report("random words", 0, 1)
    scores = best_of_any_words(*_kept_classes(known), _WORDS, 0)
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
