"""What a library holds, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from lightfast.library.library import Library
from lightfast.library.review.lease import count_waiting
from lightfast.library.schema import assets, decision_table, labels, models, places, tags


@dataclass(frozen=True)
class LabelCount:
    """A label with how many of its tags are confirmed (by people or rules), suggested, rejected."""

    name: str
    confirmed: int
    suggested: int
    rejected: int


@dataclass(frozen=True)
class LibrarySummary:
    """A library in numbers.

    Attributes:
        folder, database: where it lies; no password is shown.
        pictures: that can be seen; `unreadable` and `deleted` ones come beside them.
        places: files that hold them.
        waiting: pictures that wait for a person, counted up to 10,000.
        decisions: acts of people, ever.
        model: the promoted one, or None.
        labels: every label that some picture has.
        first, last: the dates in the pictures' EXIF.
    """

    folder: Path
    database: str
    pictures: int
    unreadable: int
    deleted: int
    places: int
    waiting: int
    decisions: int
    model: str | None
    labels: tuple[LabelCount, ...]
    first: datetime | None
    last: datetime | None


def summarise(library: Library) -> LibrarySummary:
    """Count what the library holds. It reads every row: for people who wait, not for every click."""
    with library.store.read() as connection:
        seen = assets.c.deleted_at.is_(None) & assets.c.unreadable.is_(None)
        dates = select(func.min(assets.c.taken_at), func.max(assets.c.taken_at)).where(seen)
        first, last = connection.execute(dates).one()
        promoted = (
            select(models.c.name)
            .where(models.c.promoted_at.isnot(None), models.c.rolled_back_at.is_(None))
            .order_by(models.c.promoted_at.desc())
        )
        return LibrarySummary(
            library.folder,
            library.store.name,
            _count(connection, seen),
            _count(connection, assets.c.deleted_at.is_(None) & assets.c.unreadable.isnot(None)),
            _count(connection, assets.c.deleted_at.isnot(None)),
            connection.execute(select(func.count()).select_from(places)).scalar_one(),
            count_waiting(connection),
            connection.execute(select(func.count()).select_from(decision_table)).scalar_one(),
            connection.execute(promoted.limit(1)).scalar(),
            _labels(connection),
            first,
            last,
        )


def _count(connection: Connection, where: object) -> int:
    return connection.execute(select(func.count()).select_from(assets).where(where)).scalar_one()  # pyright: ignore[reportArgumentType]


def _labels(connection: Connection) -> tuple[LabelCount, ...]:
    rows = connection.execute(
        select(labels.c.name, tags.c.state, func.count())
        .join(labels, labels.c.id == tags.c.label_id)
        .group_by(labels.c.name, tags.c.state)
    ).all()
    counts = {name: dict.fromkeys(("confirmed", "suggested", "rejected"), 0) for name, _, _ in rows}
    for name, state, count in rows:
        counts[name][state] += count
    return tuple(LabelCount(name, **of) for name, of in sorted(counts.items()))
