"""The clustering part of the media-library study."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.studies.assets.grouping import grouped_pictures, grouping_section, grouping_table
from lightfast.studies.assets.tasks import TaskFeatures, library
from lightfast.studies.registry import StudyOptions


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory):
    empty = tmp_path_factory.mktemp("no-data")
    options = StudyOptions(empty / "out", data_folder=empty)
    pool = library(options)
    labels = pool.train.require_labels()
    # Six classes in as many directions: two of them fit on a plane, six do not.
    values = np.random.default_rng(0).normal(size=(len(labels), 30)) + 5.0 * np.eye(6, 30)[labels]
    np.save(empty / "plain.npy", values.astype(np.float16))
    return grouped_pictures(options, pool, TaskFeatures(empty / "plain.npy", empty / "plain.npy", 30))


def test_two_classes_fit_on_a_plane_and_six_do_not(rows):
    objects, six = rows
    assert objects["alike"]["map by pca"] > 0.95
    assert six["alike"]["map by pca"] < six["alike"]["all dimensions"]
    assert six["alike"]["all dimensions"] > 0.95
    assert six["variance"]["2"] < six["variance"]["3"] < 1


def test_clusters_cover_what_was_asked_and_are_pure_in_all_dimensions(rows):
    for row in rows:
        found = row["clusters"]
        assert found["covered"] >= 0.6 * row["n"]
        assert found["right"] / found["covered"] > 0.9
        assert 0 < found["predicted"] <= 1


def test_the_table_has_a_column_a_set_and_says_what_differs(rows):
    table = grouping_table(rows)
    assert len(table.columns) == 2 + len(rows) + 1
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert all(row[-1] for row in table.rows)
    assert grouping_section(rows).parts
