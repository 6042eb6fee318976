"""What a search means, and where it can no longer be understood."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lightfast.base.errors import DataError
from lightfast.library.search.syntax import (
    AndTerm,
    DateTerm,
    FieldTerm,
    LabelTerm,
    NotTerm,
    OrTerm,
    parse_query,
)


def _day(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def test_not_binds_first_and_or_last():
    assert parse_query("a OR b AND NOT c") == OrTerm(
        (LabelTerm("a", 1), AndTerm((LabelTerm("b", 6), NotTerm(LabelTerm("c", 16)))))
    )


def test_brackets_and_conditions_beside_each_other():
    assert parse_query("sky NOT (person OR car)") == AndTerm(
        (LabelTerm("sky", 1), NotTerm(OrTerm((LabelTerm("person", 10), LabelTerm("car", 20)))))
    )


def test_not_not_is_nothing():
    assert parse_query("NOT NOT a") == LabelTerm("a", 9)


def test_nothing_finds_everything():
    assert parse_query("  ") == AndTerm(())


def test_quoted_names_hold_blanks_signs_and_keywords():
    assert parse_query('"grand piano" "AND" "a\\"b"') == AndTerm(
        (LabelTerm("grand piano", 1), LabelTerm("AND", 15), LabelTerm('a"b', 21))
    )


def test_scores_and_states_of_labels():
    assert parse_query('sky>=0.8 "red car"<.5 sea:confirmed') == AndTerm(
        (
            LabelTerm("sky", 1, None, ">=", 0.8),
            LabelTerm("red car", 10, None, "<", 0.5),
            LabelTerm("sea", 23, "confirmed"),
        )
    )


def test_fields_take_what_stands_right_behind_them():
    assert parse_query('source:s3://box/a:b by:"Ada L" state:Rejected is:waiting id:7') == AndTerm(
        (
            FieldTerm("source", "s3://box/a:b", 1),
            FieldTerm("by", "Ada L", 21),
            FieldTerm("state", "rejected", 32),
            FieldTerm("is", "waiting", 47),
            FieldTerm("id", "7", 58),
        )
    )


@pytest.mark.parametrize(
    "text, first, end",
    [
        ("2019", _day(2019), _day(2020)),
        ("2019..2021", _day(2019), _day(2022)),
        ("2019-12", _day(2019, 12), _day(2020)),
        ("2019-05-31..", _day(2019, 5, 31), None),
        ("..2019-05-31", None, _day(2019, 6)),
        ("none", None, None),
    ],
)
def test_dates_run_from_the_first_moment_to_the_last(text, first, end):
    assert parse_query(f"taken:{text}") == DateTerm("taken", first, end)


@pytest.mark.parametrize(
    "text, said",
    [
        ("sky AND", "character 8: expected a label.*got the end"),
        ("(sky", "character 5: expected AND, OR or \\), got the end"),
        ("sky)", "character 4: expected AND, OR or the end, got '\\)'"),
        ("OR sky", "character 1: expected a label.*got 'OR'"),
        ("NOT", "character 4: expected a label"),
        ("sky>=very", "character 6: expected a number from 0 to 1 after >=, got 'very'"),
        ("sky>2", "character 5: expected a number"),
        (">0.5", "character 1: expected a label"),
        ("sky:often", "character 5: expected suggested, confirmed, rejected after sky:"),
        ("taken:", "character 7: expected a value right after taken:"),
        ("taken:soon", "taken:soon at character 1: expected 2019"),
        ("taken:2019-13", "expected 2019"),
        ("a taken:2021..2019", "character 3: expected the earlier date first"),
        ("taken:..", "expected 2019"),
        ("taken:9999", "expected 2019"),
        ("is:nice", "is:nice at character 1: expected untagged"),
        ("state:maybe", "expected suggested, confirmed, rejected"),
        ('sky "open', "character 5: expected a closing"),
        ("(" * 60 + "a" + ")" * 60, "at most 50 deep"),
        ("a " * 3_000, "at most 4,000 characters"),
    ],
)
def test_what_cannot_be_understood_says_where(text, said):
    with pytest.raises(DataError, match=said):
        parse_query(text)
