"""Class names: their order, and names that nobody can tell apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from lightfast.base.errors import DataError

_WORD = re.compile(r"[^\W\d_]{3}")
_LAST_CODE = re.compile(r"(?<=[\s_-])[^\W_]{1,2}$")
_SHOWN = 5


def ordered_class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct names in the order of the label numbers: by value when all are whole numbers,
    else alphabetical.
    """
    distinct = set(names)
    if all(re.fullmatch(r"-?\d+", name) for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def check_class_names(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Refuse empty names, names given twice, and names that people or file systems cannot tell apart.

    Spaces around a name and repeated ones, invisible signs and Unicode's spelling tell no names apart.
    Neither do, in names with a word (three letters or more in a row), letter case and, where there is no
    digit, which of space, hyphen and underscore divides the words: "Cat" and "cat", "T-shirt" and "t_shirt"
    are one class.

    Codes keep their case and their signs: "A" and "a", "Co" and "CO", "1-1" and "11", also as the last word
    of a name ("Sample A", "Sample a").

    Returns: one note on the names that were kept apart although they are easily confused, or nothing.
    """
    seen: dict[str, str] = {}
    close: dict[str, str] = {}
    confused: list[str] = []
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
            confused.append(f"{other!r} and {name!r}")
    shown = ", ".join(confused[:_SHOWN]) + f" and {len(confused) - _SHOWN} more" * (len(confused) > _SHOWN)
    return (f"classes spelled alike were kept apart: {shown}",) if confused else ()


def _distinct(name: str) -> str:
    """What makes a name another one to people and file systems."""
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    plain = " ".join(unicodedata.normalize("NFKC", visible).split())
    if not _WORD.search(plain):
        return plain
    if not any(map(str.isdigit, plain)):
        plain = re.sub(r"[\s_-]+", " ", plain).strip()
    code = _LAST_CODE.search(plain)
    end = code.start() if code else len(plain)
    return plain[:end].casefold() + plain[end:]


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
