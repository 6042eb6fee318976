"""Tags that are missing and tags too many, apart."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.curate.tag_issues import TagIssues, find_tag_issues

RNG = np.random.default_rng(0)
TRUE = RNG.random((800, 3)) < [0.5, 0.3, 0.1]
PROBS = np.clip(np.where(TRUE, 0.93, 0.07) + RNG.normal(size=TRUE.shape) * 0.04, 0.001, 0.999)
FORGOTTEN = TRUE & (RNG.random(TRUE.shape) < 0.2)
INVENTED = ~TRUE & (RNG.random(TRUE.shape) < 0.03)
TAGS = (TRUE & ~FORGOTTEN) | INVENTED


@pytest.fixture(scope="module")
def issues() -> TagIssues:
    return find_tag_issues(PROBS, TAGS, class_names=["cat", "dog", "eel"])


def test_forgotten_and_invented_tags_are_found_apart(issues: TagIssues):
    assert (issues.is_missing == FORGOTTEN).mean() > 0.98
    assert (issues.is_superfluous == INVENTED).mean() > 0.98
    assert not (issues.is_missing & TAGS).any()
    assert not (issues.is_superfluous & ~TAGS).any()


def test_both_are_counted_by_tag(issues: TagIssues):
    for one, found in enumerate(issues.missing):
        assert found.interval.low <= FORGOTTEN[:, one].sum() <= found.interval.high
    assert [one.n for one in issues.superfluous] == TAGS.sum(axis=0).tolist()


def test_the_reason_names_the_tags(issues: TagIssues):
    row = int(np.flatnonzero(FORGOTTEN[:, 0] & ~INVENTED.any(axis=1))[0])
    assert "probably missing: 'cat'" in issues.reason_of(row)


def test_a_tag_that_all_carry_is_left_alone():
    found = find_tag_issues(PROBS[:, :1], np.ones((800, 1), dtype=bool))
    assert (found.tag_quality == 1).all()


def test_other_numbers_and_shapes_are_refused():
    with pytest.raises(DataError, match="row 0"):
        find_tag_issues(PROBS * 2, TAGS)
    with pytest.raises(DataError, match="`tags`"):
        find_tag_issues(PROBS, TAGS[:5])
