"""The label-noise part of the media-library study: the paper's Table 2 beside ours, signals, leaving out."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.studies.assets import noisy_labels
from lightfast.studies.assets.noisy_labels import label_noise, noise_section, noise_tables
from lightfast.studies.assets.tasks import CLASSES, TaskFeatures, TaskLibrary, library
from lightfast.studies.registry import StudyOptions


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory):
    """(options, pictures, features): digits stand in, and numbers that know the class for a backbone's."""
    empty = tmp_path_factory.mktemp("no-data")
    options = StudyOptions(empty / "out", data_folder=empty)
    pool = library(options)
    return options, pool, tuple(_features(empty / name, pool, name) for name in ("train", "test"))


def _features(folder, pool: TaskLibrary, part: str) -> TaskFeatures:
    folder.mkdir()
    labels = getattr(pool, part).require_labels()
    rng = np.random.default_rng(len(labels))
    values = rng.normal(size=(len(labels), 20)) + 3.0 * np.eye(6, 20)[labels]
    np.save(folder / "plain.npy", values.astype(np.float16))
    return TaskFeatures(folder / "plain.npy", folder / "plain.npy", 20)


@pytest.fixture(scope="module")
def found(studied):
    return label_noise(*studied)


def test_both_ends_are_counted_as_the_paper_counts_them(found):
    ours = found["table_2"]
    for end in ("low", "high"):
        assert sum(ours[end]["by_class"].values()) == ours["count"] == 18
        assert 0 <= ours[end]["wrong"] <= ours["count"]
    assert ours["low"]["max"] < ours["high"]["min"]
    assert set(ours["low"]["by_class"]) == set(CLASSES)


def test_signals_that_know_the_label_find_what_was_planted(found):
    average = {row["signal"]: row["average_precision"] for row in found["signals"]}
    assert found["wrong"] == 18
    assert average["combined"] > 0.8
    assert average["combined"] > average["output_spread"]


def test_leaving_out_is_searched_from_none_on_and_the_change_is_paired(found):
    pruned = found["pruning"]
    assert [row["share"] for row in pruned["rows"]] == [0.0, 0.1, 0.2]
    assert pruned["rows"][0]["margin"] == pruned["rows"][0]["spread"]
    assert pruned["rows"][1]["margin"]["wrong"] > pruned["rows"][1]["spread"]["wrong"]
    assert pruned["effect"]["n"] == pruned["tested"] == 60


def test_the_tables_stand_beside_the_papers_and_say_what_differs(found):
    first, signals, shares = noise_tables(found, judged=False)
    row = next(row for row in first.rows if row[0] == "poorly labelled")
    assert row[1:3] == ("40 of 100", "10 of 100")
    assert "planted" in str(row[-1])
    assert "too few pictures" in first.notes[0]
    assert "reproduced: too few" not in noise_tables(found, judged=True)[0].notes[0]
    assert len(signals.rows) == len(found["signals"])
    assert len(shares.rows) == 3
    assert noise_section(found).parts


def test_what_was_measured_is_kept(studied, found, monkeypatch):
    monkeypatch.setattr(noisy_labels, "_measured", lambda *_: pytest.fail("measured again"))
    assert label_noise(*studied) == found
