"""The tags of a picture as they follow from all that people decided about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from lightfast.library.schema import decision_table, tags
from lightfast.library.store import now

ABOUT_LABELS = ("confirm", "reject")
"""The acts that say something about a label."""


def live_decisions(rows: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Those of `rows` (all acts about some pictures, in their order) about labels that no undo has taken
    back.
    """
    rows = sorted(rows, key=lambda row: row.id)
    taken = undone_decisions(rows)
    return [row for row in rows if row.act in ABOUT_LABELS and row.id not in taken]


def undone_decisions(rows: Iterable[Row[Any]]) -> set[int]:
    """The numbers of the decisions that an undo, among `rows` in their order, has taken back."""
    taken: dict[int, bool] = {}
    for row in rows:
        if row.act in ("undo", "redo"):
            taken[row.about_id] = row.act == "undo"
    return {number for number, gone in taken.items() if gone}


def tag_states(rows: Iterable[Row[Any]]) -> dict[tuple[int, int], tuple[str, int]]:
    """(asset, label) → ("confirmed" or "rejected", the decision that says so): later decisions win."""
    states: dict[tuple[int, int], tuple[str, int]] = {}
    for row in live_decisions(rows):
        if row.act == "confirm" and row.from_label_id not in (None, row.label_id):
            states[row.asset_id, row.from_label_id] = ("rejected", row.id)
        states[row.asset_id, row.label_id] = ("confirmed" if row.act == "confirm" else "rejected", row.id)
    return states


_DECISIONS = select(decision_table).where(decision_table.c.asset_id.in_(bindparam("assets", expanding=True)))
_TAGS = select(tags).where(tags.c.asset_id.in_(bindparam("assets", expanding=True)))
_THIS = (tags.c.asset_id == bindparam("asset")) & (tags.c.label_id == bindparam("label"))
_CHANGED = ("state", "score", "decision_id", "updated_at")
_CHANGE = update(tags).where(_THIS).values({name: bindparam(f"to_{name}") for name in _CHANGED})
_TAKE_OUT, _PUT_IN = delete(tags).where(_THIS), insert(tags)


def rebuild_tags(connection: Connection, asset_ids: Iterable[int]) -> None:
    """Bring the tags of some pictures to what their decisions say; where none holds any more, to what the
    machine's rule said.
    """
    numbers = list(set(asset_ids))
    if not numbers:
        return
    said = tag_states(connection.execute(_DECISIONS, {"assets": numbers}).all())
    present = connection.execute(_TAGS, {"assets": numbers}).all()
    gone: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for row in present:
        key = {"asset": row.asset_id, "label": row.label_id}
        values = _values(row, said.pop((row.asset_id, row.label_id), None))
        if values is None:
            gone.append(key)
        elif values:
            changed.append({**key, **{f"to_{name}": value for name, value in values.items()}})
    if gone:
        connection.execute(_TAKE_OUT, gone)
    if changed:
        connection.execute(_CHANGE, changed)
    if said:
        connection.execute(_PUT_IN, [_tag_row(key, state) for key, state in said.items()])


def _tag_row(key: tuple[int, int], said: tuple[str, int]) -> dict[str, Any]:
    state, decision = said
    return {
        "asset_id": key[0],
        "label_id": key[1],
        "state": state,
        "score": float(state == "confirmed"),
        "decision_id": decision,
        "updated_at": now(),
    }


def _values(row: Row[Any], said: tuple[str, int] | None) -> dict[str, Any] | None:
    """What changes in a tag; nothing where it is as it should be, None where it goes."""
    if said is not None:
        if (row.state, row.decision_id) == said:
            return {}
        state, decision = said
        score = float(state == "confirmed")
    elif row.machine_state is None:
        return None
    elif row.decision_id is None:
        return {}
    else:
        state, decision = row.machine_state, None
        score = 1.0 if state == "confirmed" else row.probability
    return {"state": state, "score": score, "decision_id": decision, "updated_at": now()}
