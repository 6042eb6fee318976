"""Studies by name, and the scales that each has."""

from __future__ import annotations

import pytest

from lightfast.base.errors import SettingsError, UnknownName
from lightfast.studies import run
from lightfast.studies.registry import SCALES, Study, StudyOptions, StudyResult
from lightfast.studies.run import find_study, run_study


@pytest.fixture
def asked(monkeypatch):
    """Two studies that only answer; their options are returned."""
    given = []

    def answer(options):
        given.append(options)
        return StudyResult("A study", (), {})

    known = {"small": Study("small", answer), "large": Study("large", answer, SCALES)}
    monkeypatch.setattr(run, "find_study", known.__getitem__)
    return given


def test_a_scale_that_a_study_has_not_is_refused_by_name_with_those_it_has(asked, tmp_path):
    with pytest.raises(
        SettingsError, match="study small: expected `scale` quick or paper, got `scale` cpu"
    ) as refused:
        run_study("small", StudyOptions(tmp_path, "cpu"))
    assert "\n" not in str(refused.value)
    assert asked == []


@pytest.mark.parametrize("scale", SCALES)
def test_a_scale_that_a_study_has_is_run(scale, asked, tmp_path):
    options = StudyOptions(tmp_path, scale)
    assert run_study("large", options).title == "A study"
    assert asked == [options]


def test_no_study_knows_a_scale_that_there_is_not(tmp_path):
    with pytest.raises(UnknownName, match="scale 'huge'"):
        StudyOptions(tmp_path, "huge")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["mnist-c", "svhn", "emnist", "quickdraw", "assets"])
def test_only_the_study_that_trains_vgg16_has_a_scale_for_machines_without_a_gpu(name):
    assert find_study(name).scales == ("quick", "paper")


def test_weights_are_fetched_only_by_a_study_that_needs_them(asked, tmp_path):
    with pytest.raises(SettingsError, match=r"study small: `fetch_weights`.*run the study assets"):
        run_study("small", StudyOptions(tmp_path, fetch_weights=True))
    assert asked == []
    assert [name for name in ("mnist-c", "svhn", "assets") if find_study(name).fetches] == ["assets"]
