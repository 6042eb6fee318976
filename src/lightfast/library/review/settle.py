"""What acts mean for the queue: answered questions close, and open again where an act is taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, insert, select, true, update

from lightfast.library.review.disagree import withdraw_disagreements
from lightfast.library.review.lease import DISAGREEMENT, enqueue, open_entries
from lightfast.library.review.tag_states import ABOUT_LABELS, live_decisions
from lightfast.library.schema import decision_table, queue_table
from lightfast.library.store import now

if TYPE_CHECKING:
    from lightfast.library.review.decide import ReviewAct


_OPENED = {"state": "open", "done_at": None}
_REASONS = {"second_opinion": "a second opinion is asked for", "send_back": "sent back"}
"""Why a picture is queued by an act, where it did not wait before."""


def settle(
    connection: Connection,
    user_id: int,
    acts: Sequence[ReviewAct] | Sequence[Row[Any]],
    waiting: Sequence[Row[Any]],
) -> None:
    """Bring the queue to what was done: answered entries are done, skipped ones go behind, second opinions go
    to somebody else, what was sent back is open again; `waiting`: the open entries of the pictures.

    Where a model asked about several labels of a picture, an answer about one leaves the others open.
    """
    _close(connection, [one for one in acts if one.act in ABOUT_LABELS], waiting)
    pictures = _by_act(acts)
    if pictures.keys() <= {*ABOUT_LABELS}:
        return
    is_open = queue_table.c.state == "open"
    _bring(connection, pictures.get("skip", ()), is_open, {"skipped": queue_table.c.skipped + 1})
    _request(connection, user_id, pictures.get("second_opinion", ()))
    _bring(connection, pictures.get("send_back", ()), queue_table.c.state == "done", _OPENED)
    _ask_again(connection, pictures.get("send_back", ()))


def _request(connection: Connection, user_id: int, asset_ids: Sequence[int]) -> None:
    """This person asks for a second opinion of the pictures: their open entries are for others. Where there
    is none, or another person has asked before and is to be kept out as well, by an entry of the own.
    """
    mine, others, waiting = set[int](), set[int](), set[int]()
    for row in open_entries(connection, asset_ids):
        waiting.add(row.asset_id)
        if row.not_user_id is not None:
            (mine if row.not_user_id == user_id else others).add(row.asset_id)
    free = (queue_table.c.state == "open") & queue_table.c.not_user_id.is_(None)
    _bring(connection, sorted(waiting - others), free, {"not_user_id": user_id})
    row = {"source": "person", "reason": _REASONS["second_opinion"], "uncertainty": 1.0}
    row |= {"not_user_id": user_id, "added_at": now()}
    new = sorted({*asset_ids} - (waiting - others) - mine)
    if new:
        connection.execute(insert(queue_table), [{**row, "asset_id": number} for number in new])


def _ask_again(connection: Connection, asset_ids: Sequence[int]) -> None:
    """Queue those of the pictures that have no open entry: nobody would be asked about them."""
    waiting = {row.asset_id for row in open_entries(connection, asset_ids)}
    row = {"source": "person", "reason": _REASONS["send_back"], "uncertainty": 1.0}
    new = [number for number in dict.fromkeys(asset_ids) if number not in waiting]
    enqueue(connection, [{**row, "asset_id": number} for number in new])


def _close(connection: Connection, acts: Sequence[ReviewAct | Row[Any]], waiting: Sequence[Row[Any]]) -> None:
    """The open entries that the answers settle are done."""
    about = {one.asset_id for one in acts}
    entries = [row for row in waiting if row.asset_id in about]
    several, answered = _several(entries), _answered(acts)
    done = [
        row.id for row in entries if not _on_its_own(row, several) or (row.asset_id, row.label_id) in answered
    ]
    _done(connection, done)


def unsettle(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    """Bring the queue to where it was before the acts, decisions of one person that were just taken back."""
    own = queue_table.c.not_user_id == rows[0].user_id
    pictures, since = _by_act(rows), min(row.at for row in rows)
    fewer = {"skipped": queue_table.c.skipped - 1}
    _bring(connection, pictures.get("skip", ()), queue_table.c.skipped > 0, fewer)
    for act, reason in _REASONS.items():
        of_the_act = (queue_table.c.source == "person") & (queue_table.c.reason == reason)
        of_the_act &= (queue_table.c.state == "open") & (queue_table.c.added_at >= since)
        of_the_act &= own if act == "second_opinion" else true()
        _bring(connection, pictures.get(act, ()), of_the_act, {"state": "withdrawn", "done_at": now()})
    _bring(connection, pictures.get("second_opinion", ()), own, {"not_user_id": None})
    answered, sent_back = (
        {one.asset_id for one in rows if one.act in ABOUT_LABELS},
        pictures.get("send_back", ()),
    )
    live = _live(connection, {*answered, *sent_back})
    decided = {row.asset_id for row in live} & answered
    _close_again(connection, {*sent_back, *decided}, live, since)
    free = sorted(answered - decided)
    withdraw_disagreements(connection, free)
    _bring(connection, free, queue_table.c.state == "done", _OPENED)


def _close_again(
    connection: Connection, settled: set[int], live: Sequence[Row[Any]], since: datetime
) -> None:
    """Pictures that an act before the one taken back has settled wait no longer, but for what it had settled
    between two others, and for questions about labels of which nothing holds any more.
    """
    disagreed = queue_table.c.source == DISAGREEMENT
    _bring(connection, sorted(settled), disagreed & (queue_table.c.done_at >= since), _OPENED)
    entries = _entries(connection, settled, "open", "done")
    several, holds = _several(entries), _answered(live)
    own = [row for row in entries if _on_its_own(row, several)]
    wait = [row.id for row in own if (row.asset_id, row.label_id) not in holds]
    closed = [row.id for row in entries if row.state == "open" and row.source != DISAGREEMENT]
    _done(connection, sorted({*closed} - {*wait}))
    if wait:
        connection.execute(update(queue_table).where(queue_table.c.id.in_(wait)).values(_OPENED))


def _entries(connection: Connection, asset_ids: Sequence[int] | set[int], *states: str) -> Sequence[Row[Any]]:
    if not asset_ids:
        return []
    wanted = select(queue_table).where(queue_table.c.asset_id.in_(asset_ids), queue_table.c.state.in_(states))
    return connection.execute(wanted).all()


def _several(entries: Sequence[Row[Any]]) -> set[int]:
    """Pictures of which models ask about more than one label."""
    asked = {(row.asset_id, row.label_id) for row in entries if _of_a_label(row)}
    labels = Counter(asset for asset, _ in asked)
    return {asset for asset, count in labels.items() if count > 1}


def _on_its_own(row: Row[Any], several: set[int]) -> bool:
    """Whether only an answer about its own label closes an entry."""
    return row.asset_id in several and _of_a_label(row)


def _of_a_label(row: Row[Any]) -> bool:
    return row.source == "tag" and row.label_id is not None


def _answered(acts: Sequence[ReviewAct | Row[Any]]) -> set[tuple[int, int | None]]:
    """(asset, label) of what the acts say something about: a label, and the one that it replaces."""
    return {(one.asset_id, label) for one in acts for label in (one.label_id, one.from_label_id)}


_DONE = (
    update(queue_table)
    .where(queue_table.c.id.in_(bindparam("entries", expanding=True)))
    .values(state="done", done_at=bindparam("moment"))
)


def _done(connection: Connection, entry_ids: Sequence[int]) -> None:
    if entry_ids:
        connection.execute(_DONE, {"entries": list(entry_ids), "moment": now()})


def _bring(
    connection: Connection, asset_ids: Sequence[int], where: ColumnElement[bool], values: Mapping[str, Any]
) -> None:
    """Change the entries of some pictures."""
    if asset_ids:
        here = update(queue_table).where(queue_table.c.asset_id.in_(asset_ids), where)
        connection.execute(here.values(dict(values)))


def _live(connection: Connection, asset_ids: set[int]) -> list[Row[Any]]:
    """The decisions about labels of these pictures that still hold."""
    about = select(decision_table).where(decision_table.c.asset_id.in_(asset_ids))
    return live_decisions(connection.execute(about).all()) if asset_ids else []


def _by_act(acts: Sequence[ReviewAct] | Sequence[Row[Any]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in acts:
        found.setdefault(one.act, []).append(one.asset_id)
    return found
