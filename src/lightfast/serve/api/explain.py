"""`/api/explain`: the places of a picture that speak for a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from lightfast.base.errors import UnknownName
from lightfast.library.access import files_of
from lightfast.library.browse import require_visible
from lightfast.library.people.client_view import client_words
from lightfast.serve.api.assets import moved_file
from lightfast.serve.api.fields import PathId, ShownName
from lightfast.serve.auth.person import Person, Viewer
from lightfast.serve.service import Served, Service

explain_routes = APIRouter(prefix="/api/explain", tags=["explain"])


class ExplainQuery(BaseModel):
    """What is to be explained, and how."""

    method: Annotated[ShownName, Field(examples=["grad-cam"])] = "grad-cam"
    label: ShownName | None = Field(
        None, description="One of the model's, in a client's words for its viewer; none: what is predicted."
    )


@explain_routes.get(
    "/{asset_id}",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "A PNG."}},
)
def get_explanation(
    asset_id: PathId, query: Annotated[ExplainQuery, Query()], served: Served, person: Viewer
) -> Response:
    """The picture as the model sees it, coloured where it speaks for the label."""
    with served.library.store.read() as connection:
        require_visible(connection, asset_id, person.client)
        files = files_of(served.library, connection, [asset_id])
    if asset_id not in files:
        raise moved_file(asset_id)
    held = served.model.current()
    label = _meant(served, person, query.label, held.tagger.card.class_names)
    drawn = served.maps.png(held.run, files[asset_id], query.method, label)
    return Response(drawn, media_type="image/png", headers={"Cache-Control": "private, no-cache"})


def _meant(served: Service, person: Person, label: str | None, classes: Sequence[str]) -> str | None:
    """The model's name of a label. Raises UnknownName for one that is not the client's, or none of the
    model's `classes`; it names the client's own ones alone.
    """
    if label is None or person.client is None:
        return label
    with served.library.store.read() as connection:
        said = client_words(connection, person.client)
    words = {said[name]: name for name in classes if name in said}
    if label not in words:
        raise UnknownName("label", label, words)
    return words[label]
