"""What a user of a client may see: the pictures that carry one of the client's labels, with these labels
alone, in the client's words, and of their files the name without the folder.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal, select

from lightfast.library.add import KEPT
from lightfast.library.schema import assets, labels, places, tags


def client_label_ids(client: str) -> Any:
    """A query: the client's own labels and those of the library that it has a name for."""
    own = select(labels.c.id).where(labels.c.client == client)
    meant = select(labels.c.same_as_id).where(labels.c.client == client, labels.c.same_as_id.isnot(None))
    return own.union(meant)


def client_words(connection: Connection, client: str) -> dict[str, str]:
    """The library's name → the client's name of every label that the client has a name for."""
    own = labels.alias("own")
    rows = connection.execute(
        select(own.c.name, labels.c.name.label("said"))
        .join(own, own.c.id == labels.c.same_as_id)
        .where(labels.c.client == client)
    )
    return {row.name: row.said for row in rows}


def seen_by_client(client: str) -> ColumnElement[bool]:
    """The condition, over the columns of `assets`, that users of the client may see a picture: a label of the
    client's is on it that nobody rejected.
    """
    own = tags.c.label_id.in_(client_label_ids(client))
    held = select(literal(1)).where(tags.c.asset_id == assets.c.id, own, tags.c.state != "rejected")
    return held.correlate(assets).exists()


def shown_name(uri: str, source: str) -> str:
    """What a file is called without its folder. A copy inside the library is called by its hash: what was
    added says more.
    """
    address = source if uri.startswith(KEPT) else uri
    return address.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or address


def named_like(text: str) -> ColumnElement[bool]:
    """The condition, over the columns of `assets`, that `shown_name` of a picture's first file holds `text`,
    in small or large letters; what else its address and its other files say is not looked at.
    """
    first = select(func.min(places.c.id)).where(places.c.asset_id == assets.c.id).correlate(assets)
    address = case((places.c.uri.startswith(KEPT), places.c.source), else_=places.c.uri)
    plain = func.replace(func.rtrim(address, "/\\"), "\\", "/")
    # All up to the last "/" is what remains where every other sign of the text is taken from its end.
    folder = func.rtrim(plain, func.replace(plain, "/", ""))
    name = func.substr(plain, func.length(folder) + 1)
    # SQLite makes only the letters of English small.
    held = func.lower(name).contains(text.lower(), autoescape=True) | name.contains(text, autoescape=True)
    own = select(literal(1)).where(places.c.id == first.scalar_subquery(), held)
    return own.correlate(assets).exists()
