"""Several runs on the same pictures: who reads what, what is left out, what is refused."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.plain import as_json
from lightfast.cli.text.statistics import compare_lines
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predictions import Predictions
from lightfast.pages.compare import CompareResult, RunCost
from lightfast.runs.compare import compare_run
from lightfast.runs.contenders import names_of, reorder_classes
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import tag_run
from lightfast.runs.train import train_run


@pytest.fixture(scope="module")
def forest(blob_file: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second run: another model, another picture size, another split."""
    folder = tmp_path_factory.mktemp("runs") / "forest"
    train_run(
        blob_file,
        RunOptions(out=folder, seed=1, image_size=(16, 16)),
        model="random-forest",
        config={"trees": 5},
    )
    return folder


@dataclasses.dataclass
class Done:
    """A finished comparison with its folder."""

    runs: list[str]
    result: CompareResult
    folder: Path


@pytest.fixture(scope="module")
def done(run: Path, forest: Path, blob_file: str, tmp_path_factory: pytest.TempPathFactory) -> Done:
    place = tmp_path_factory.mktemp("compared")
    runs = [str(shutil.copytree(one, place / one.name)) for one in (run, forest)]
    result = compare_run(runs, blob_file, RunOptions(out=place / "out", command="lightfast compare"))
    return Done(runs, result, place / "out")


def readings(done: Done) -> list[Predictions]:
    return [Predictions.load(done.folder / f"predictions-{Path(run).name}.parquet") for run in done.runs]


def part_of(run: str | Path) -> set[str]:
    return set(Predictions.load(Path(run) / "predictions.parquet").ids)


def test_what_one_run_has_seen_is_left_out_for_all(done):
    first, second = readings(done)
    assert set(first.ids) == part_of(done.runs[0]) & part_of(done.runs[1])
    assert first.ids == second.ids
    assert [one.left_out for one in done.result.runs] == [120 - len(part_of(run)) for run in done.runs]
    assert f"{120 - len(first)} of 120 pictures were left out for all" in done.result.notes[-1]


def test_the_pairs_are_tested_on_the_readings_of_the_runs(done, blobs):
    first, second = readings(done)
    rows = {name: row for row, name in enumerate(blobs.ids)}
    assert first.require_labels().tolist() == [blobs.require_labels()[rows[name]] for name in first.ids]
    expected = mcnemar(first, second)
    assert done.result.comparison.n == expected.n == len(first)
    assert done.result.comparison.pairs[0].test.gained == expected.gained
    assert done.result.comparison.pairs[0].test.p_value == expected.p_value


def test_every_run_keeps_a_record_of_the_scoring(done):
    for run in done.runs:
        lines = [json.loads(line) for line in Path(run, "evaluations.jsonl").read_text().splitlines()]
        assert [line["command"] for line in lines] == ["train", "lightfast compare"]


def test_the_cost_of_every_run_stands_beside_its_accuracy(done):
    network, trees = (one.cost for one in done.result.runs)
    metrics = json.loads(Path(done.runs[0], "metrics.json").read_text())
    weights = sum(path.stat().st_size for path in Path(done.runs[0], "checkpoint").iterdir())
    assert network.parameters == metrics["parameters"]
    assert network.train_seconds == metrics["seconds"]["train"]
    assert network.megabytes == pytest.approx(weights / 1e6, abs=1e-3)
    assert trees.parameters is None
    assert min(network.pictures_per_second, trees.pictures_per_second) > 0


def test_what_is_written_is_what_is_returned(done):
    assert json.loads((done.folder / "metrics.json").read_text()) == as_json(done.result)
    page = (done.folder / "report.html").read_text()
    assert done.result.comparison.sentence().split("(")[0].strip() in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert all(ids.count(link) == 1 for link in re.findall(r'<a href="#([^"]+)"', page))
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)


def test_the_terminal_tells_accuracy_cost_pairs_and_what_may_be_concluded(done):
    lines = compare_lines(done.result)
    assert lines[-1] == done.result.comparison.sentence()
    assert sum("blobs → forest" in line for line in lines) == 1
    assert any(line.startswith("blobs ") and "mlp" in line for line in lines)


def test_a_file_of_predictions_stands_for_its_run(done, blob_file):
    again = compare_run(
        [done.runs[0], str(done.folder / "predictions-forest.parquet")], blob_file, RunOptions()
    )
    assert again.comparison.pairs[0].test.p_value == done.result.comparison.pairs[0].test.p_value
    assert again.runs[1].cost == RunCost()


def test_files_alone_are_paired_by_id_whatever_their_order(done, tmp_path):
    first, second = readings(done)
    files = [
        str(first.save(tmp_path / "a.parquet")),
        str(second.take(range(len(second) - 1, -1, -1)).save(tmp_path / "b.parquet")),
    ]
    again = compare_run(files, "", RunOptions(out=tmp_path / "out"))
    assert again.comparison.names == ("a", "b")
    for key in ("gained", "lost", "p_value"):
        assert as_json(again)["pairs"][0][key] == as_json(done.result)["pairs"][0][key]
    assert (tmp_path / "out" / "report.html").is_file()


def test_files_without_labels_take_them_from_the_data(done, blob_file, tmp_path):
    bare = [
        dataclasses.replace(one, labels=None).save(tmp_path / f"{place}.parquet")
        for place, one in enumerate(readings(done))
    ]
    again = compare_run([str(path) for path in bare], blob_file, RunOptions(out=tmp_path / "out"))
    assert again.comparison.pairs[0].test.p_value == done.result.comparison.pairs[0].test.p_value
    assert "Accuracy and cost" not in (tmp_path / "out" / "report.html").read_text()


def test_files_over_different_test_pictures_are_refused_as_not_paired(run, forest):
    with pytest.raises(
        DataError,
        match=r"forest was read on different pictures: not paired.*run folders in place of the files",
    ):
        compare_run([str(run / "predictions.parquet"), str(forest / "predictions.parquet")], "", RunOptions())


def test_two_files_of_which_one_lacks_pictures_are_refused(done, blob_file, tmp_path):
    first, second = readings(done)
    files = [
        str(first.save(tmp_path / "whole.parquet")),
        str(second.take([0, 1]).save(tmp_path / "short.parquet")),
    ]
    for runs in (files, files[::-1], [*files, done.runs[0]]):
        with pytest.raises(DataError, match="was read on different pictures: not paired"):
            compare_run(runs, blob_file, RunOptions())


def test_a_file_of_pictures_that_are_not_in_the_data_is_refused(done, blobs, tmp_path):
    source = save_npz(tmp_path / "blobs.npz", blobs.take(range(5)))
    with pytest.raises(
        DataError,
        match=r"forest was read on different pictures: not paired: expected pictures of .*, got \d+ others",
    ):
        compare_run(
            [done.runs[0], str(done.folder / "predictions-forest.parquet")], str(source), RunOptions()
        )


def test_what_a_file_does_not_hold_is_left_out_with_a_note(done, blob_file, tmp_path):
    short = readings(done)[1].take([0, 1]).save(tmp_path / "short.parquet")
    result = compare_run([done.runs[0], str(short)], blob_file, RunOptions())
    assert result.comparison.n == 2
    assert any("118 of 120 pictures were left out: the file" in note for note in result.notes)


def test_a_file_with_other_labels_is_refused(done, tmp_path):
    first, second = readings(done)
    other = dataclasses.replace(second, labels=(second.require_labels() + 1) % 3)
    files = [str(first.save(tmp_path / "a.parquet")), str(other.save(tmp_path / "b.parquet"))]
    with pytest.raises(DataError, match="b carries other labels for"):
        compare_run(files, "", RunOptions())


def test_a_file_that_names_a_picture_twice_is_refused(done, tmp_path):
    first, second = readings(done)
    files = [str(first.save(tmp_path / "a.parquet")), str(second.take([0, 0]).save(tmp_path / "b.parquet"))]
    with pytest.raises(DataError, match="an id twice"):
        compare_run(files, "", RunOptions())


def test_runs_of_other_classes_are_refused_by_name(run, blobs: ImageSet, tmp_path):
    other = save_npz(
        tmp_path / "other.npz", dataclasses.replace(blobs, class_names=("left", "middle", "far"))
    )
    train_run(str(other), RunOptions(out=tmp_path / "other"), model="random-forest", config={"trees": 5})
    with pytest.raises(
        DataError, match=r"right \(only blobs\), far \(only other\).*Compare runs trained on the same classes"
    ):
        compare_run([str(run), str(tmp_path / "other")], str(other), RunOptions())


def test_classes_in_another_order_are_matched_by_name(done):
    first = readings(done)[0]
    turned = reorder_classes(first, first.class_names[::-1])
    assert turned.class_names == first.class_names[::-1]
    assert turned.correct.tolist() == first.correct.tolist()
    assert np.array_equal(reorder_classes(turned, first.class_names).pred_probs, first.pred_probs)


def test_pictures_that_all_were_seen_by_some_run_cannot_compare(done, blobs, tmp_path):
    seen = [
        row for row, name in enumerate(blobs.ids) if name not in part_of(done.runs[0]) & part_of(done.runs[1])
    ]
    source = save_npz(tmp_path / "blobs.npz", blobs.take(seen))
    with pytest.raises(DataError, match="seen in training by one of the runs"):
        compare_run(done.runs, str(source), RunOptions())


def test_one_run_alone_and_one_named_twice_are_refused(run):
    with pytest.raises(SettingsError, match="at least two runs, got 1"):
        compare_run([str(run)], "mnist-5k", RunOptions())
    with pytest.raises(SettingsError, match="named twice"):
        compare_run([str(run), f"{run}/"], "mnist-5k", RunOptions())


def test_names_are_short_unless_they_would_be_the_same():
    assert names_of(["runs/a", "runs/b/predictions.parquet", "c.parquet", "hf-hub:x/a"]) == [
        "a",
        "b",
        "c",
        "hf-hub:x/a",
    ]
    assert names_of(["one/a", "two/a"]) == ["one/a", "two/a"]


def test_two_networks_with_the_same_readings_are_not_called_different(run, blob_file, tmp_path):
    copies = [str(shutil.copytree(run, tmp_path / name)) for name in ("a", "b")]
    result = compare_run(copies, blob_file, RunOptions())
    assert result.comparison.pairs[0].test.difference == 0
    assert "exactly the same ones" in result.comparison.sentence()


@pytest.fixture
def whole_files(run: Path, forest: Path, blob_file: str, tmp_path: Path) -> list[str]:
    """What both runs say of all pictures, their training pictures among them."""
    files = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for own, file in zip((run, forest), files, strict=True):
        tag_run(str(own), [blob_file], RunOptions(out=file))
    return [str(file) for file in files]


def test_pictures_that_a_file_says_were_seen_are_left_out(
    whole_files: list[str], run: Path, forest: Path, blob_file: str
):
    by_files = compare_run(whole_files, blob_file, RunOptions())
    by_runs = compare_run([str(run), str(forest)], blob_file, RunOptions())
    assert 0 < by_files.comparison.n == by_runs.comparison.n < 120
    assert [one.left_out for one in by_files.runs] == [one.left_out for one in by_runs.runs]
    assert [one.accuracy for one in by_files.comparison.evaluations] == [
        one.accuracy for one in by_runs.comparison.evaluations
    ]
    mixed = compare_run([str(run), whole_files[1]], blob_file, RunOptions())
    assert mixed.comparison.n == by_runs.comparison.n
    assert [one.left_out for one in mixed.runs] == [one.left_out for one in by_runs.runs]


def test_a_file_that_does_not_say_what_was_seen_is_named_until_it_is_written_again(
    whole_files: list[str], run: Path, blob_file: str, tmp_path: Path
):
    old = dataclasses.replace(Predictions.load(whole_files[0]), seen=None)
    silent = str(old.save(tmp_path / "old.parquet"))
    result = compare_run([silent, whole_files[1]], blob_file, RunOptions())
    assert silent in result.notes[-1]
    assert "lightfast predict" in result.notes[-1]
    tag_run(str(run), [blob_file], RunOptions(out=Path(silent)))
    cured = compare_run([silent, whole_files[1]], blob_file, RunOptions())
    assert not any(silent in note for note in cured.notes)


def test_files_of_seen_pictures_alone_are_refused(whole_files: list[str], blob_file: str, tmp_path: Path):
    files = []
    for file in whole_files:
        one = Predictions.load(file)
        all_seen = dataclasses.replace(one, seen=np.ones(len(one), dtype=bool))
        files.append(str(all_seen.save(tmp_path / f"all-{Path(file).name}")))
    with pytest.raises(DataError, match="was seen in training"):
        compare_run(files, blob_file, RunOptions())


def test_test_predictions_are_of_unseen_pictures(done: Done):
    kept = Predictions.load(Path(done.runs[0]) / "predictions.parquet")
    assert kept.seen is not None
    assert not kept.seen.any()


def test_a_table_without_probabilities_is_refused_and_its_cure_works(
    whole_files: list[str], run: Path, blob_file: str, tmp_path: Path
):
    tag_run(str(run), [blob_file], RunOptions(out=tmp_path / "tags.csv"))
    with pytest.raises(DataError, match=r"does not hold all probabilities.*`out=FILE.parquet`"):
        compare_run([str(tmp_path / "tags.csv"), whole_files[1]], blob_file, RunOptions())
    tag_run(str(run), [blob_file], RunOptions(out=tmp_path / "tags.parquet"))
    assert compare_run([str(tmp_path / "tags.parquet"), whole_files[1]], blob_file, RunOptions()).comparison.n
