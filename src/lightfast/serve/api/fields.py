"""The kinds of values that requests carry, each with its bounds."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Literal

from fastapi import Header, Path
from pydantic import AfterValidator, Field

from lightfast.serve.problems import HttpProblem

_LARGEST = 2**63 - 1


def _writable(text: str) -> str:
    """No zero byte and no half of a surrogate pair: no database keeps them."""
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("it has signs that no database keeps")
    return text


def _named(text: str) -> str:
    text = _writable(text).strip()
    if not text:
        raise ValueError("it is empty")
    return text


def _writable_within(value: dict[str, Any]) -> dict[str, Any]:
    """Plain JSON whose texts are all writable, however deep they lie."""
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            _writable(one)
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
    return value


RowId = Annotated[int, Field(ge=1, le=_LARGEST)]
PathId = Annotated[int, Path(ge=1, le=_LARGEST)]
ShownName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_named)]
FreeText = Annotated[str, Field(max_length=2_000), AfterValidator(_writable)]
PlainArguments = Annotated[dict[str, Any], AfterValidator(_writable_within)]
ActKey = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_writable)]
RoleChoice = Literal["viewer", "reviewer", "admin"]
PageSize = Annotated[int, Field(ge=1, le=500)]
Cursor = Annotated[str | None, Field(max_length=500, description="`next` of the page before.")]
IdempotencyKey = Annotated[
    ActKey | None,
    Header(
        description="Any text of your own: a write that is sent again with the same key is not done again."
    ),
]


def as_cursor(place: Any) -> str:
    """A place in a list (plain JSON) as the opaque text that clients send back."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def cursor_number(cursor: str | None) -> int | None:
    """The row after which a page begins; raises HttpProblem 422 for what is no cursor."""
    if cursor is None:
        return None
    place = _place(cursor)
    if not _is_row(place):
        raise _no_cursor()
    return place


def cursor_pair(cursor: str | None) -> tuple[int, int] | None:
    """The pair of rows after which a page begins; raises HttpProblem 422 for what is no cursor."""
    if cursor is None:
        return None
    place = _place(cursor)
    if not isinstance(place, list) or len(place) != 2 or not all(map(_is_row, place)):
        raise _no_cursor()
    return place[0], place[1]


def _place(cursor: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        return None


def _is_row(place: object) -> bool:
    return isinstance(place, int) and not isinstance(place, bool) and 0 <= place <= _LARGEST


def _no_cursor() -> HttpProblem:
    return HttpProblem(
        422, "`cursor` is none that this server gave", cure="Begin at the first page, without it."
    )
