"""The repair ledger: verdicts by the paired interval, entries that survive, a total that counts once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.curate.ledger import LedgerEntry, RepairLedger, cleanup_effect, ledger_total


def _effect(gained: int, lost: int, both: int = 50):
    before = np.array([True] * both + [False] * gained + [True] * lost)
    after = np.array([True] * both + [True] * gained + [False] * lost)
    return cleanup_effect(before, after)


def _entry(parent: str = "one", **more: object) -> LedgerEntry:
    effect = _effect(12, 1)
    facts: dict[str, object] = {
        "when": "2026-01-01T00:00:00+00:00",
        "parent": parent,
        "version": "two",
        "test": "abc",
        "model": "cnn",
        "seed": 0,
        "decisions": 10,
        "minutes": 2.5,
        "changed": 8,
        "left_out": 1,
        "uses": 1,
        "as_given": effect,
        "cleaned": None,
        "verdict": effect.verdict,
    }
    return LedgerEntry(**(facts | more))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("gained", "lost", "verdict"),
    [
        (12, 1, "gain"),
        (1, 12, "loss"),
        (5, 4, "no gain shown"),
        (5, 0, "no gain shown"),
        (0, 0, "no gain shown"),
    ],
)
def test_the_verdict_is_that_of_the_paired_interval(gained: int, lost: int, verdict: str):
    found = _effect(gained, lost)
    assert found.verdict == verdict
    assert (found.p < 0.05) == (verdict != "no gain shown")
    assert found.points == pytest.approx(100 * (found.accuracy_after - found.accuracy_before))


def test_pictures_that_are_not_the_same_are_refused():
    with pytest.raises(DataError):
        cleanup_effect([True, False], [True])


def test_entries_come_back_as_they_were_and_a_torn_line_is_told(tmp_path: Path):
    ledger = RepairLedger(tmp_path / "ledger.jsonl")
    both = [_entry(), _entry(cleaned=_effect(20, 0))]
    for one in both:
        ledger.append(one)
    with ledger.path.open("a") as stream:
        stream.write('{"when": "20')
    found = ledger.read()
    assert list(found.records) == both
    assert found.torn == (3,)


def test_of_several_clean_ups_of_one_version_the_last_counts():
    first = _entry("one", decisions=10, minutes=2.0)
    again = _entry("one", decisions=15, minutes=3.0, uses=2)
    then = dataclasses.replace(_entry("two", uses=3), as_given=_effect(1, 1), verdict="no gain shown")
    total = ledger_total([first, again, then])
    assert (total.cleanups, total.decisions, total.minutes, total.uses) == (2, 25, 5.5, 3)
    assert (total.gains, total.losses, total.unproven) == (1, 0, 1)
    assert total.points == pytest.approx(again.as_given.points)
