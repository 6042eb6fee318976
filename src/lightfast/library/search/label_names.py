"""Labels as people write them in a search: in a client's words or the library's own, with all below them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from lightfast.base.errors import DataError
from lightfast.library.schema import labels

_SHOWN = 3


@dataclass(frozen=True)
class LabelNames:
    """The labels of a library, read once a search.

    Attributes:
        known: name → number, in the words of the client, or the library's own.
        children: number → numbers right below it.
        same: number of a client's label → number of the library's own that it is another name for.
        seen: the labels that a search of a client speaks of; None: of all.
    """

    known: dict[str, int]
    children: dict[int, list[int]] = field(default_factory=dict)
    same: dict[int, int] = field(default_factory=dict)
    seen: frozenset[int] | None = None

    def numbers(self, name: str, at: int, *, below: bool = True) -> tuple[int, ...]:
        """The label called `name`, and with `below` all below it; letters may be large or small.

        Raises DataError for a name that is not there, with those that are nearest.
        """
        number = self.known.get(name)
        if number is None:
            alike = [one for known, one in self.known.items() if known.casefold() == name.casefold()]
            if len(set(alike)) != 1:
                raise self._unknown(name, at)
            number = alike[0]
        found = {number, self.same.get(number, number)}
        waiting = list(found) if below else []
        while waiting:
            fresh = set(self.children.get(waiting.pop(), ())) - found
            found |= fresh
            waiting += fresh
        return tuple(sorted(found if self.seen is None else found & self.seen))

    def _unknown(self, name: str, at: int) -> DataError:
        said = f"no label is called {name!r} (character {at})"
        if name.upper() in ("AND", "OR", "NOT"):
            return DataError(said, cure=f"Write {name.upper()} in capitals, or quote a label of this name.")
        near = nearest_names(name, self.known)
        meant = f"Did you mean {' or '.join(map(quoted, near))}? " if near else ""
        return DataError(said, cure=f"{meant}Words in file names are found by name:{quoted(name)}.")


def quoted(name: str) -> str:
    """A name as a search takes it."""
    plain = name and not any(sign.isspace() or sign in '()":<>=\\' for sign in name)
    if plain and name not in ("AND", "OR", "NOT"):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def nearest_names(name: str, known: Iterable[str]) -> list[str]:
    """At most three of `known` that are written like `name`, or hold it."""
    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=_SHOWN, cutoff=0.5)
    near += [one for one in folded if name.casefold() in one and one not in near]
    return [folded[one] for one in near[:_SHOWN]]


def load_label_names(connection: Connection, client: str = "") -> LabelNames:
    """All labels that a search may name: the library's own, or those that `client` has words for, in these
    words; retired ones too, as their tags stay.
    """
    rows = connection.execute(select(labels).where(labels.c.client.in_(["", client]))).all()
    children: dict[int, list[int]] = {}
    for row in rows:
        if row.parent_id is not None:
            children.setdefault(row.parent_id, []).append(row.id)
    own = [row for row in rows if row.client == client]
    same = {row.id: row.same_as_id for row in own if row.same_as_id is not None}
    # What stands below a label of the library's own counts for a client as far as it has a word for it.
    seen = frozenset({row.id for row in own} | set(same.values())) if client else None
    return LabelNames({row.name: row.id for row in own}, children, same, seen)


def require_client(connection: Connection, client: str) -> None:
    """Raise DataError, with the nearest names, for a client that has a word for no label."""
    known = set(connection.execute(select(labels.c.client).distinct()).scalars()) - {""}
    if client not in known:
        near = nearest_names(client, known)
        cure = f"Did you mean {' or '.join(near)}?" if near else ""
        raise DataError(f"no client is called {client!r}", cure=cure)
