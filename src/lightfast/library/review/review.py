"""Review in rows of plain text: what a person is asked, and answers as they are written into a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import Connection, select

from lightfast.base.errors import DataError, SettingsError, UnknownName
from lightfast.base.text import nfc
from lightfast.library.find import require_assets, uris_of
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.promote import promoted_number
from lightfast.library.review.decide import Act, Acted, ReviewAct, decide
from lightfast.library.review.lease import Order, QueueEntry, lease_next
from lightfast.library.review.tag_states import ABOUT_LABELS
from lightfast.library.schema import labels, predictions, queue_table

NOT_IT = "not this"
"""The answer that the picture is not what is asked."""


@dataclass(frozen=True)
class AskedAsset:
    """A picture that a person is asked about, without a word of what other people said of it.

    Attributes:
        asset_id: the picture; `path` is where it lies, or lay.
        label: what is asked about; None: any label may be given.
        probability: of that label by the model in use; None where it said nothing.
        others: what else that model holds for possible, with probabilities, the likeliest first.
        reason, source, uncertainty: see `QueueEntry`.
    """

    asset_id: int
    path: str
    label: str | None
    probability: float | None
    others: tuple[tuple[str, float], ...]
    reason: str
    source: str
    uncertainty: float


@dataclass(frozen=True)
class AnswerRow:
    """One answer as it is written by hand.

    Attributes:
        picture: number, path or hash.
        label: the name of a label; `NOT_IT`: not the one that was asked; "" for acts without one.
        act: what is done; None: confirm, or reject for `NOT_IT`.
        reason, seconds, key: see `ReviewAct`.
    """

    picture: str
    label: str = ""
    act: str | None = None
    reason: str = ""
    seconds: float = 0.0
    key: str | None = None


def next_asked(
    library: Library, user_id: int, count: int, order: Order = "uncertainty"
) -> tuple[AskedAsset, ...]:
    """The next pictures of the queue, under a lease of this person; see `lease_next`."""
    entries = lease_next(library.store, user_id, count, order=order)
    with library.store.read() as connection:
        paths = uris_of(connection, [one.asset_id for one in entries])
        said = _said(connection, [one.asset_id for one in entries])
        names = {row.id: row.name for row in connection.execute(select(labels.c.id, labels.c.name))}
    return tuple(
        _asked(one, paths.get(one.asset_id, ""), said.get(one.asset_id, {}), names) for one in entries
    )


def decide_rows(
    library: Library, user_id: int, rows: Sequence[AnswerRow], *, add_labels: bool = False, over: bool = False
) -> Acted:
    """Do what the rows say, all or none, as one batch (`decide`).

    Args:
        library: is written.
        user_id: who decided.
        rows: at least one.
        add_labels: names that the library does not know become labels; otherwise they are refused.
        over: decide over what other people decided.

    Raises DataError, SettingsError and UnknownName for rows that cannot be done; nothing is written then.
    """
    if not rows:
        raise DataError("no answers", cure="Fill in what was decided.")
    wrong = next((one for one in rows if one.act is not None and one.act not in get_args(Act)), None)
    if wrong is not None:
        raise SettingsError(f"`act` {wrong.act!r}", expected=" or ".join(get_args(Act)))
    with library.store.read() as connection:
        found = require_assets(connection, [one.picture for one in rows])
        asked = _asked_labels(connection, found.values())
        known = _own_labels(connection)
    wanted = {
        nfc(one.label.strip())
        for one in rows
        if one.label.strip() and (one.label != NOT_IT or NOT_IT in known)
    }
    numbers = _numbers(library, wanted, known, user_id, add_labels=add_labels)
    acts = [_act(one, found[one.picture], asked, numbers) for one in rows]
    return decide(library.store, user_id, acts, over=over)


def _numbers(
    library: Library, wanted: Iterable[str], known: Mapping[str, int], by: int, *, add_labels: bool
) -> Mapping[str, int]:
    """label → number; new ones are added as those of the user `by`, or refused."""
    if missing := sorted(set(wanted) - set(known)):
        if not add_labels:
            raise UnknownName("label of this library", missing[0], known)
        return {**known, **library.store.act(lambda connection: label_numbers(connection, missing, by=by))}
    return known


def _act(one: AnswerRow, asset: int, asked: Mapping[int, int], numbers: Mapping[str, int]) -> ReviewAct:
    name = nfc(one.label.strip())
    negative = name == NOT_IT and NOT_IT not in numbers
    act: Any = one.act or ("reject" if negative else "confirm")
    label = asked.get(asset) if negative else numbers.get(name)
    if act in ABOUT_LABELS and label is None:
        what = "which label it is not" if negative else "a label"
        raise DataError(f"`{act}` of picture {one.picture}", expected=what, got="none")
    # Another label than the one that was asked about says that it is not that.
    before = asked.get(asset) if act == "confirm" else None
    more = {"reason": one.reason, "seconds": one.seconds, "key": one.key}
    return ReviewAct(asset, act, label, before if before != label else None, **more)


def _own_labels(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(labels.c.name, labels.c.id).where(labels.c.client == ""))
    return {row.name: row.id for row in rows}


def _asked_labels(connection: Connection, asset_ids: Iterable[int]) -> dict[int, int]:
    """asset → the label that the queue asks about."""
    rows = connection.execute(
        select(queue_table.c.asset_id, queue_table.c.label_id)
        .where(queue_table.c.asset_id.in_(list(asset_ids)), queue_table.c.label_id.isnot(None))
        .where(queue_table.c.state == "open")
        .order_by(queue_table.c.uncertainty, queue_table.c.id.desc())
    )
    return {row.asset_id: row.label_id for row in rows}


def _said(connection: Connection, asset_ids: Sequence[int]) -> dict[int, dict[int, float]]:
    """asset → label → probability by the model in use."""
    rows = connection.execute(
        select(predictions.c.asset_id, predictions.c.label_id, predictions.c.probability)
        .where(predictions.c.asset_id.in_(asset_ids))
        .where(predictions.c.model_id == (promoted_number(connection) or _last_model(connection, asset_ids)))
    )
    found: dict[int, dict[int, float]] = {}
    for row in rows:
        found.setdefault(row.asset_id, {})[row.label_id] = row.probability
    return found


def _last_model(connection: Connection, asset_ids: Sequence[int]) -> int:
    """The newest model that said something of these pictures: nobody has promoted one yet."""
    newest = select(predictions.c.model_id).where(predictions.c.asset_id.in_(asset_ids))
    return connection.execute(newest.order_by(predictions.c.model_id.desc()).limit(1)).scalar() or 0


def _asked(entry: QueueEntry, path: str, said: Mapping[int, float], names: Mapping[int, str]) -> AskedAsset:
    others = sorted(
        ((names[one], share) for one, share in said.items() if one != entry.label_id),
        key=lambda pair: -pair[1],
    )
    label = None if entry.label_id is None else names[entry.label_id]
    share = None if entry.label_id is None else said.get(entry.label_id)
    rest = (entry.reason, entry.source, entry.uncertainty)
    return AskedAsset(entry.asset_id, path, label, share, tuple(others), *rest)
