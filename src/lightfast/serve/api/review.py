"""`/api/review`: the next pictures to look at, what people decide, undo and redo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection, select

from lightfast.base.text import nfc
from lightfast.library.browse import AssetCard, TagCard, TagState, asset_cards
from lightfast.library.decide import Act, Acted, ReviewAct, decide
from lightfast.library.label_numbers import label_numbers
from lightfast.library.lease import DISAGREEMENT, Order, QueueEntry, count_waiting, lease_next, release
from lightfast.library.schema import decision_table, labels, tags
from lightfast.library.undo import redo, undo
from lightfast.serve.api.fields import ActKey, FreeText, IdempotencyKey, RowId, ShownName
from lightfast.serve.api.predict import LabelProbability
from lightfast.serve.auth.person import Person, Reviewer
from lightfast.serve.service import Served, Service

review_routes = APIRouter(prefix="/api/review", tags=["review"])
_GUESSES = 5


class LeaseRequest(BaseModel):
    """How many pictures a reviewer wants in hand, and in which order."""

    count: Annotated[int, Field(ge=1, le=500)] = 20
    order: Order = "uncertainty"


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


class ReleaseAnswer(BaseModel):
    """How many pictures were given back."""

    released: int
    left: int


@review_routes.post("/lease")
def post_lease(wanted: LeaseRequest, served: Served, person: Reviewer) -> LeaseAnswer:
    """The next pictures: nobody else is shown them for ten minutes. What was in hand before comes first."""
    return lease_answer(served, lease_next(served.library.store, person.id, wanted.count, order=wanted.order))


def lease_answer(served: Service, entries: Sequence[QueueEntry]) -> LeaseAnswer:
    """Entries of the queue with their pictures, in their order."""
    with served.library.store.read() as connection:
        found = asset_cards(connection, [entry.asset_id for entry in entries])
        disputed = {entry.asset_id for entry in entries if entry.source == DISAGREEMENT}
        cards = _without_people(connection, found, disputed)
        asked = {entry.label_id for entry in entries} - {None}
        names = connection.execute(select(labels.c.id, labels.c.name).where(labels.c.id.in_(asked)))
        called = {row.id: row.name for row in names}
        left = count_waiting(connection)
    items = [
        LeasedPicture(
            entry=entry,
            label=called.get(entry.label_id),
            guesses=_guesses(served, entry.asset_id),
            asset=cards[entry.asset_id],
        )
        for entry in entries
    ]
    return LeaseAnswer(items=items, left=left)


def _without_people(
    connection: Connection, cards: Iterable[AssetCard], disputed: set[int]
) -> dict[int, AssetCard]:
    """The pictures by number; where two people disagree without what people said, as the third is to look
    without their answers: the tags there stand as the machine left them.
    """
    rows = connection.execute(
        select(tags.c.asset_id, tags.c.label_id, tags.c.machine_state).where(
            tags.c.asset_id.in_(disputed), tags.c.machine_state.isnot(None)
        )
    )
    left = {(row.asset_id, row.label_id): row.machine_state for row in rows}

    def blind(card: AssetCard) -> AssetCard:
        kept = [
            _as_left(one, left[card.id, one.label_id]) for one in card.tags if (card.id, one.label_id) in left
        ]
        return replace(card, tags=tuple(sorted(kept, key=lambda one: (-one.score, one.label_id))))

    return {one.id: blind(one) if one.id in disputed else one for one in cards}


def _as_left(tag: TagCard, state: TagState) -> TagCard:
    score = 1.0 if state == "confirmed" or tag.probability is None else tag.probability
    return replace(tag, state=state, score=score, by_person=False)


@review_routes.post("/decide")
def post_decide(
    wanted: DecideRequest, served: Served, person: Reviewer, idempotency_key: IdempotencyKey = None
) -> ActAnswer:
    """Decide about pictures. With an Idempotency-Key, or a `key` an act, what is sent twice is done once."""
    acts = _acts(served, person, wanted, idempotency_key)
    done = decide(served.library.store, person.id, acts, over=wanted.over)
    served.metrics.decisions.inc(len(done.decision_ids))
    served.follower.decided(len(done.decision_ids))
    return act_answer(served, done, [one.asset_id for one in acts])


@review_routes.post("/skip")
def post_skip(
    wanted: PicturesRequest, served: Served, person: Reviewer, idempotency_key: IdempotencyKey = None
) -> ActAnswer:
    """Later: the pictures go behind all others."""
    return _simple(served, person, wanted, "skip", idempotency_key)


@review_routes.post("/second-opinion")
def post_second_opinion(
    wanted: PicturesRequest, served: Served, person: Reviewer, idempotency_key: IdempotencyKey = None
) -> ActAnswer:
    """Somebody else is to look, who does not see this reviewer's opinion."""
    return _simple(served, person, wanted, "second_opinion", idempotency_key)


@review_routes.post("/undo")
def post_undo(served: Served, person: Reviewer, idempotency_key: IdempotencyKey = None) -> ActAnswer:
    """Take back the own last act, a whole batch at once; nothing where there is none."""
    key = own_key(person, idempotency_key)
    return _moved(served, undo(served.library.store, person.id, key=key))


@review_routes.post("/redo")
def post_redo(served: Served, person: Reviewer, idempotency_key: IdempotencyKey = None) -> ActAnswer:
    """Do again what was taken back last."""
    key = own_key(person, idempotency_key)
    return _moved(served, redo(served.library.store, person.id, key=key))


@review_routes.post("/release")
def post_release(wanted: ReleaseRequest, served: Served, person: Reviewer) -> ReleaseAnswer:
    """Give pictures back before their lease ends."""
    count = release(served.library.store, person.id, wanted.asset_ids)
    with served.library.store.read() as connection:
        return ReleaseAnswer(released=count, left=count_waiting(connection))


def _guesses(served: Service, asset_id: int) -> list[LabelProbability]:
    found = sorted(served.follower.guesses(asset_id).items(), key=lambda one: -one[1])
    return [LabelProbability(label=label, probability=sure) for label, sure in found[:_GUESSES]]


def own_key(person: Person, key: str | None, part: object = "") -> str | None:
    """Keys of two people never meet."""
    return None if key is None else f"{person.id}:{key}:{part}"


def _acts(served: Service, person: Person, wanted: DecideRequest, key: str | None) -> list[ReviewAct]:
    named = {one.label for one in wanted.acts if one.label is not None and one.label_id is None}
    numbers = _numbers(served, named)
    return [
        ReviewAct(
            one.asset_id,
            one.act,
            one.label_id if one.label_id is not None or one.label is None else numbers[one.label],
            one.from_label_id,
            one.reason,
            one.seconds,
            own_key(person, one.key) or own_key(person, key, place),
        )
        for place, one in enumerate(wanted.acts)
    ]


def _numbers(served: Service, named: set[str]) -> dict[str, int]:
    """name → number of labels; only new ones need a write."""
    if not named:
        return {}
    texts = {nfc(name) for name in named}
    with served.library.store.read() as connection:
        known = select(labels.c.name, labels.c.id).where(labels.c.client == "", labels.c.name.in_(texts))
        found = {row.name: row.id for row in connection.execute(known)}
    if texts <= found.keys():
        return {name: found[nfc(name)] for name in named}
    return served.library.store.act(lambda connection: label_numbers(connection, named))


def _simple(served: Service, person: Person, wanted: PicturesRequest, act: Act, key: str | None) -> ActAnswer:
    label = wanted.label_id if act == "second_opinion" else None
    acts = [
        ReviewAct(one, act, label, reason=wanted.reason, key=own_key(person, key, place))
        for place, one in enumerate(dict.fromkeys(wanted.asset_ids))
    ]
    return act_answer(served, decide(served.library.store, person.id, acts), [one.asset_id for one in acts])


def _moved(served: Service, done: Acted) -> ActAnswer:
    about = select(decision_table.c.asset_id).where(decision_table.c.id.in_(done.decision_ids))
    with served.library.store.read() as connection:
        found = connection.execute(about.distinct()).scalars().all()
    return act_answer(served, done, list(found))


def act_answer(served: Service, done: Acted, asset_ids: list[int]) -> ActAnswer:
    """What a page is told of acts on these pictures."""
    with served.library.store.read() as connection:
        left = count_waiting(connection)
    changed = [one for one in dict.fromkeys(asset_ids) if one not in set(done.kept)]
    return ActAnswer(
        decision_ids=list(done.decision_ids),
        kept=list(done.kept),
        asset_ids=changed,
        batch_id=done.batch_id,
        left=left,
    )
