"""`/api/search`: by tags, by words, by likeness with pictures of the library or with one that is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from lightfast.library.browse import AssetCard, asset_cards, visible_assets
from lightfast.library.search.by_words import search_words
from lightfast.library.search.hits import SearchPage, find_facets, search_tags
from lightfast.library.search.likeness import LikenessQuery, SearchScope, default_source, search_like
from lightfast.library.uploads import Upload
from lightfast.serve.api.fields import Cursor, FreeText, PageSize
from lightfast.serve.api.uploads import UPLOAD_BODY, Uploads
from lightfast.serve.auth.person import Person, Reviewer, Viewer
from lightfast.serve.problems import HttpProblem
from lightfast.serve.service import Served, Service

search_routes = APIRouter(prefix="/api/search", tags=["search"])
Numbers = Annotated[str, Field(max_length=2_000, pattern=r"^(\d{1,18}(,\d{1,18})*)?$", examples=["1,2"])]


class ScopeQuery(BaseModel):
    """What must hold of every picture, and which page."""

    query: Annotated[FreeText, Field(description="Tags, AND, OR, NOT, dates: see docs/library.md.")] = ""
    cursor: Cursor = None
    limit: PageSize = 50


class SearchQuery(ScopeQuery):
    """What is searched for; `like` and `text` not at once."""

    text: Annotated[FreeText, Field(description="What is to be seen, in words.")] = ""
    like: Annotated[Numbers, Field(description="Pictures that the others are to be like.")] = ""
    unlike: Annotated[Numbers, Field(description="Pictures that they are not to be like.")] = ""


class FoundAsset(BaseModel):
    """A picture that was found; `similarity` says how well it fits, where that was compared."""

    asset: AssetCard
    similarity: float | None


class SearchAnswer(BaseModel):
    """A page of what was found; `next` leads to the one after, null on the last; how it was searched."""

    items: list[FoundAsset]
    next: str | None
    notes: list[str]


class LabelFacet(BaseModel):
    """How often a label stands among what was looked at."""

    label: str
    count: int


class FacetAnswer(BaseModel):
    """Labels among the newest `sampled` pictures of a search; `whole`: those are all that there are."""

    items: list[LabelFacet]
    sampled: int
    whole: bool


@search_routes.get("")
def search(query: Annotated[SearchQuery, Query()], served: Served, person: Viewer) -> SearchAnswer:
    """By tags the newest first; by words or likeness the best first."""
    return _answer(served, person, _page(served, person, query))


@search_routes.post("", openapi_extra=UPLOAD_BODY)
async def search_by_upload(
    query: Annotated[ScopeQuery, Query()], served: Served, person: Viewer, uploads: Uploads
) -> SearchAnswer:
    """Pictures like those that are sent, of which nothing is kept."""
    return await run_in_threadpool(_like_uploads, served, person, query, uploads)


@search_routes.get("/facets")
def get_facets(served: Served, person: Reviewer, query: FreeText = "") -> FacetAnswer:
    """Which labels stand how often among the newest pictures of a search."""
    found = find_facets(served.library, query, client=person.client or "", blind_to=person.blind_to)
    items = [LabelFacet(label=label, count=count) for label, count in found.counts]
    return FacetAnswer(items=items, sampled=found.sampled, whole=found.whole)


def _page(served: Service, person: Person, wanted: SearchQuery) -> SearchPage:
    if wanted.text and (wanted.like or wanted.unlike):
        raise HttpProblem(422, "`text` and `like` at once", cure="Search by one of them.")
    if wanted.unlike and not wanted.like:
        raise HttpProblem(422, "`unlike` alone", cure="Say also what they are to be like.")
    if wanted.text:
        return search_words(served.library, wanted.text, _scope(person, wanted))
    if wanted.like:
        like, unlike = _numbers(wanted.like), _numbers(wanted.unlike)
        _require_seen(served, person, (*like, *unlike))
        return search_like(served.library, LikenessQuery(like, unlike), _scope(person, wanted))
    more = {"limit": wanted.limit, "cursor": wanted.cursor, "blind_to": person.blind_to}
    return search_tags(served.library, wanted.query, client=person.client or "", **more)


def _like_uploads(
    served: Service, person: Person, wanted: ScopeQuery, uploads: Sequence[Upload]
) -> SearchAnswer:
    source = default_source(served.library)
    vectors = served.embeddings.features(source, uploads)
    found = search_like(served.library, LikenessQuery(like_vectors=vectors), _scope(person, wanted, source))
    return _answer(served, person, found)


def _scope(person: Person, wanted: ScopeQuery, source: str | None = None) -> SearchScope:
    where = (wanted.query, person.client or "", wanted.limit, wanted.cursor, source)
    return SearchScope(*where, blind_to=person.blind_to)


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",") if one]


def _require_seen(served: Service, person: Person, numbers: Sequence[int]) -> None:
    with served.library.store.read() as connection:
        seen = set(visible_assets(connection, numbers, person.client))
    lost = [one for one in numbers if one not in seen]
    if lost:
        raise HttpProblem(404, f"picture {lost[0]} is not in the library", cure="Load the list anew.")


def _answer(served: Service, person: Person, page: SearchPage) -> SearchAnswer:
    """What was found with its cards."""
    how_like = {one.asset_id: one.similarity for one in page.hits}
    with served.library.store.read() as connection:
        cards = asset_cards(connection, list(how_like), person.client, blind_to=person.blind_to)
    items = [FoundAsset(asset=one, similarity=how_like[one.id]) for one in cards]
    return SearchAnswer(items=items, next=page.cursor, notes=list(page.notes))
