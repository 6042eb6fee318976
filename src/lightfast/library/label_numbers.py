"""Labels by name: numbers for what people and models call things."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from lightfast.base.text import nfc
from lightfast.library.people.noting import note_audit
from lightfast.library.schema import labels

LABEL_ADDED = "label added"


def label_numbers(
    connection: Connection, names: Iterable[str], client: str = "", by: int | None = None
) -> dict[str, int]:
    """name → number of every label, in the words of `client` ("": the library's own). New names are added,
    and noted as brought by the user with the number `by`; None: by nobody who is known.
    """
    wanted = {name: nfc(name.strip()) for name in names}
    if not wanted:
        return {}
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    put = kind.insert(labels).on_conflict_do_nothing(index_elements=["client", "name"])
    rows = [{"client": client, "name": name} for name in sorted(set(wanted.values()))]
    new = connection.execute(put.returning(labels.c.name), rows).scalars().all()
    known = select(labels.c.name, labels.c.id).where(
        labels.c.client == client, labels.c.name.in_(wanted.values())
    )
    found = {row.name: row.id for row in connection.execute(known)}
    for name in sorted(new):
        said = {"name": name} | ({"client": client} if client else {})
        note_audit(connection, by, LABEL_ADDED, label_id=found[name], **said)
    return {name: found[text] for name, text in wanted.items()}
