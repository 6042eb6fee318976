"""Class names: their order, and names that nobody can tell apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from lightfast.base.errors import DataError

_WORD = re.compile(r"[^\W\d_]{3}")


def ordered_class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct names in the order of the label numbers: by value when all are whole numbers,
    else alphabetical.
    """
    distinct = set(names)
    if all(re.fullmatch(r"-?\d+", name) for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def check_class_names(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Refuse empty names, names given twice, and names that people or file systems cannot tell apart: those
    that differ only in spaces around them, invisible signs or Unicode's spelling, and words (three letters or
    more in a row) that differ only in case or in which of space, hyphen and underscore divides them.

    Codes without such words are compared as they are: "A" and "a", "Co" and "CO", "1-1" and "11" are two
    classes.

    Returns: a note for each pair that was kept apart although it is easily confused.
    """
    seen: dict[str, str] = {}
    close: dict[str, str] = {}
    notes: list[str] = []
    for name in names:
        if not name.strip():
            raise DataError(f"{where}: a class name is empty", cure="Give every class a name.")
        key = _distinct(name)
        if key in seen:
            said = f"two classes are spelled alike: {seen[key]!r} and {name!r}"
            raise DataError(
                f"{where}: {said}", cure="Merge them, or rename one so that people can tell them apart."
            )
        seen[key] = name
        other = close.setdefault(normalized_name(name), name)
        if other != name:
            notes.append(f"classes {other!r} and {name!r} are spelled alike and were kept apart")
    return tuple(notes)


def _distinct(name: str) -> str:
    """What makes a name another one to people and file systems."""
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    plain = " ".join(unicodedata.normalize("NFKC", visible).split())
    return re.sub(r"[\s_-]+", " ", plain).strip().casefold() if _WORD.search(plain) else plain


def require_two_classes(
    names: Sequence[str], where: str, what: str = "classes", cure: str = "Add other classes."
) -> None:
    """Refuse a data set of one class; `what` are the things that make classes."""
    if len(names) < 2:
        said = f"{where} has one class only ({', '.join(names)})"
        raise DataError(said, expected=f"at least two {what}", cure=cure)


def normalized_name(name: str) -> str:
    """What two spellings of one name have in common: letter case, spaces, hyphens and underscores aside."""
    plain = unicodedata.normalize("NFKC", name).strip(" \t\r\n_")
    joined = re.sub(r"(?<=\w)[\s_-]+(?=\w)", "", plain)
    return joined if len(joined) == 1 else joined.casefold()
