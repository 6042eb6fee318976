"""What people decide: added for good, each act once, and the tags that follow from it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from lightfast.base.errors import ConflictError, DataError, NotFoundError
from lightfast.library.review.disagree import disagreements, with_disputed_label
from lightfast.library.review.lease import enqueue, hands_on, open_entries
from lightfast.library.review.settle import settle
from lightfast.library.review.tag_states import ABOUT_LABELS, rebuild_tags
from lightfast.library.schema import assets, decision_table, labels, leases, tags
from lightfast.library.store import Store, now

Act = Literal["confirm", "reject", "skip", "second_opinion", "send_back"]


@dataclass(frozen=True)
class ReviewAct:
    """One thing that a person does with one picture.

    Attributes:
        asset_id: the picture.
        act: confirm: it is `label_id` (and not `from_label_id`, where that is another). reject: it is not.
            skip: later. second_opinion: by somebody else, who does not see `label_id`, the own opinion, where
            there is one. send_back: it was decided, and is to be looked at again.
        label_id: see `act`.
        from_label_id: the label that was shown.
        reason: in the person's words.
        seconds: from showing the picture to the act.
        key: names the act; sent again it is not done again.
    """

    asset_id: int
    act: Act
    label_id: int | None = None
    from_label_id: int | None = None
    reason: str = ""
    seconds: float = 0.0
    key: str | None = None


@dataclass(frozen=True)
class Acted:
    """What became of some acts.

    Attributes:
        decision_ids: of the acts, in their order; those done before keep their number.
        kept: pictures on which another person's decision stands, left as they are.
        batch_id: one number for all, by which they are undone together; None where nothing was done, or
            all was done before in several batches.
    """

    decision_ids: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    batch_id: int | None = None


def decide(store: Store, user_id: int, acts: Sequence[ReviewAct], *, over: bool = False) -> Acted:
    """Do all the acts in one transaction, as one batch.

    A picture on which the decision of another person about labels stands is left as it is and named in
    `kept`, unless `over` says to decide over it, or the queue has put it into this person's hand to be
    decided again. Where a second person's answer differs from the first one's opinion, a third is asked.

    Raises:
        NotFoundError: for a picture or label that is not there.
        ConflictError: for a picture that somebody else has in hand.
        DataError: for an act that wants a label and has none.
    """
    require_labels(acts)
    named = [replace(one, key=new_key(user_id)) if one.key is None else one for one in acts]
    return store.act(lambda connection: apply_acts(connection, user_id, named, over=over))


def require_labels(acts: Sequence[ReviewAct]) -> None:
    """Raise DataError for an act that wants a label and has none."""
    for one in acts:
        if one.act in ABOUT_LABELS and one.label_id is None:
            raise DataError(f"`{one.act}` of picture {one.asset_id}", expected="a label", got="none")


def new_key(user_id: int) -> str:
    """A key for an act that came without one: tried again after a lost acknowledgement it is done once."""
    return f"{user_id}:{secrets.token_hex(16)}"


# A person waits for every decision: the statements of its way are built once, and what stands about the
# pictures is read once.
_ASSETS = bindparam("assets", expanding=True)
_LOCK = (
    select(assets.c.id).where(assets.c.id.in_(_ASSETS)).order_by(assets.c.id).with_for_update(key_share=True)
)
_LABELS = select(labels.c.id).where(labels.c.id.in_(bindparam("labels", expanding=True)))
_KEYS = select(decision_table.c.key, decision_table.c.id).where(
    decision_table.c.key.in_(bindparam("keys", expanding=True))
)
_BATCHES = (
    select(decision_table.c.batch_id)
    .where(decision_table.c.id.in_(bindparam("decisions", expanding=True)))
    .distinct()
)
_HELD = (
    select(tags.c.asset_id)
    .join(decision_table, decision_table.c.id == tags.c.decision_id)
    .where(tags.c.asset_id.in_(_ASSETS), decision_table.c.user_id != bindparam("user"))
)
_ADD = insert(decision_table)
_ADD_SEVERAL = _ADD.returning(decision_table.c.id, sort_by_parameter_order=True)
_NAME_BATCH = (
    update(decision_table)
    .where(decision_table.c.id == bindparam("first"))
    .values(batch_id=decision_table.c.id)
)
_LET_GO = delete(leases).where(leases.c.asset_id.in_(_ASSETS), leases.c.user_id == bindparam("user"))


def apply_acts(
    connection: Connection, user_id: int, acts: Sequence[ReviewAct], *, over: bool = False
) -> Acted:
    """`decide` in the transaction of `connection`. Every act has a key, so that the transaction may be tried
    again.
    """
    found = lock_pictures(connection, {one.asset_id for one in acts})
    done = _done_before(connection, acts)
    fresh = [one for one in acts if one.key not in done]
    _require_known(connection, fresh, found)
    pictures = {one.asset_id for one in fresh}
    mine, waiting = _free_hands(connection, user_id, pictures), open_entries(connection, pictures)
    kept = set[int]() if over else _of_others(connection, user_id, fresh) - _asked(mine, waiting)
    wanted = [one for one in fresh if one.asset_id not in kept]
    disputed = with_disputed_label(connection, user_id, wanted, waiting)
    acts = [replace(one, from_label_id=disputed.get(one.asset_id, one.from_label_id)) for one in acts]
    numbers, batch = _write(connection, user_id, acts, done, kept)
    rebuild_tags(connection, {one.asset_id for one in wanted if one.act in ABOUT_LABELS})
    disagreed = disagreements(connection, user_id, wanted, waiting)
    settle(connection, user_id, wanted, waiting)
    enqueue(connection, disagreed)
    _let_go(connection, user_id, mine.keys() - kept)
    return Acted(numbers, tuple(sorted(kept)), batch)


def _let_go(connection: Connection, user_id: int, pictures: set[int]) -> None:
    if pictures:
        connection.execute(_LET_GO, {"assets": sorted(pictures), "user": user_id})


def _write(
    connection: Connection,
    user_id: int,
    acts: Sequence[ReviewAct],
    done: Mapping[str | None, int],
    kept: set[int],
) -> tuple[tuple[int, ...], int | None]:
    """(numbers of the decisions in the order of the acts, number of the batch); what was done before keeps
    its number, pictures in `kept` get none.
    """
    wanted = [one for one in acts if one.key in done or one.asset_id not in kept]
    # An act with a key that came before, in the batch or earlier, is that one.
    names: list[object] = [at if one.key is None else one.key for at, one in enumerate(wanted)]
    first = {name: at for at, name in reversed(list(enumerate(names))) if name not in done}
    made = _add(connection, user_id, [wanted[at] for at in sorted(first.values())])
    new = dict(zip(sorted(first, key=lambda name: first[name]), made, strict=True))
    ids: dict[Any, int] = {**done, **new}
    numbers = tuple(ids[name] for name in names)
    return numbers, made[0] if made else _batch_of(connection, numbers)


def _batch_of(connection: Connection, numbers: Sequence[int]) -> int | None:
    """The one batch of decisions that were made before; None where they are of several, or none."""
    batches = connection.execute(_BATCHES, {"decisions": list(numbers)}).scalars().all() if numbers else ()
    return batches[0] if len(batches) == 1 else None


def lock_pictures(connection: Connection, asset_ids: Iterable[int]) -> set[int]:
    """Let nobody else decide about these pictures before this transaction ends; those that are there.

    In the order of their numbers, so that two who want the same ones wait and do not block each other;
    rows that only refer to the pictures (what a model says) may be written meanwhile. SQLite has one writer
    anyway.
    """
    wanted = sorted(set(asset_ids))
    return set(connection.execute(_LOCK, {"assets": wanted}).scalars()) if wanted else set()


def _require_known(connection: Connection, acts: Sequence[ReviewAct], pictures: set[int]) -> None:
    """Refuse acts about pictures that are not among those found, and labels that are not there."""
    _require_none({one.asset_id for one in acts} - pictures, "picture")
    named = {number for one in acts for number in (one.label_id, one.from_label_id) if number is not None}
    if named:
        found = connection.execute(_LABELS, {"labels": sorted(named)}).scalars()
        _require_none(named - set(found), "label")


def _require_none(missing: set[int], noun: str) -> None:
    if missing:
        raise NotFoundError(f"{noun} {min(missing)} is not in the library", cure="Load the page anew.")


def _done_before(connection: Connection, acts: Sequence[ReviewAct]) -> dict[str | None, int]:
    keys = [one.key for one in acts if one.key is not None]
    return {row.key: row.id for row in connection.execute(_KEYS, {"keys": keys})} if keys else {}


def _free_hands(connection: Connection, user_id: int, pictures: set[int]) -> dict[int, bool]:
    """Those of the pictures that this person has in hand, and whether the lease still holds; refuses pictures
    in another hand.
    """
    moment, hands = now(), hands_on(connection, pictures)
    taken = [row.asset_id for row in hands if row.user_id != user_id and row.expires_at > moment]
    if taken:
        raise ConflictError(
            f"picture {min(taken)} is in the hand of another reviewer", cure="Take the next one of the queue."
        )
    return {row.asset_id: row.expires_at > moment for row in hands if row.user_id == user_id}


def _asked(mine: Mapping[int, bool], waiting: Sequence[Row[Any]]) -> set[int]:
    """Pictures that the queue itself has put into this person's hand, to be decided again."""
    return {row.asset_id for row in waiting if mine.get(row.asset_id)}


def _of_others(connection: Connection, user_id: int, acts: Sequence[ReviewAct]) -> set[int]:
    """Pictures on which the decision of another person holds now."""
    about = {one.asset_id for one in acts if one.act in ABOUT_LABELS}
    if not about:
        return set()
    return set(connection.execute(_HELD, {"assets": sorted(about), "user": user_id}).scalars())


def _add(connection: Connection, user_id: int, acts: Sequence[ReviewAct]) -> list[int]:
    """The numbers of the new decisions; all are in a batch that is called by the first."""
    names = ("asset_id", "act", "label_id", "from_label_id", "reason", "seconds", "key")
    rows = [{name: getattr(one, name) for name in names} | {"user_id": user_id, "at": now()} for one in acts]
    if not rows:
        return []
    made = connection.execute(_ADD, rows[0])
    first = int(made.inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript]
    connection.execute(_NAME_BATCH, {"first": first})
    return [first, *add_decisions(connection, [row | {"batch_id": first} for row in rows[1:]])]


def add_decisions(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Add rows of decisions at once; their numbers, in their order."""
    if not rows:
        return []
    return [int(number) for number in connection.execute(_ADD_SEVERAL, list(rows)).scalars()]
