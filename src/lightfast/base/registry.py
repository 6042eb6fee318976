"""Name → object tables, the only global state of the package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from lightfast.base.errors import UnknownName

_T = TypeVar("_T")


class Registry(Generic[_T]):
    """An ordered table of named things of one kind (corruptions, models, data sets, studies).

    Filled at import by explicit calls in the module that defines the thing,
    so that adding one touches one file.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, _T] = {}

    def add(self, name: str, entry: _T) -> _T:
        """Store `entry` under `name`; a name taken twice is a programming error."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def get(self, name: str) -> _T:
        """The entry called `name`; raises UnknownName with the closest names."""
        if name not in self._entries:
            raise UnknownName(self.kind, name, self._entries)
        return self._entries[name]

    def names(self) -> tuple[str, ...]:
        """All names in the order of registration."""
        return tuple(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[_T]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)
