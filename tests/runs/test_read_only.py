"""Places that cannot be written: a run that others keep is read all the same, and what it would record goes
beside the results; a place for results is tried before any work.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lightfast.base.errors import StorageError
from lightfast.base.plain import as_json
from lightfast.data.images import ImageSet
from lightfast.data.splits import split
from lightfast.export.xmp import load_sidecar
from lightfast.restore.denoise import RestorerPlan
from lightfast.restore.detector import DetectorPlan
from lightfast.runs.compare import compare_run
from lightfast.runs.corrupt import corrupt_run, jobs_of
from lightfast.runs.enhance.enhance import enhance_run
from lightfast.runs.enhance.options import EnhanceOptions
from lightfast.runs.evaluate import evaluate_run
from lightfast.runs.explain import ExplainOptions, explain_run
from lightfast.runs.export import ExportOptions, export_run
from lightfast.runs.folder import TOUCH_FILE, write_seen
from lightfast.runs.human import human_results, human_test
from lightfast.runs.objects import objects_run
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import MODEL_FILE, tag_run
from lightfast.runs.repair import kit as repair_kit
from lightfast.runs.repair.plan import RepairPlan
from lightfast.runs.repair.repair import repair_run
from lightfast.runs.scorecard import scorecard_run
from lightfast.runs.train import train_run
from lightfast.train.recipe import Recipe

Close = Callable[[Path], Path]
Verb = Callable[[Path, str, RunOptions], object]
SAID = "evaluations.jsonl: the file system is read-only; this scoring is recorded "


@pytest.fixture
def shared(run: Path, tmp_path: Path, read_only: Close) -> Path:
    """A run on a place that cannot be written."""
    return read_only(Path(shutil.copytree(run, tmp_path / "lab" / "run")))


@pytest.fixture
def pictures(blobs: ImageSet, tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(4):
        Image.fromarray(blobs.images[index, :, :, 0]).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def responses(blobs: ImageSet, tmp_path: Path) -> Path:
    """What one service said of a picture that no run was fitted on."""
    folder = tmp_path / "responses"
    folder.mkdir()
    said = {"labelAnnotations": [{"description": "left", "score": 0.9}]}
    name = Path(split(blobs).test.ids[0]).stem
    (folder / f"{name}.json").write_text(json.dumps({"responses": [said]}), encoding="utf-8")
    return folder


def evaluate(run: Path, source: str, options: RunOptions):
    return evaluate_run(str(run), source, options)


def scorecard(run: Path, source: str, options: RunOptions):
    return scorecard_run(str(run), source, run.parent.parent / "responses", options)


def human(run: Path, source: str, options: RunOptions):
    human_test(source, options, person="Ann", n=3, ask=lambda _: "left", run=str(run))
    return human_results(source, options, run=str(run))


@pytest.mark.parametrize("verb", [evaluate, scorecard, human])
def test_a_scoring_of_a_shared_run_is_recorded_beside_the_results(
    verb: Verb, shared: Path, blob_file: str, responses: Path, tmp_path: Path
):
    before = (shared / TOUCH_FILE).read_bytes()
    options = RunOptions(out=tmp_path / "out")
    first, second = (as_json(verb(shared, blob_file, options)) for _ in range(2))
    assert second["touched_before"] == first["touched_before"] + 1
    assert first["notes"][-1].endswith(f"{SAID}in {tmp_path / 'out' / TOUCH_FILE}")
    lines = (tmp_path / "out" / TOUCH_FILE).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["run"] for line in lines] == [str(shared)] * 2
    assert (shared / TOUCH_FILE).read_bytes() == before


def test_each_run_of_a_comparison_has_its_own_record(shared: Path, run: Path, blob_file: str, tmp_path: Path):
    options, own = RunOptions(out=tmp_path / "out"), Path(shutil.copytree(run, tmp_path / "own"))
    first, second = (compare_run([str(shared), str(own)], blob_file, options) for _ in range(2))
    assert [one.touched_before + 1 for one in first.runs] == [one.touched_before for one in second.runs]
    [line, _] = (tmp_path / "out" / TOUCH_FILE).read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["run"] == str(shared)


@pytest.mark.parametrize("verb", [evaluate, scorecard])
def test_without_a_place_the_result_is_given_and_the_lost_record_is_said(
    verb: Verb, shared: Path, blob_file: str, responses: Path, tmp_path: Path
):
    result = as_json(verb(shared, blob_file, RunOptions()))
    assert result["notes"][-1].endswith(f"{SAID}nowhere: a writable `out` keeps it")
    assert as_json(verb(shared, blob_file, RunOptions(out=tmp_path / "out")))["notes"][-1].endswith(
        TOUCH_FILE
    )


def test_a_record_of_a_shared_run_is_none_of_the_run_that_lies_in_the_same_folder(
    shared: Path, run: Path, blob_file: str, tmp_path: Path
):
    other = Path(shutil.copytree(run, tmp_path / "other"))
    own = evaluate_run(str(other), blob_file, RunOptions()).touched_before
    evaluate_run(str(shared), blob_file, RunOptions(out=other))
    assert evaluate_run(str(other), blob_file, RunOptions()).touched_before == own + 1


def test_answers_that_cannot_be_written_beside_are_scored_all_the_same(
    run: Path, blob_file: str, tmp_path: Path, read_only: Close
):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    human_test(blob_file, RunOptions(), person="Ann", n=3, ask=lambda _: "left", run=str(folder))
    read_only(folder)
    result = human_results(blob_file, RunOptions(), run=str(folder))
    assert result.baseline.n == 3
    assert result.report is None
    assert "copy the answers to a folder that can be written and give that as `out`" in result.notes[-1]
    copied = Path(shutil.copytree(folder / "human", tmp_path / "copied"))
    assert human_results(blob_file, RunOptions(out=copied), run=str(folder)).report == copied / "report.html"


def test_a_shared_run_predicts_and_says_that_its_export_is_not_kept(
    shared: Path, pictures: Path, tmp_path: Path
):
    told = tag_run(str(shared), [str(pictures)], RunOptions(out=tmp_path / "tags.csv"))
    assert told.n == 4
    note = told.notes[0]
    assert "was exported for this time only" in note
    assert f"{MODEL_FILE}: the file system is read-only" in note
    export_run(str(shared), ExportOptions(), RunOptions(out=tmp_path / "run.onnx"))
    assert tag_run(str(tmp_path / "run.onnx"), [str(pictures)], RunOptions()).notes == ()


def test_a_shared_run_is_exported_explained_searched_and_suggests(
    shared: Path, pictures: Path, tmp_path: Path
):
    made = export_run(str(shared), ExportOptions(int8=True), RunOptions(out=tmp_path / "run.onnx"))
    assert made.notes[-1].endswith(f"{SAID}in {tmp_path / 'run.onnx'}.{TOUCH_FILE}")
    options = ExplainOptions("occlusion", check=0)
    assert explain_run(str(shared), [str(pictures)], RunOptions(out=tmp_path / "explained"), options)
    assert objects_run(str(shared), [str(pictures)], RunOptions(out=tmp_path / "objects"))
    export_run(str(shared), ExportOptions("xmp", at_least=0), RunOptions(), [str(pictures)])
    assert load_sidecar(pictures / "0.png.xmp")


def test_an_enhancer_is_learnt_through_shared_runs(
    shared: Path, blobs: ImageSet, blob_file: str, tmp_path: Path, read_only: Close
):
    out, other = tmp_path / "out", tmp_path / "other"
    train_run(blob_file, RunOptions(out=other, seed=1), model="mlp", recipe=Recipe.of(epochs=1))
    write_seen(other, blobs.take([0]))
    read_only(other)
    settings = ("epochs=1", "enhancer.width=2", "enhancer.depth=1")
    options = EnhanceOptions(strengths=(0.1,), settings=settings, degrade="none", transfer=(str(other),))
    result = enhance_run(str(shared), blob_file, RunOptions(out=out), enhance_options=options)
    assert all(note.endswith(f"{SAID}in {out / TOUCH_FILE}") for note in result.notes[-2:])
    lines = map(json.loads, (out / TOUCH_FILE).read_text(encoding="utf-8").splitlines())
    assert {line.get("run") for line in lines} == {None, str(shared), str(other)}


def test_the_kit_of_a_shared_run_is_kept_and_found_again_beside_the_results(
    shared: Path, blob_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    small = RepairPlan(
        severities=(3,),
        detector=DetectorPlan(model="mlp", config={"hidden": [8]}, recipe=Recipe.of(epochs=1)),
        restorer=RestorerPlan(config={"width": 8}, recipe=Recipe.of(epochs=1)),
    )
    monkeypatch.setattr(repair_kit, "within_budget", lambda *_: small)
    options = RunOptions(out=tmp_path / "out")
    first, second = (repair_run(str(shared), blob_file, options) for _ in range(2))
    kit = tmp_path / "out" / "repair"
    assert f"{shared} cannot be written; detector and restorer are kept in {kit}" in first.notes
    assert f"the detector and the restorer are those in {kit}" in second.notes
    assert second.touched_before == first.touched_before + 1


REFUSED: list[tuple[str, Verb]] = [
    ("tags.csv", lambda run, source, options: tag_run(str(run), [source], options)),
    ("out", evaluate),
    ("out", scorecard),
    ("out", lambda run, source, options: compare_run([str(run), "other"], source, options)),
    ("out", human),
    ("out", lambda run, source, options: explain_run(str(run), [source], options)),
    ("out", lambda run, source, options: objects_run(str(run), [source], options)),
    ("out", lambda run, source, options: repair_run(str(run), source, options)),
    ("out", lambda _run, source, options: corrupt_run(source, jobs_of("fog", 3, None), options)),
    ("out.npz", lambda _run, source, options: corrupt_run(source, jobs_of("fog", 3, None), options)),
    ("x.onnx", lambda run, _source, options: export_run(str(run), ExportOptions(), options)),
    ("out", lambda run, _source, options: export_run(str(run), ExportOptions("photoprism"), options)),
]


@pytest.mark.parametrize(("name", "verb"), REFUSED)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    name: str, verb: Verb, run: Path, tmp_path: Path, read_only: Close
):
    (tmp_path / "mount").mkdir()
    out = read_only(tmp_path / "mount") / "deep" / name
    with pytest.raises(StorageError) as caught:
        verb(run, str(tmp_path / "no such pictures"), RunOptions(out=out))
    said = f"cannot write {out}: the file system is read-only. Choose another place, or mount it writable."
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "verb",
    [
        lambda run, source: repair_run(run, source, RunOptions()),
        lambda run, source: explain_run(run, [source], RunOptions()),
        lambda run, source: human_test(source, RunOptions(), person="A", n=1, ask=lambda _: None, run=run),
    ],
)
def test_a_default_place_in_a_shared_run_is_refused_with_out_as_the_cure(
    verb: Callable[[str, str], object], shared: Path
):
    with pytest.raises(StorageError, match=r"the file system is read-only\. Give another place as `out`\.$"):
        verb(str(shared), "no such pictures")


def test_sidecars_on_a_place_that_cannot_be_written_cost_no_reading(
    run: Path, pictures: Path, tmp_path: Path, read_only: Close
):
    other = Path(shutil.copytree(pictures, tmp_path / "mount"))
    read_only(other)
    result = export_run(
        str(run), ExportOptions("xmp", at_least=0), RunOptions(), [str(pictures), str(other), str(pictures)]
    )
    assert (result.n, result.sidecars, result.suggested, len(result.refused)) == (4, 4, 4, 4)
    assert {Path(one.path).parent for one in result.refused} == {other}
    assert result.notes[-1] == "4 picture(s) were named twice, and read once"
