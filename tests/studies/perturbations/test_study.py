"""The perturbations study at its quick scale, whole, on digits over textures;
which pictures its figures show.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.images import ImageSet
from lightfast.evaluate.predictions import Predictions
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.infer import predict_logits
from lightfast.models.load import load_checkpoint
from lightfast.report.page import Cell
from lightfast.report.tables import percent, points, text_table
from lightfast.studies.page import write_study_page
from lightfast.studies.perturbations import networks as perturbations_parts
from lightfast.studies.perturbations import study as perturbations
from lightfast.studies.perturbations.data import pictures_of
from lightfast.studies.perturbations.figures import OUTCOMES, View, chosen_rows, counts, damaged_rows
from lightfast.studies.perturbations.subjects import subjects
from lightfast.studies.registry import SCALES, StudyOptions, StudyResult
from lightfast.studies.run import find_study

MADE = ("learn_enhancer", "fit_restorer", "refit_classifier")


@dataclass
class Quick:
    options: StudyOptions
    result: StudyResult
    learnt: dict[str, set[str]] = field(default_factory=dict)

    @property
    def subject(self) -> dict[str, Any]:
        return self.result.figures["subjects"][0]

    def table(self, words: str):
        return next(table for table in self.result.tables if words in table.caption)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The study once, with the pictures that every learner was given (by the name of its part)."""
    # This fixture is set up before the one that gives every test one thread.
    torch.set_num_threads(1)
    learnt: dict[str, set[str]] = {}
    options = StudyOptions(
        tmp_path_factory.mktemp("perturbations"), device="cpu", data_folder=tmp_path_factory.mktemp("no-data")
    )

    def watched(place: int, learn):
        def learns(*given, training, **settings):
            learnt[training.folder.name] = set(given[place].content_hashes)
            return learn(*given, training=training, **settings)

        return learns

    def refits(classifier, sides, mix, **settings):
        learnt["quick-refit-damaged" if mix else "quick-refit"] = set(sides[0].content_hashes)
        return refit(classifier, sides, mix, **settings)

    refit = perturbations_parts.refit_classifier

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(perturbations_parts, "learn_enhancer", watched(1, perturbations_parts.learn_enhancer))
        patched.setattr(perturbations_parts, "fit_restorer", watched(0, perturbations_parts.fit_restorer))
        patched.setattr(perturbations_parts, "refit_classifier", refits)
        result = perturbations.run_perturbations(options)
    return Quick(options, result, learnt)


def test_the_study_is_registered_with_all_three_scales():
    study = find_study("perturbations")
    assert study.run is perturbations.run_perturbations
    assert study.scales == SCALES


def test_paper_scale_without_a_gpu_is_refused_in_one_line(tmp_path):
    with pytest.raises(SettingsError, match=r"needs a GPU.*`scale` cpu") as refused:
        perturbations.run_perturbations(
            StudyOptions(tmp_path, scale="paper", device="cpu", data_folder=tmp_path)
        )
    assert "\n" not in str(refused.value)


def test_without_photographs_cpu_scale_is_refused_with_the_command_that_fetches_them(tmp_path, monkeypatch):
    monkeypatch.setattr(StudyOptions, "has", lambda options, name: False)
    with pytest.raises(DataError, match="lightfast data fetch cifar10"):
        perturbations.run_perturbations(
            StudyOptions(tmp_path, scale="cpu", device="cpu", data_folder=tmp_path)
        )


# ---- the whole study


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_accuracies_are_those_that_the_kept_networks_give(quick):
    test = pictures_of(quick.options)["cifar"].splits.test
    parts = quick.options.out / "parts"
    classifier = load_checkpoint(parts / "quick-cnn")
    for way in ("ours", "paper"):
        enhanced = prepend_enhancer(load_checkpoint(parts / f"quick-{way}"), classifier)
        right = [
            (predict_logits(one, test.images).argmax(axis=1) == test.require_labels()).mean()
            for one in (classifier, enhanced)
        ]
        clean = quick.subject["ways"][way]["clean"]
        assert [clean["before_accuracy"], clean["after_accuracy"]] == pytest.approx(right)
        assert clean["n"] == len(test)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tables_hold_what_the_figures_say(quick):
    ways, refit = quick.subject["ways"], quick.subject["refits"]["refit"]
    honest, shown = quick.subject["honest"], quick.subject["shown"]["clean"]
    rows = {cells[3].text: cells for cells in quick.table("Table 4.1").cells}
    titles = perturbations_parts.TITLES
    clean = ways[honest]["clean"]
    for title, found in ((titles[honest], clean), (titles["refit"], refit["clean"])):
        shares = [percent(found[f"{side}_accuracy"]) for side in ("before", "after")]
        assert [cell.text for cell in rows[title][6:9]] == [*shares, points(found["difference"])]
    assert quick.table("Table 4.1").cells[0][3].text == titles[honest]
    # Chosen on validation pictures, among ours.
    by_validation = {way: ways[way]["gate"]["clean"]["after_accuracy"] for way in ("ours", "ours-clean")}
    assert by_validation[shown] == max(by_validation.values())
    degraded = {cells[1].text: cells for cells in quick.table("Degraded").cells}
    for way, title in perturbations_parts.TITLES.items():
        if way in quick.subject["ways"]:
            said = quick.subject["ways"][way]
            assert degraded[title][3].text == percent(said["degraded"]["after_accuracy"])
            assert degraded[title][4].text == points(said["degraded"]["difference"])
            if "degraded_against_denoiser" in said:
                assert degraded[title][5].text == points(said["degraded_against_denoiser"]["difference"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_damage_is_counted_once(quick):
    assert sum(int(cells[-1].text) for cells in quick.table("by itself").cells) == quick.subject["n_test"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_gates_verdict_is_shown(quick):
    refused = {way: not said["gate"]["passed"] for way, said in quick.subject["ways"].items() if said["gate"]}
    words = {perturbations_parts.TITLES[way]: "refused" if no else "passes" for way, no in refused.items()}
    first = quick.table("Table 4.1").cells[0]
    assert first[-2].text == words[first[3].text]
    assert {cells[1].text: cells[-1].text for cells in quick.table("Ways").cells} == words


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_way_tells_the_accuracy_of_both_on_training_pictures_and_what_differs(quick):
    both, differs = quick.subject["train_accuracy_of_both"], quick.subject["differs"]
    titles = perturbations_parts.TITLES
    shown = {cells[1].text: cells for cells in quick.table("Ways").cells}
    assert set(both) == set(differs) == {"ours", "ours-clean", "paper", "own-1-1", "own-4-4"}
    for way, share in both.items():
        assert shown[titles[way]][5].text == percent(share, 1)
        assert shown[titles[way]][8].text == differs[way]
    assert "new to the classifier" in differs["ours"]
    assert differs["paper"].endswith("its own pictures alone")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_control_has_all_pictures_and_the_honest_row_only_the_classifiers(quick):
    given = pictures_of(quick.options)["cifar"]
    for way, said in quick.subject["refits"].items():
        assert said["learnt_on"] == len(given.all_training)
        assert said["new_to_the_classifier"] == len(given.all_training) - len(given.splits.train) > 0
        assert quick.learnt[f"quick-{way}"] == set(given.all_training.content_hashes)
    assert quick.learnt[f"quick-{quick.subject['honest']}"] == set(given.splits.train.content_hashes)


def test_the_leak_is_learnt_at_scale_cpu_on_both_of_the_papers_sets():
    leaking = {one.data: one for one in subjects("cpu") if one.leak}
    assert set(leaking) == {"cifar", "intel"}
    assert all("paper" in one.plans for one in leaking.values())


def test_the_honest_enhancer_has_the_classifiers_pictures_and_the_papers_losses_are_both_tried():
    head = next(one for one in subjects("cpu") if one.name == "cifar-head")
    assert "ours-equal" not in head.on_more
    assert head.plans["ours-equal"] == head.plans["ours-clean"]
    assert (head.plans["own-1-1"].model, head.plans["own-4-4"].model) == ("own:1-1", "own:4-4")
    assert (head.plans["paper"].first_loss, head.plans["paper-mse"].first_loss) == (None, "mse")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_figures_of_a_leak_are_marked_and_no_others(quick):
    leak = quick.subject["leak"]
    assert leak["leak"] is True
    for table in quick.result.tables:
        marked = [entry for cells in table.cells for entry in cells if entry.text.startswith("LEAK ")]
        if "leak" in table.caption:
            assert marked == [
                Cell(f"LEAK {percent(leak['after_accuracy'])}", marked[0].detail, "bad"),
                Cell(f"LEAK {points(leak['difference'])}", "", "bad"),
            ]
        else:
            assert marked == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_learner_but_the_leak_was_given_a_test_picture(quick):
    splits = pictures_of(quick.options)["cifar"].splits
    test, seen = set(splits.test.content_hashes), dict(quick.learnt)
    learners = {*quick.subject["ways"], *quick.subject["refits"], "leak"} - {"denoiser"}
    assert set(seen) == {f"quick-{way}" for way in learners} | {"cifar-denoiser"}
    assert test <= seen.pop("quick-leak")
    for part, learnt in seen.items():
        assert not learnt & test, part
        assert not learnt & set(splits.val.content_hashes), part


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_run_trains_nothing_and_finds_the_same(quick, monkeypatch):
    for place in ("train.fit.fit", *(f"studies.perturbations.networks.{made}" for made in MADE)):
        monkeypatch.setattr(f"lightfast.{place}", lambda *_, **__: pytest.fail("trained again"))
    again = perturbations.run_perturbations(quick.options)
    assert json.dumps(again.figures, allow_nan=False) == json.dumps(quick.result.figures, allow_nan=False)
    assert [text_table(table) for table in again.tables] == [
        text_table(table) for table in quick.result.tables
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_holds_the_papers_figures_and_stays_small(quick, tmp_path):
    page = write_study_page(tmp_path / "report.html", quick.result)
    text = page.read_text("utf-8")
    titles = [section.title for section in quick.result.sections]
    assert len(titles) == 4
    assert all(f"{title}</h2>" in text for title in titles)
    assert "the interval" in text
    assert page.stat().st_size < 2_000_000


# ---- which pictures the figures show


@pytest.fixture
def view():
    """Eight pictures of two classes, all truly class 0: read rightly (before, after) in every way, twice."""
    right = np.array([(False, True), (True, False), (True, True), (False, False)] * 2)
    sure = np.array([0.6, 0.7, 0.8, 0.9, 0.9, 0.6, 0.8, 0.7])

    def predictions(hits, confidence):
        first = np.where(hits, confidence, 1 - confidence)
        return Predictions(
            np.stack([first, 1 - first], axis=1),
            ("cat", "dog"),
            tuple(map(str, range(8))),
            np.zeros(8, dtype=np.int64),
        )

    images = ImageSet(np.zeros((8, 4, 4, 3), dtype=np.uint8), ("cat", "dog"), np.zeros(8, dtype=np.int64))
    read: Any = SimpleNamespace(kinds=("blur", "noise") * 3 + ("haze", "haze"))
    return View(
        read, "degraded", images, predictions(right[:, 0], np.full(8, 0.99)), predictions(right[:, 1], sure)
    )


def test_the_most_confident_reading_afterwards_comes_first(view):
    assert {words: chosen_rows(view, outcome, 9) for outcome, words in OUTCOMES.items()} == {
        "wrong before, right after": [4, 0],
        "right before, wrong after": [1, 5],
        "right both times": [2, 6],
        "wrong both times": [3, 7],
    }


def test_no_more_pictures_are_shown_than_wanted_and_only_among_those_allowed(view):
    assert chosen_rows(view, (False, True), 1) == [4]
    assert chosen_rows(view, (False, True), 2, np.arange(8) < 4) == [0]


def test_of_every_damage_one_picture_is_shown_a_repaired_one_where_there_is_one(view):
    assert damaged_rows(view) == [4, 6, 3]


def test_every_outcome_is_counted(view):
    assert counts(view) == (
        "8 degraded test pictures: 2 wrong before, right after; 2 right before, wrong after; 2 right both "
        "times; 2 wrong both times."
    )
