"""The language of searches: `sky AND NOT (person OR car)`, `sky>=0.8`, `taken:2019..2021`.

Conditions that stand beside each other must all hold. AND, OR and NOT are written in capitals, NOT binds
first, OR last. A name with blanks or signs is quoted: "grand piano". What is said of pictures:

    sky                  a tag that nobody rejected; of a label with children also theirs
    sky>=0.8             with this score (1 where a person or a proven rule confirmed it); also > < <= =
    sky:confirmed        in this state: suggested, confirmed, rejected
    state:rejected       some tag in this state
    by:ada  by:*         decided by this person; by anybody
    taken:2019..2021     by the date in the picture: years, months (2019-05), days; one end may be left out
    added:2026-05        when it came into the library
    name:beach           a word in the address of a file
    source:holidays      a word in what it was added from
    is:untagged          without any tag; also waiting, deleted, unreadable
    id:1234              this picture
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from lightfast.base.errors import DataError
from lightfast.base.text import nfc

STATES = ("suggested", "confirmed", "rejected")
PROPERTIES = ("untagged", "waiting", "deleted", "unreadable")
FIELDS = ("state", "by", "taken", "added", "name", "source", "is", "id")
_DEEPEST = 50
_LONGEST = 4_000
_TOKEN = re.compile(
    r"""\s+ | (?P<open>\() | (?P<close>\)) | "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<compare>>=|<=|>|<|=)
    | (?P<colon>:) | (?P<word>[^\s()":<>=]+) | (?P<bad>.)""",
    re.VERBOSE | re.DOTALL,
)
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s()"]+)')


@dataclass(frozen=True)
class LabelTerm:
    """A label by the name that was written, at character `at` (from 1): in `state`, or in any but rejected
    where that is None; `compare` is ">=" … and `value` what its score is compared with.
    """

    name: str
    at: int
    state: str | None = None
    compare: str | None = None
    value: float = 0.0


@dataclass(frozen=True)
class FieldTerm:
    """`field`:`value` as written, at character `at`."""

    field: str
    value: str
    at: int


@dataclass(frozen=True)
class DateTerm:
    """`field` ("taken" or "added") from `first` on, before `end`; None: open. Both None: has no date."""

    field: str
    first: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class NotTerm:
    """What must not hold."""

    term: Term


@dataclass(frozen=True)
class AndTerm:
    """What must all hold; nothing: everything."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class OrTerm:
    """Of what at least one must hold."""

    terms: tuple[Term, ...]


Term = LabelTerm | FieldTerm | DateTerm | NotTerm | AndTerm | OrTerm


def parse_query(text: str) -> Term:
    """What a search means; an empty one finds everything.

    Raises DataError with the character at which it can no longer be understood.
    """
    if len(text) > _LONGEST:
        raise DataError("the query", expected=f"at most {_LONGEST:,} characters", got=f"{len(text):,}")
    return _Parser(nfc(text)).whole()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int
    end: int


class _Parser:
    """Reads one query from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [*_tokens(text), _Token("end", "", len(text) + 1, len(text))]
        self.place = self.depth = 0

    def whole(self) -> Term:
        if self.token.kind == "end":
            return AndTerm(())
        term = self.either()
        if self.token.kind != "end":
            self.fail("AND, OR or the end")
        return term

    @property
    def token(self) -> _Token:
        return self.tokens[self.place]

    def take(self) -> _Token:
        self.place += 1
        return self.tokens[self.place - 1]

    def taken(self, word: str) -> bool:
        """Whether the next token is this word in capitals; then it is passed."""
        here = self.token.kind == "word" and self.token.text == word
        self.place += here
        return here

    def fail(self, expected: str, cure: str = "") -> NoReturn:
        got = repr(self.token.text) if self.token.kind != "end" else "the end"
        raise DataError(
            f"the query cannot be understood at character {self.token.at}",
            expected=expected,
            got=got,
            cure=cure,
        )

    def either(self) -> Term:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise DataError("the query", expected=f"brackets at most {_DEEPEST} deep", got="deeper ones")
        terms = [self.both()]
        while self.taken("OR"):
            terms.append(self.both())
        self.depth -= 1
        return terms[0] if len(terms) == 1 else OrTerm(tuple(terms))

    def both(self) -> Term:
        terms = [self.one()]
        while self.taken("AND") or self._begins():
            terms.append(self.one())
        return terms[0] if len(terms) == 1 else AndTerm(tuple(terms))

    def _begins(self) -> bool:
        """Whether another condition begins here, without AND."""
        if self.token.kind == "word":
            return self.token.text != "OR"
        return self.token.kind in ("open", "quoted")

    def one(self) -> Term:
        denied = 0
        while self.taken("NOT"):
            denied += 1
        term = self.bracket() if self.token.kind == "open" else self.name()
        return NotTerm(term) if denied % 2 else term

    def bracket(self) -> Term:
        self.take()
        term = self.either()
        if self.token.kind != "close":
            self.fail("AND, OR or )")
        self.take()
        return term

    def name(self) -> Term:
        keyword = self.token.kind == "word" and self.token.text in ("AND", "OR")
        if keyword or self.token.kind not in ("word", "quoted"):
            self.fail("a label, a field such as taken: or (")
        token = self.take()
        field = token.text.lower()
        if self.token.kind == "colon" and self.token.at == token.end + 1:
            if token.kind == "word" and field in FIELDS:
                return self.field(field, token.at)
            return self.state(token)
        if self.token.kind == "compare":
            return self.score(token)
        return LabelTerm(token.text, token.at)

    def state(self, name: _Token) -> Term:
        self.take()
        if self.token.kind != "word" or self.token.text.lower() not in STATES:
            self.fail(
                f"{', '.join(STATES)} after {name.text}:",
                f"Fields are {', '.join(FIELDS)}; quote a label that has a colon in its name.",
            )
        return LabelTerm(name.text, name.at, self.take().text.lower())

    def score(self, name: _Token) -> Term:
        compare = self.take()
        try:
            value = float(self.token.text)
        except ValueError:
            value = -1.0
        if self.token.kind != "word" or not 0 <= value <= 1:
            self.fail(f"a number from 0 to 1 after {compare.text}")
        self.take()
        return LabelTerm(name.text, name.at, None, compare.text, value)

    def field(self, field: str, at: int) -> Term:
        colon = self.take()
        found = _VALUE.match(self.text, colon.end)
        if found is None:
            self.fail(f"a value right after {field}:")
        while self.token.kind != "end" and self.token.at <= found.end():
            self.take()
        value = _plain(found[1]) if found[1] is not None else found[2]
        if field in ("taken", "added"):
            return _dates(field, value, at)
        known = {"state": STATES, "is": PROPERTIES}.get(field)
        if known and value.lower() not in known:
            raise DataError(f"{field}:{value} at character {at}", expected=", ".join(known))
        return FieldTerm(field, value.lower() if known else value, at)


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup
        if kind == "bad":
            raise DataError(
                f"the query cannot be understood at character {found.start() + 1}",
                expected='a closing "',
                got="the end",
            )
        if kind is not None:
            content = _plain(found[kind]) if kind == "quoted" else found[kind]
            yield _Token(kind, content, found.start() + 1, found.end())


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)


def _dates(field: str, value: str, at: int) -> DateTerm:
    """`2019`, `2019-05..2020`, `..2019-05-03`, `none`: from the first moment of the first on, to the last
    moment of the last, in UTC.
    """
    if value.lower() == "none":
        return DateTerm(field, None, None)
    first, dots, last = value.partition("..")
    spans = [_span(one) if one else (None, None) for one in (first, last if dots else first)]
    if None in spans or value == "..":
        raise DataError(
            f"{field}:{value} at character {at}",
            expected="2019, 2019-05, 2019-05-03, a range such as 2019..2021, or none",
        )
    (begin, _), (_, end) = spans  # pyright: ignore[reportGeneralTypeIssues]
    if begin and end and begin >= end:
        raise DataError(f"{field}:{value} at character {at}", expected="the earlier date first")
    return DateTerm(field, begin, end)


def _span(text: str) -> tuple[datetime, datetime] | None:
    """The first moment of a year, month or day, and the first one after it; None for anything else."""
    found = re.fullmatch(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", text)
    if not found:
        return None
    year, month, day = (None if part is None else int(part) for part in found.groups())
    assert year is not None, "the pattern wants it"
    try:
        first = datetime(year, month or 1, day or 1, tzinfo=UTC)
        if day:
            return first, first + timedelta(days=1)
        if month:
            return first, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        return first, datetime(year + 1, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
