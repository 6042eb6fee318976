"""`Keyword`: one tag of a picture on its way into a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from lightfast.base.errors import DataError, UnknownName

State = Literal["suggested", "confirmed", "rejected"]
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Keyword:
    """One tag of a picture.

    Attributes:
        path: names from the root of the taxonomy to the tag, e.g. ("animal", "dog"); one name where there is
            no taxonomy.
        state: "suggested" by a model, "confirmed", or "rejected": not to be suggested again.
        probability: of a model, 0..1, or None. A confirmed keyword that has one was confirmed by a model that
            was sure enough; without it, by a person (or another program).
        library: a person confirmed it in a library, which can take it back.
    """

    path: tuple[str, ...]
    state: State = "suggested"
    probability: float | None = None
    library: bool = False

    @property
    def by_person(self) -> bool:
        """Whether a person (or another program) stands for it, outside any library."""
        return self.state == "confirmed" and self.probability is None and not self.library

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", tuple(self.path))
        if self.state not in get_args(State):
            raise UnknownName("state of a keyword", self.state, get_args(State))
        named = f"keyword {'/'.join(self.path)!r}"
        if not self.path or not all(name.strip() for name in self.path):
            raise DataError(named, expected="a path of names", got="an empty name")
        if any(map(_NOT_XML.search, self.path)):
            characters, got = "characters that XML can hold", "a control character"
            raise DataError(named, expected=characters, got=got, cure="Rename the label.")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise DataError(f"{named}: probability", expected="0..1", got=str(self.probability))
