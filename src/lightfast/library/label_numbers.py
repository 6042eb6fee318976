"""Labels by name: numbers for what people and models call things."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from lightfast.base.text import nfc
from lightfast.library.schema import labels


def label_numbers(connection: Connection, names: Iterable[str], client: str = "") -> dict[str, int]:
    """name → number of every label, in the words of `client` ("": the library's own). New names are added."""
    wanted = {name: nfc(name.strip()) for name in names}
    if not wanted:
        return {}
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    put = kind.insert(labels).on_conflict_do_nothing(index_elements=["client", "name"])
    connection.execute(put, [{"client": client, "name": name} for name in sorted(set(wanted.values()))])
    rows = connection.execute(
        select(labels.c.name, labels.c.id).where(
            labels.c.client == client, labels.c.name.in_(wanted.values())
        )
    )
    found = {row.name: row.id for row in rows}
    return {name: found[text] for name, text in wanted.items()}
