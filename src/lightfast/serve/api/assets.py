"""`/api/assets`: pictures of the library, as lists, one by one, as views and as files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path as FilePath
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from lightfast.data.decode.decode import decode_file
from lightfast.library.access import files_of
from lightfast.library.browse import (
    AssetCard,
    AssetDetail,
    AssetFilter,
    TagState,
    asset_cards,
    asset_detail,
    list_asset_ids,
    list_assets,
    require_visible,
)
from lightfast.library.people.noting import note_audit
from lightfast.library.remove import delete_assets, undelete_assets
from lightfast.library.uploads import Uploaded, keep_uploads
from lightfast.library.views import view_path, write_view
from lightfast.serve.api.fields import Cursor, PageSize, PathId, RowId, as_cursor, cursor_number
from lightfast.serve.api.uploads import UPLOAD_BODY, Uploads
from lightfast.serve.auth.person import Admin, Person, Reviewer, Viewer
from lightfast.serve.problems import HttpProblem
from lightfast.serve.service import Served, Service

asset_routes = APIRouter(prefix="/api/assets", tags=["assets"])
_KINDS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "MPO": "image/jpeg",
}
_FOR_EVER = "private, max-age=31536000, immutable"


class AssetQuery(BaseModel):
    """Which pictures are wanted."""

    deleted: bool = False
    unreadable: bool | None = None
    label_id: RowId | None = None
    state: TagState | None = None

    def of(self, person: Person) -> AssetFilter:
        """As the library takes it, for this person."""
        said = self.model_dump(include=set(AssetQuery.model_fields))
        return AssetFilter(**said, client=person.client, blind_to=person.blind_to)


class AssetPageQuery(AssetQuery):
    """Which pictures are wanted, and where the page begins."""

    cursor: Cursor = None
    limit: PageSize = 50


@dataclass(frozen=True)
class AssetPage:
    """A page of pictures; `next` leads to the one after, null on the last."""

    items: tuple[AssetCard, ...]
    next: str | None


class AssetIds(BaseModel):
    """Ids of pictures, newest first."""

    ids: list[int]


class Restored(BaseModel):
    """When a picture was deleted; null: it is there."""

    id: int
    deleted_at: datetime | None


class UploadAnswer(BaseModel):
    """What became of each upload, in their order."""

    items: list[Uploaded]


@asset_routes.get("")
def get_assets(query: Annotated[AssetPageQuery, Query()], served: Served, person: Viewer) -> AssetPage:
    """A page of pictures with their tags, newest first."""
    before = cursor_number(query.cursor)
    with served.library.store.read() as connection:
        found = list_assets(connection, query.of(person), before=before, limit=query.limit + 1)
    items = found[: query.limit]
    return AssetPage(items, as_cursor(items[-1].id) if len(found) > query.limit else None)


@asset_routes.get("/ids")
def get_asset_ids(query: Annotated[AssetQuery, Query()], served: Served, person: Viewer) -> AssetIds:
    """The ids of all pictures that are wanted, newest first: how long a grid is, and what stands where."""
    with served.library.store.read() as connection:
        return AssetIds(ids=list(list_asset_ids(connection, query.of(person))))


class SomeAssets(BaseModel):
    """Ids of the pictures whose cards are wanted."""

    id: Annotated[list[RowId], Field(min_length=1, max_length=500)]


@asset_routes.get("/cards")
def get_asset_cards(query: Annotated[SomeAssets, Query()], served: Served, person: Viewer) -> AssetPage:
    """The cards of these pictures, in this order; those that are not there are left out."""
    with served.library.store.read() as connection:
        if person.client is not None:
            for number in query.id:
                require_visible(connection, number, person.client)
        found = asset_cards(connection, query.id, person.client, blind_to=person.blind_to)
        return AssetPage(found, None)


@asset_routes.post("", openapi_extra=UPLOAD_BODY, status_code=201)
async def add_assets(served: Served, person: Reviewer, uploads: Uploads) -> UploadAnswer:
    """Add pictures: kept by their content, so that the same one twice is one. What is no picture says why."""
    pixels = served.settings.limits.pixels
    found = await run_in_threadpool(keep_uploads, served.library, uploads, pixels)
    return UploadAnswer(items=list(found))


@asset_routes.get("/{asset_id}")
def get_asset(asset_id: PathId, served: Served, person: Viewer) -> AssetDetail:
    """All that is known of one picture: tags, predictions, decisions, files. Whoever may be asked for a
    second or third opinion on it sees nothing of what others said.
    """
    with served.library.store.read() as connection:
        require_visible(connection, asset_id, person.client)
        return asset_detail(connection, asset_id, person.id, person.client, blind_to=person.blind_to)


@asset_routes.delete("/{asset_id}")
def delete_asset(asset_id: PathId, served: Served, person: Admin) -> Restored:
    """Take a picture out of lists and queues. Its file and all that is known of it stay; see restore."""
    return _set_deleted(served, person, asset_id, deleted=True)


@asset_routes.post("/{asset_id}/restore")
def restore_asset(asset_id: PathId, served: Served, person: Admin) -> Restored:
    """Bring a deleted picture back."""
    return _set_deleted(served, person, asset_id, deleted=False)


@asset_routes.get("/{asset_id}/view/{side}", response_class=FileResponse)
def get_asset_view(
    asset_id: PathId, side: Annotated[Literal["256", "1024"], Path()], served: Served, person: Viewer
) -> FileResponse:
    """The picture as a JPEG, its longest side at most 256 or 1024 pixels."""
    with served.library.store.read() as connection:
        row = require_visible(connection, asset_id, person.client)
    if row.content is None:
        why = f"picture {asset_id} cannot be shown: {row.unreadable}"
        raise HttpProblem(409, why, cure="Replace its file.")
    path = view_path(served.library.thumbnails, row.content, int(side))
    if not path.is_file():
        write_view(served.library.thumbnails, row.content, decode_file(_file(served, asset_id)), int(side))
    headers = {"Cache-Control": _FOR_EVER, "ETag": f'"{row.content}-{side}"'}
    return FileResponse(path, media_type="image/jpeg", headers=headers)


@asset_routes.get("/{asset_id}/original", response_class=FileResponse)
def get_original(asset_id: PathId, served: Served, person: Viewer) -> FileResponse:
    """The file as it was added."""
    with served.library.store.read() as connection:
        row = require_visible(connection, asset_id, person.client)
    path = _file(served, asset_id)
    kind = _KINDS.get(row.format or "", "application/octet-stream")
    disposition = "inline" if kind.startswith("image/") else "attachment"
    return FileResponse(
        path,
        media_type=kind,
        filename=f"{asset_id}{path.suffix}",
        content_disposition_type=disposition,
        headers={"Cache-Control": _FOR_EVER, "ETag": f'"{row.sha256}"'},
    )


def moved_file(asset_id: int) -> HttpProblem:
    """The refusal where no file of the picture is where it was, as it was."""
    cure = "Add it again from where it lies now: what is known of it stays."
    return HttpProblem(409, f"the file of picture {asset_id} has moved or changed", cure=cure)


def _file(served: Service, asset_id: int) -> FilePath:
    with served.library.store.read() as connection:
        files = files_of(served.library, connection, [asset_id])
    if asset_id not in files:
        raise moved_file(asset_id)
    return files[asset_id]


def _set_deleted(served: Service, person: Person, asset_id: int, *, deleted: bool) -> Restored:
    store = served.library.store
    with store.read() as connection:
        require_visible(connection, asset_id, None)
    move = delete_assets if deleted else undelete_assets
    if move(store, [asset_id]).changed:
        act = "picture deleted" if deleted else "picture restored"
        store.act(lambda connection: note_audit(connection, person.id, act, asset_id=asset_id))
    with store.read() as connection:
        return Restored(id=asset_id, deleted_at=require_visible(connection, asset_id, None).deleted_at)
