"""Class names: their order, and names that nobody can tell apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from lightfast.base.errors import DataError


def ordered_class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct names in the order of the label numbers: by value when all are whole numbers,
    else alphabetical.
    """
    distinct = set(names)
    if all(re.fullmatch(r"-?\d+", name) for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def check_class_names(names: Iterable[str], where: str) -> None:
    """Refuse empty names, names given twice, and names that differ only in case, spaces, hyphens or
    underscores.

    Single characters are compared with their case: "A" and "a" are two classes of handwriting, "Cat" and
    "cat" are one of cats.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not name.strip():
            raise DataError(f"{where}: a class name is empty", cure="Give every class a name.")
        key = normalized_name(name)
        if key in seen:
            said = f"two classes are spelled alike: {seen[key]!r} and {name!r}"
            raise DataError(
                f"{where}: {said}", cure="Merge them, or rename one so that people can tell them apart."
            )
        seen[key] = name


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
