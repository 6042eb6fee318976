"""Where things lie on the server is for admins: in what others are told, names of files stand without their
folders, and a database without its address. The log keeps the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

_WORD = r"""[^/\s"`]"""
_INSIDE = rf"""{_WORD}*[^/\s"`,;:')]"""
# Of a folder whose name has spaces each word but the last ends as no sentence does, so that two places in one
# sentence stay two. Possessive: a text of slashes is read once.
_FOLDER = rf"(?:{_WORD}++/|{_INSIDE}(?: (?!['(]){_INSIDE}){{1,4}}/)"
_PLACES = (
    (re.compile(r"\b(?:postgresql|postgres|sqlite)(?:\+\w+)?://[^\s\"'`)]+"), "the database"),
    (re.compile(r"\bfile://(?=/)"), ""),
    (re.compile(r"(?<!\w)[A-Za-z]:[\\/](?:[^\\/\s\"'`]+[\\/])*"), ""),
    (re.compile(rf"(?<![\w/.)~\-])~?/(?=[^/\s])(?:{_FOLDER})*+"), ""),
    # What PostgreSQL's driver says of a server that does not answer, or has no address.
    (re.compile(r'(?<=to server) (?:at|on socket) "[^"]*"(?: \([^)]*\))?(?:, port \d+)?'), ""),
    (re.compile(r"""\b(resolve host|host name) (["'])[^"']*\2"""), r"\1"),
)
_Value = TypeVar("_Value")


def without_places(text: str) -> str:
    """The text with the last part alone of every address on a disk, and without those of databases."""
    return "\n".join(map(_plain, text.split("\n")))


def shown(value: _Value, *, places: bool) -> _Value:
    """Plain JSON as it is, where the reader sees `places`; for others every text within, however deep, is
    `without_places`. Names of fields stay as they are.
    """
    return value if places else _without(value)


def _plain(line: str) -> str:
    if not any(sign in line for sign in "/\\\"'"):
        return line
    for place, instead in _PLACES:
        line = place.sub(instead, line)
    return line


def _without(value: Any) -> Any:
    if isinstance(value, str):
        return without_places(value)
    if isinstance(value, Mapping):
        return {name: _without(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        parts = [_without(one) for one in value]
        return tuple(parts) if isinstance(value, tuple) else parts
    return value
