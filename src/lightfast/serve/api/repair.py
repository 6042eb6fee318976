"""`/api/repair`: what is damaged in a picture, and how the model reads it before and after the repair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from lightfast.base.png import png
from lightfast.library.access import files_of
from lightfast.library.browse import require_visible
from lightfast.serve.api.assets import moved_file
from lightfast.serve.api.fields import PathId
from lightfast.serve.api.predict import LabelProbability
from lightfast.serve.auth.person import Person, Reviewer
from lightfast.serve.service import Served, Service

if TYPE_CHECKING:
    from lightfast.runs.repair.picture import PictureRepair

repair_routes = APIRouter(prefix="/api/repair", tags=["repair"])


class RepairAnswer(BaseModel):
    """What the repair kit of the model in use made of a picture. Where nothing better was found (`kept` is
    false) the first reading stands.
    """

    damage: str = Field(description="A kind of damage, clean or unknown.")
    severity: int = Field(description="0 (clean) to 5.")
    sure: float = Field(description="The detector's probability, 0..1.")
    attempted: bool
    kept: bool
    needs_review: bool
    reason: str
    before: list[LabelProbability]
    after: list[LabelProbability]


@repair_routes.get("/{asset_id}")
def get_repair(asset_id: PathId, served: Served, person: Reviewer) -> RepairAnswer:
    """Detect damage, restore, read again: what came of it. Needs a model with a repair kit."""
    found = _repaired(served, person, asset_id)
    return RepairAnswer(
        damage=found.damage,
        severity=found.severity,
        sure=found.sure,
        attempted=found.attempted,
        kept=found.kept,
        needs_review=found.needs_review,
        reason=found.reason,
        before=[LabelProbability(label=name, probability=sure) for name, sure in found.before],
        after=[LabelProbability(label=name, probability=sure) for name, sure in found.after],
    )


@repair_routes.get(
    "/{asset_id}/{which}",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "A PNG."}},
)
def get_repaired_picture(
    asset_id: PathId, which: Annotated[Literal["before", "after"], Path()], served: Served, person: Reviewer
) -> Response:
    """The picture as the network sees it, before or after the repair."""
    found = _repaired(served, person, asset_id)
    drawn = png(found.picture if which == "before" else found.restored)
    return Response(drawn, media_type="image/png", headers={"Cache-Control": "private, no-cache"})


def _repaired(served: Service, person: Person, asset_id: int) -> PictureRepair:
    with served.library.store.read() as connection:
        row = require_visible(connection, asset_id, person.client)
        files = files_of(served.library, connection, [asset_id])
    if asset_id not in files:
        raise moved_file(asset_id)
    return served.repairs.repaired(served.model.current().run, str(row.content), files[asset_id])
