from __future__ import annotations

import pytest

from lightfast.studies.assets.figures import scratch_rows, unpaired_interval
from lightfast.studies.assets.nets import PAPER_NETWORKS, networks_differ, paper_networks, paper_ways
from lightfast.studies.registry import StudyOptions


def way(name: str, accuracy: float, top3: float | None = 1.0) -> dict[str, object]:
    return {"way": name, "accuracy": accuracy, "top3": top3, "n": 1000, "epochs": 9}


def test_the_interval_is_newcombes_own_example():
    # Newcombe 1998 (17, 873-890), table II, method 10: 56/70 against 48/80.
    found = unpaired_interval((56, 70), (48, 80))
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


def test_a_small_fall_is_not_the_papers():
    first, third = scratch_rows([way("full", 0.975), way("scratch", 0.949)], judged=True)
    assert first["difference"] == pytest.approx(-0.026)
    assert (first["paper"], first["reproduced"]) == (-0.37, False)
    assert third["difference"] == 0


def test_a_fall_like_the_papers_is_said_to_be_reproduced():
    assert scratch_rows([way("full", 0.95), way("scratch", 0.58)], judged=True)[0]["reproduced"]


def test_after_one_epoch_nothing_is_judged():
    assert scratch_rows([way("full", 0.95), way("scratch", 0.58)], judged=False)[0]["reproduced"] is None


def test_two_classes_have_no_third():
    assert len(scratch_rows([way("full", 0.9, None), way("scratch", 0.8, None)], judged=True)) == 1


def test_the_papers_networks_freeze_the_stem_and_follow_its_schedule():
    for one in paper_ways():
        assert one.config["mode"] == "staged"
        assert one.recipe.schedule == "plateau"
    assert paper_ways()[0].config["from_stage"] == "Mixed_5b"


def test_without_the_flag_no_weights_are_fetched_and_every_row_says_so(tmp_path):
    rows = paper_networks(StudyOptions(tmp_path), None, None, 60, 1)  # pyright: ignore[reportArgumentType]
    assert [(row["way"], row["accuracy"]) for row in rows] == [(one[0], None) for one in PAPER_NETWORKS]
    assert "ResNet-100" in networks_differ("resnet101")
