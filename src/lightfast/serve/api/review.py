"""`/api/review`: the next pictures to look at, what people decide, undo and redo."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection, bindparam, select
from starlette.concurrency import run_in_threadpool

from lightfast.base.text import nfc
from lightfast.library.browse import AssetCard, asset_cards
from lightfast.library.label_numbers import label_numbers
from lightfast.library.review.decide import Act, Acted, ReviewAct, apply_acts, require_labels
from lightfast.library.review.disagree import kept_pictures
from lightfast.library.review.lease import Order, QueueEntry, count_waiting, give_back, hand_of
from lightfast.library.review.undo import apply_move
from lightfast.library.schema import decision_table, labels
from lightfast.serve.api.fields import ActKey, FreeText, IdempotencyKey, RowId, ShownName
from lightfast.serve.api.predict import LabelProbability
from lightfast.serve.auth.claim import Claim, ReviewerClaim
from lightfast.serve.auth.person import Person
from lightfast.serve.service import Served, Service

review_routes = APIRouter(prefix="/api/review", tags=["review"])
_GUESSES = 5
_Known = Annotated[
    list[RowId],
    Field(
        max_length=500, description="Pictures in hand whose cards are here: they are left out of the answer."
    ),
]


class LeaseRequest(BaseModel):
    """How many pictures a reviewer wants in hand, and in which order."""

    count: Annotated[int, Field(ge=1, le=500)] = 20
    order: Order = "uncertainty"
    known: _Known = []


class LeasedPicture(BaseModel):
    """A picture to look at: why, what is asked, and the picture itself."""

    entry: QueueEntry
    label: str | None = Field(description="The label that is asked about; null: any may be given.")
    guesses: list[LabelProbability] = Field(
        description="What was learnt from the decisions so far says of it."
    )
    asset: AssetCard


class LeaseAnswer(BaseModel):
    """Pictures for this reviewer alone until their lease ends; `left` counts all that wait, up to 10,000."""

    items: list[LeasedPicture]
    left: int


class ActRequest(BaseModel):
    """One act about one picture. A label is named by its number, or by its name: a new one is then added."""

    asset_id: RowId
    act: Act
    label_id: RowId | None = None
    label: ShownName | None = None
    from_label_id: RowId | None = None
    reason: FreeText = ""
    seconds: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0
    key: ActKey | None = None


class DecideRequest(BaseModel):
    """Acts that happen together or not at all. `over`: also where another person's decision stands."""

    acts: Annotated[list[ActRequest], Field(min_length=1, max_length=5_000)]
    over: bool = False
    hand: Annotated[int, Field(ge=0, le=500)] = Field(
        0, description="So many pictures are to be in hand afterwards; the answer brings them."
    )
    order: Order = "uncertainty"
    known: _Known = []


class PicturesRequest(BaseModel):
    """Some pictures, and in the reviewer's words why."""

    asset_ids: Annotated[list[RowId], Field(min_length=1, max_length=5_000)]
    reason: FreeText = ""
    label_id: RowId | None = Field(None, description="Second opinion: the own one, which others do not see.")


class ReleaseRequest(BaseModel):
    """Pictures to give back; null: all that the reviewer has."""

    asset_ids: Annotated[list[RowId], Field(max_length=5_000)] | None = None


class ActAnswer(BaseModel):
    """What became of it: numbers of the decisions, pictures that were `kept` because another person's
    decision stands there, the pictures that were changed, and how many wait.
    """

    decision_ids: list[int]
    kept: list[int]
    asset_ids: list[int]
    batch_id: int | None
    left: int


class DecideAnswer(ActAnswer):
    """What became of it, and the next pictures where they were asked for."""

    items: list[LeasedPicture] = []


class ReleaseAnswer(BaseModel):
    """How many pictures were given back."""

    released: int
    left: int


@review_routes.post("/lease")
async def post_lease(wanted: LeaseRequest, served: Served, claim: ReviewerClaim) -> LeaseAnswer:
    """The next pictures: nobody else is shown them for ten minutes. What was in hand before comes first."""

    def lease(connection: Connection, person: Person) -> LeaseAnswer:
        found = hand_of(connection, person.id, wanted.count, order=wanted.order)
        known = {*wanted.known}
        return lease_answer(served, connection, person, [one for one in found if one.asset_id not in known])

    return await run_in_threadpool(claim.act, lease)


def lease_answer(
    served: Service, connection: Connection, person: Person, entries: Sequence[QueueEntry]
) -> LeaseAnswer:
    """Entries of the queue with their pictures, in their order."""
    return LeaseAnswer(items=_leased(served, connection, person, entries), left=count_waiting(connection))


def _leased(
    served: Service, connection: Connection, person: Person, entries: Sequence[QueueEntry]
) -> list[LeasedPicture]:
    """The pictures of these entries, without what others said of those of which a second or third opinion is
    asked: neither their answers nor what was learnt from them.
    """
    if not entries:
        return []
    numbers = [entry.asset_id for entry in entries]
    blind = kept_pictures(connection, numbers, person.id)
    cards = {one.id: one for one in asset_cards(connection, numbers, blind_to=person.id if blind else None)}
    asked = sorted({entry.label_id for entry in entries if entry.label_id is not None})
    names = connection.execute(_NAMES, {"labels": asked}) if asked else ()
    called = {row.id: row.name for row in names}
    return [
        LeasedPicture(
            entry=entry,
            label=None if entry.label_id is None else called.get(entry.label_id),
            guesses=[] if entry.asset_id in blind else _guesses(served, entry.asset_id),
            asset=cards[entry.asset_id],
        )
        for entry in entries
    ]


_NAMES = select(labels.c.id, labels.c.name).where(labels.c.id.in_(bindparam("labels", expanding=True)))
_KNOWN = select(labels.c.name, labels.c.id).where(
    labels.c.client == "", labels.c.name.in_(bindparam("names", expanding=True))
)


@review_routes.post("/decide")
async def post_decide(
    wanted: DecideRequest, served: Served, claim: ReviewerClaim, idempotency_key: IdempotencyKey = None
) -> DecideAnswer:
    """Decide about pictures. With an Idempotency-Key, or a `key` an act, what is sent twice is done once.
    With `hand` the answer brings the next pictures, too.
    """
    key = idempotency_key or secrets.token_hex(16)

    def decide(connection: Connection, person: Person) -> DecideAnswer:
        acts = _acts(connection, person, wanted, key)
        done = _applied(connection, person, acts, over=wanted.over)
        items: list[LeasedPicture] = []
        if wanted.hand:
            known = {*wanted.known} - {*done.asset_ids}
            found = hand_of(connection, person.id, wanted.hand, order=wanted.order)
            fresh = [one for one in found if one.asset_id not in known]
            items = _leased(served, connection, person, fresh)
        return DecideAnswer(**dict(done), items=items)

    answer = await run_in_threadpool(claim.act, decide)
    note_decided(served, answer)
    return answer


def note_decided(served: Service, answer: ActAnswer) -> None:
    """Count the decisions, and let the queue follow them."""
    served.metrics.decisions.inc(len(answer.decision_ids))
    served.follower.decided(len(answer.decision_ids))


@review_routes.post("/skip")
async def post_skip(
    wanted: PicturesRequest, claim: ReviewerClaim, idempotency_key: IdempotencyKey = None
) -> ActAnswer:
    """Later: the pictures go behind all others."""
    return await _simple(claim, wanted, "skip", idempotency_key)


@review_routes.post("/second-opinion")
async def post_second_opinion(
    wanted: PicturesRequest, claim: ReviewerClaim, idempotency_key: IdempotencyKey = None
) -> ActAnswer:
    """Somebody else is to look, who does not see this reviewer's opinion."""
    return await _simple(claim, wanted, "second_opinion", idempotency_key)


@review_routes.post("/undo")
async def post_undo(claim: ReviewerClaim, idempotency_key: IdempotencyKey = None) -> ActAnswer:
    """Take back the own last act, a whole batch at once; nothing where there is none."""
    return await _moved(claim, "undo", idempotency_key)


@review_routes.post("/redo")
async def post_redo(claim: ReviewerClaim, idempotency_key: IdempotencyKey = None) -> ActAnswer:
    """Do again what was taken back last."""
    return await _moved(claim, "redo", idempotency_key)


@review_routes.post("/release")
async def post_release(wanted: ReleaseRequest, claim: ReviewerClaim) -> ReleaseAnswer:
    """Give pictures back before their lease ends."""

    def let_go(connection: Connection, person: Person) -> ReleaseAnswer:
        count = give_back(connection, person.id, wanted.asset_ids)
        return ReleaseAnswer(released=count, left=count_waiting(connection))

    return await run_in_threadpool(claim.act, let_go)


def _guesses(served: Service, asset_id: int) -> list[LabelProbability]:
    found = sorted(served.follower.guesses(asset_id).items(), key=lambda one: -one[1])
    return [LabelProbability(label=label, probability=sure) for label, sure in found[:_GUESSES]]


def own_key(person: Person, key: str, part: object = "") -> str:
    """Keys of two people never meet."""
    return f"{person.id}:{key}:{part}"


def _acts(connection: Connection, person: Person, wanted: DecideRequest, key: str) -> list[ReviewAct]:
    named = {one.label for one in wanted.acts if one.label is not None and one.label_id is None}
    numbers = _numbers(connection, person, named)
    return [
        ReviewAct(
            one.asset_id,
            one.act,
            one.label_id if one.label_id is not None or one.label is None else numbers[one.label],
            one.from_label_id,
            one.reason,
            one.seconds,
            own_key(person, key, place) if one.key is None else own_key(person, one.key),
        )
        for place, one in enumerate(wanted.acts)
    ]


def _numbers(connection: Connection, person: Person, named: set[str]) -> dict[str, int]:
    """name → number of labels; new ones are added as this person's."""
    if not named:
        return {}
    texts = {nfc(name) for name in named}
    found = {row.name: row.id for row in connection.execute(_KNOWN, {"names": sorted(texts)})}
    if texts <= found.keys():
        return {name: found[nfc(name)] for name in named}
    return label_numbers(connection, named, by=person.id)


async def _simple(claim: Claim, wanted: PicturesRequest, act: Act, key: str | None) -> ActAnswer:
    label = wanted.label_id if act == "second_opinion" else None
    name = key or secrets.token_hex(16)

    def simple(connection: Connection, person: Person) -> ActAnswer:
        acts = [
            ReviewAct(one, act, label, reason=wanted.reason, key=own_key(person, name, place))
            for place, one in enumerate(dict.fromkeys(wanted.asset_ids))
        ]
        return _applied(connection, person, acts)

    return await run_in_threadpool(claim.act, simple)


async def _moved(claim: Claim, move: Literal["undo", "redo"], key: str | None) -> ActAnswer:
    name = key or secrets.token_hex(16)

    def moved(connection: Connection, person: Person) -> ActAnswer:
        done = apply_move(connection, person.id, move, own_key(person, name))
        about = select(decision_table.c.asset_id).where(decision_table.c.id.in_(done.decision_ids))
        found = connection.execute(about.distinct()).scalars().all() if done.decision_ids else ()
        return act_answer(connection, done, list(found))

    return await run_in_threadpool(claim.act, moved)


def _applied(
    connection: Connection, person: Person, acts: Sequence[ReviewAct], *, over: bool = False
) -> ActAnswer:
    require_labels(acts)
    done = apply_acts(connection, person.id, acts, over=over)
    return act_answer(connection, done, [one.asset_id for one in acts])


def act_answer(connection: Connection, done: Acted, asset_ids: list[int]) -> ActAnswer:
    """What a page is told of acts on these pictures."""
    changed = [one for one in dict.fromkeys(asset_ids) if one not in set(done.kept)]
    return ActAnswer(
        decision_ids=list(done.decision_ids),
        kept=list(done.kept),
        asset_ids=changed,
        batch_id=done.batch_id,
        left=count_waiting(connection),
    )
