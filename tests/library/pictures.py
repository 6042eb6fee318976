"""Assets without files, for tests of what happens to them."""

from __future__ import annotations

from sqlalchemy import insert, select

from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.people.users import user_number
from lightfast.library.review.lease import enqueue
from lightfast.library.schema import assets, tags
from lightfast.library.store import now


def fill(library: Library, count: int, names: tuple[str, ...] = ("cat", "dog"), users: int = 2) -> None:
    """`count` pictures, all queued, the first the most doubtful; labels and users called u1, u2 …."""
    with library.store.write() as connection:
        connection.execute(
            insert(assets),
            [{"sha256": f"{number:064}", "bytes": 1, "added_at": now()} for number in range(count)],
        )
        numbers = connection.execute(select(assets.c.id).order_by(assets.c.id)).scalars().all()
        label_numbers(connection, names)
        for number in range(users):
            user_number(connection, f"u{number + 1}")
        enqueue(
            connection,
            [
                {"asset_id": one, "source": "tag", "reason": "doubtful", "uncertainty": 1 - place / count}
                for place, one in enumerate(numbers)
            ],
        )


def suggest(library: Library, asset: int, label: int, probability: float, state: str = "suggested") -> None:
    """A tag that a machine's rule gave."""
    score = 1.0 if state == "confirmed" else probability
    row = {
        "state": state,
        "machine_state": state,
        "score": score,
        "probability": probability,
        "rule": "gap 0.5",
    }
    with library.store.write() as connection:
        connection.execute(insert(tags).values(asset_id=asset, label_id=label, updated_at=now(), **row))


def states(library: Library) -> dict[tuple[int, int], str]:
    """(asset, label) → state of every tag."""
    with library.store.read() as connection:
        return {(row.asset_id, row.label_id): row.state for row in connection.execute(select(tags))}
