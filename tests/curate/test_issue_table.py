"""The table of issues on disk."""

from __future__ import annotations

import pytest

from lightfast.base.errors import DataError
from lightfast.curate.issue_table import Issue, load_issues, save_issues

ISSUES = (
    Issue("label", "cat/é.png", "test", "cat", "dog", 0.02, 0.9, "looks like dog", ("a", "b"), ("c",)),
    Issue("dark", "b.png", "all", "", "", 0.5, 0.0, "99 % of it is dark"),
)


def test_what_was_saved_is_read(tmp_path):
    assert load_issues(save_issues(tmp_path / "issues.parquet", ISSUES)) == ISSUES


def test_a_table_without_issues_is_read(tmp_path):
    assert load_issues(save_issues(tmp_path / "issues.parquet", ())) == ()


def test_another_file_is_refused_by_name(tmp_path):
    path = tmp_path / "issues.parquet"
    path.write_bytes(b"no table")
    with pytest.raises(DataError, match=r"issues\.parquet is no table of issues"):
        load_issues(path)
