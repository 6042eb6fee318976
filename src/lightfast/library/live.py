"""A live head on a library's features: it follows what people decide, and says whom to ask next."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, func, select, update

from lightfast.base.errors import DataError
from lightfast.curate.live_head import LiveAccuracy, LiveHead
from lightfast.library.feature_files import open_features
from lightfast.library.library import Library
from lightfast.library.schema import decision_table, labels, queue_table, tags
from lightfast.library.store import in_pages

MOST_WAITING = 20_000
"""Pictures of the queue that a head looks at: the first ones in the order of doubt."""
_OWN_ORDER = ("disagreement", "curate", "select")
"""Entries whose order others have chosen."""
_CHANGED = 1e-3
_BREATH_SECONDS = 0.002
"""Between two writes of a new order: who waits to decide gets in."""
_LATE = 1_000
"""A decision may be written after one of a larger number: so far back it is looked for."""


@dataclass(frozen=True)
class Followed:
    """What a step of the head did.

    Attributes:
        decisions: that came since the last step.
        accuracy: of the head, by cross-validation on the decided pictures; None before it can be known.
        moved: entries of the queue that have another place now.
    """

    decisions: int
    accuracy: LiveAccuracy | None
    moved: int


class LibraryHead:
    """`curate.live_head.LiveHead` on the pictures that people decided and those that wait.

    A label that was rejected counts against itself, as it does there. Where people gave a picture several
    labels the last one teaches. Pictures that were added or queued later come in with the next `LibraryHead`.

    Args:
        library: its queue is re-ordered.
        source: the network whose features are used (`library embed`).

    Raises DataError where there are none, or none of these pictures has any.
    """

    def __init__(self, library: Library, source: str) -> None:
        self.library = library
        with library.store.read() as connection:
            kept = open_features(library, connection, source)
            decided = connection.execute(_decided_assets()).scalars().all()
            waiting = connection.execute(_waiting_assets()).scalars().all()
        wanted = np.array(sorted({*decided, *waiting}), np.int64)
        ids, vectors = kept.read(wanted)
        if not len(ids):
            raise DataError(
                f"no decided or waiting picture has features by {source}",
                cure=f"lightfast library embed {library.folder}",
            )
        self._last, self._seen = 0, set[int]()
        self._rows = {number: row for row, number in enumerate(ids.tolist())}
        self.head = LiveHead.start(vectors)
        self._follow()

    def follow(self) -> Followed:
        """Take up the decisions since the last step, fit the head to them, re-order the queue."""
        count = self._follow()
        accuracy = None if self.head.fit is None else self.head.fit.accuracy
        return Followed(count, accuracy, self._reorder())

    def probabilities(self, asset_id: int) -> Mapping[str, float]:
        """What the head says of one picture, by label; nothing before it is fitted, and of a picture that it
        does not know.
        """
        row = self._rows.get(asset_id)
        probs = None if row is None else self.head.probs(np.array([row]))
        return {} if probs is None else dict(zip(self.head.class_names, probs[0].tolist(), strict=True))

    def _follow(self) -> int:
        with self.library.store.read() as connection:
            late = decision_table.c.id > self._last - _LATE
            rows = [
                row
                for row in connection.execute(
                    select(decision_table.c.id, decision_table.c.asset_id).where(late)
                )
                if row.id not in self._seen
            ]
            touched = {row.asset_id for row in rows} & self._rows.keys()
            said = _said(connection, touched)
        if not rows:
            return 0
        self._last = max(self._last, *(row.id for row in rows))
        self._seen = {number for number in self._seen if number > self._last - _LATE}
        self._seen |= {row.id for row in rows if row.id > self._last - _LATE}
        if touched:
            self._teach(sorted(touched), said)
            self.head = self.head.refit()
        return len(rows)

    def _teach(self, touched: Sequence[int], said: Sequence[Any]) -> None:
        """The head with what holds about these pictures now, whatever it knew of them before."""
        head = self.head
        for name in sorted({row.name for row in said}):
            head = head.with_class(name)
        head = head.withdraw([self._rows[number] for number in touched])
        for row in said:
            if row.state == "rejected":
                head = head.reject(self._rows[row.asset_id], row.name)
        # Later decisions stand later: the last one of a picture holds.
        last = {self._rows[row.asset_id]: row.name for row in said if row.state == "confirmed"}
        if last:
            head = head.decide(list(last), list(last.values()))
        self.head = head

    def _reorder(self) -> int:
        """The queue by what the head doubts; how many entries moved."""
        probs = self.head.probs()
        if probs is None:
            return 0
        doubt = 1 - probs.max(axis=1)
        with self.library.store.read() as connection:
            entries = connection.execute(
                select(queue_table.c.id, queue_table.c.asset_id, queue_table.c.uncertainty).where(
                    queue_table.c.state == "open", queue_table.c.source.notin_(_OWN_ORDER)
                )
            ).all()
        moved = [
            {"entry": row.id, "doubt": float(doubt[self._rows[row.asset_id]])}
            for row in entries
            if row.asset_id in self._rows and _differs(row.uncertainty, doubt, self._rows[row.asset_id])
        ]
        if moved:
            here = queue_table.c.id == bindparam("entry")
            change = update(queue_table).where(here).values(uncertainty=bindparam("doubt"))
            # A page a transaction: whoever decides meanwhile waits for one of them, not for all.
            for page in in_pages(moved):
                self.library.store.act(lambda connection, page=page: connection.execute(change, page))
                time.sleep(_BREATH_SECONDS)
        return len(moved)


def _differs(before: float, doubt: NDArray[np.float32], row: int) -> bool:
    return abs(before - float(doubt[row])) > _CHANGED


def _decided_assets() -> Any:
    return select(tags.c.asset_id).where(tags.c.decision_id.isnot(None)).distinct()


def _waiting_assets() -> Any:
    return (
        select(queue_table.c.asset_id)
        .where(queue_table.c.state == "open")
        .order_by(queue_table.c.skipped, queue_table.c.uncertainty.desc(), queue_table.c.id)
        .limit(MOST_WAITING)
    )


def _said(connection: Connection, asset_ids: Collection[int]) -> list[Any]:
    """(asset, state, name of the label) as people decided, the earlier decisions first."""
    own = labels.alias("own")
    name = func.coalesce(own.c.name, labels.c.name).label("name")
    wanted = (
        select(tags.c.asset_id, tags.c.state, tags.c.decision_id, name)
        .join(labels, labels.c.id == tags.c.label_id)
        .outerjoin(own, own.c.id == labels.c.same_as_id)
        .where(tags.c.decision_id.isnot(None))
    )
    rows = [
        row
        for page in in_pages(sorted(asset_ids))
        for row in connection.execute(wanted.where(tags.c.asset_id.in_(page)))
    ]
    return sorted(rows, key=lambda row: row.decision_id)
