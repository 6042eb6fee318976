"""Two people who say different things about one picture: it goes to a third, who sees neither answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, exists, select, update

from lightfast.library.review.lease import DISAGREEMENT, REQUEST, has_asked, is_open, said_before
from lightfast.library.review.tag_states import undone_decisions
from lightfast.library.schema import assets, decision_table, queue_table, tags
from lightfast.library.store import now

if TYPE_CHECKING:
    from lightfast.library.review.decide import ReviewAct

_REASON = "two people see it differently"


def kept_from(asset_id: ColumnElement[Any], user_id: int) -> ColumnElement[bool]:
    """The condition that what others said of the picture `asset_id` is not shown to this person: it waits for
    a second opinion, or for a third one, and this person has not spoken before. Who asks for one where
    another has asked already, or where two differ, learns nothing by it.
    """
    entry = queue_table.c
    opinion = entry.not_user_id.isnot(None) & (entry.not_user_id != user_id) & (entry.source != DISAGREEMENT)
    # Whoever asks later has a later entry (`settle`).
    opinion &= ~has_asked(user_id, REQUEST.c.id < entry.id)
    third = (entry.source == DISAGREEMENT) & ~said_before(user_id, decision_table.c.label_id.isnot(None))
    return exists().where(entry.asset_id == asset_id, is_open(), opinion | third)


def kept_pictures(connection: Connection, asset_ids: Sequence[int], user_id: int) -> set[int]:
    """Those of some pictures of which `kept_from` holds for this person."""
    wanted = select(assets.c.id).where(assets.c.id.in_(asset_ids), kept_from(assets.c.id, user_id))
    return set(connection.execute(wanted).scalars())


def with_disputed_label(
    connection: Connection, user_id: int, acts: Sequence[ReviewAct], waiting: Sequence[Row[Any]]
) -> Mapping[int, int]:
    """asset → the label that stands from the second person and that the third one's answer replaces, of those
    `acts` that settle a disagreement; `waiting`: the open entries of their pictures.
    """
    about = {one.asset_id: one.label_id for one in acts if one.act == "confirm"}
    disputed = {row.asset_id for row in waiting if row.source == DISAGREEMENT} & about.keys()
    if not disputed:
        return {}
    rows = connection.execute(
        select(tags.c.asset_id, tags.c.label_id)
        .join(decision_table, decision_table.c.id == tags.c.decision_id)
        .where(tags.c.asset_id.in_(disputed), tags.c.state == "confirmed")
        .where(decision_table.c.user_id != user_id)
    )
    return {row.asset_id: row.label_id for row in rows if row.label_id != about[row.asset_id]}


def disagreements(
    connection: Connection,
    user_id: int,
    acts: Sequence[ReviewAct] | Sequence[Row[Any]],
    waiting: Sequence[Row[Any]],
) -> list[dict[str, Any]]:
    """Entries for the queue: the pictures on which this person's answers differ from the opinion of anybody
    who asks for a second one; `waiting`: the open entries of the pictures, before the acts close them.

    A first person without an opinion of the own disagrees with nobody.
    """
    asking: dict[int, set[int]] = {}
    for entry in waiting:
        if entry.not_user_id not in (None, user_id):
            asking.setdefault(entry.asset_id, set()).add(entry.not_user_id)
    row = {"source": DISAGREEMENT, "reason": _REASON, "uncertainty": 1.0}
    return [
        {"asset_id": one.asset_id, **row}
        for one in acts
        if one.act in ("confirm", "reject")
        and one.asset_id in asking
        and _differs(connection, asking[one.asset_id], one)
    ]


def withdraw_disagreements(connection: Connection, asset_ids: Sequence[int]) -> None:
    """The second answer was taken back: nothing is left to disagree with."""
    connection.execute(
        update(queue_table)
        .where(queue_table.c.asset_id.in_(asset_ids), queue_table.c.source == DISAGREEMENT)
        .where(queue_table.c.state == "open")
        .values(state="withdrawn", done_at=now())
    )


def _differs(connection: Connection, asking: set[int], one: ReviewAct | Row[Any]) -> bool:
    """Whether the answer differs from the last opinion of any of those who ask."""
    rows = connection.execute(
        select(decision_table).where(decision_table.c.asset_id == one.asset_id).order_by(decision_table.c.id)
    ).all()
    taken: set[Any] = undone_decisions(rows)
    asked = (row for row in rows if row.act == "second_opinion" and row.id not in taken)
    opinions = {row.user_id: row.label_id for row in asked if row.user_id in asking}
    said = {label for label in opinions.values() if label is not None}
    return one.label_id in said if one.act == "reject" else bool(said - {one.label_id})
