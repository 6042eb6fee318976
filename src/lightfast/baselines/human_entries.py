"""What a person may type for a picture, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Meaning = Literal["class", "dont_know", "stop", "again"]


@dataclass(frozen=True)
class TypedEntry:
    """An entry understood: a class by name, "don't know", the wish to stop, or
    (with the reason) nothing that can be used.
    """

    meaning: Meaning
    name: str | None = None
    message: str = ""


@dataclass(frozen=True)
class Keys:
    """The entries for one list of classes."""

    class_names: tuple[str, ...]

    @property
    def numbered(self) -> bool:
        """Whether a class can be given by its number in the list: not where names are numbers themselves."""
        return not any(name.strip().isdigit() for name in self.class_names)

    @property
    def stop(self) -> str:
        """What ends the session; never the name of a class."""
        return self._free("q")

    @property
    def dont_know(self) -> str:
        """What says "don't know"; never the name of a class."""
        return self._free("?")

    @property
    def help(self) -> str:
        """One line: what can be typed."""
        how = "number or beginning of a name" if self.numbered else "a name or its beginning"
        return f"{how}, {self.dont_know} = don't know, {self.stop} = stop"

    def understood(self, text: str) -> TypedEntry:
        """The meaning of what was typed: an exact name goes first, then the commands, a number,
        a name in other case, its beginning.
        """
        typed = text.strip()
        if typed in self.class_names:
            return TypedEntry("class", typed)
        if typed in (self.stop, self.dont_know):
            return TypedEntry("stop" if typed == self.stop else "dont_know")
        if typed.isdecimal() and self.numbered:
            return self._number(int(typed))
        if not typed:
            return TypedEntry("again", message=f"Nothing was typed: {self.help}.")
        return self._beginning(typed)

    def _number(self, number: int) -> TypedEntry:
        if 1 <= number <= len(self.class_names):
            return TypedEntry("class", self.class_names[number - 1])
        return TypedEntry("again", message=f"{number} is not among the numbers 1 to {len(self.class_names)}.")

    def _beginning(self, typed: str) -> TypedEntry:
        low = typed.casefold()
        whole = [name for name in self.class_names if name.casefold() == low]
        fits = whole or [name for name in self.class_names if name.casefold().startswith(low)]
        if len(fits) == 1:
            return TypedEntry("class", fits[0])
        if fits:
            shown = ", ".join(fits[:5]) + (" …" if len(fits) > 5 else "")
            return TypedEntry(
                "again", message=f"{typed!r} fits {len(fits)} classes ({shown}): type more of the name."
            )
        return TypedEntry("again", message=f"No class begins with {typed!r}: {self.help}.")

    def _free(self, key: str) -> str:
        return f":{key}" if any(name.casefold() == key for name in self.class_names) else key
