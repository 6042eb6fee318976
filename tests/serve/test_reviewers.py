"""Several reviewers at one real server; `benchmarks/library_reviewers.py --http` does it with twenty."""

from __future__ import annotations

from fixtures.http_reviewers import review_over_http
from fixtures.library_kills import counted_decisions
from library.pictures import fill

from lightfast.library.library import Library


def test_nothing_is_lost_nothing_doubled_and_no_picture_shown_to_two(library: Library):
    names = [f"u{number}" for number in range(1, 6)]
    fill(library, 40, users=len(names))
    said = review_over_http(library, names)
    assert len(said) == 40
    assert counted_decisions(library, said) == {"lost": 0, "twice": 0, "shown to two": 0}
