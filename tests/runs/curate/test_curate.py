"""`curate`: from a folder to what is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from lightfast.base.errors import DataError, InputError, SettingsError
from lightfast.base.files import load_json
from lightfast.curate.embed import Embedder
from lightfast.curate.issue_table import load_issues
from lightfast.curate.pruning import pruned_at
from lightfast.data.decisions import ReviewQueue
from lightfast.pages.curate_result import CurateResult
from lightfast.runs.curate import labels as curate_labels
from lightfast.runs.curate.curate import CurateOptions, curate_run, default_folder
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.relabel import relabel_data

COLOURS = {"leaf": (40, 150, 50), "rose": (190, 40, 60), "sky": (60, 110, 200)}
WRONG = {"leaf/rose-3.png": "rose", "sky/leaf-5.png": "leaf"}


def photograph(name: str, number: int) -> Image.Image:
    """48 × 48 pixels of soft noise around the colour of a class."""
    rng = np.random.default_rng([number, *name.encode()])
    noise = gaussian_filter(rng.normal(size=(48, 48, 3)), (2, 2, 0)) * 120
    return Image.fromarray(np.clip(noise + COLOURS[name], 0, 255).astype(np.uint8))


def write(folder: Path, count: int = 14) -> Path:
    for name in COLOURS:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            photograph(name, number).save(folder / name / f"{name}-{number}.png")
    return folder


def colours(images: np.ndarray) -> np.ndarray:
    """float32 (N, 12): the mean colour of each quarter."""
    half = images.shape[1] // 2
    quarters = [images[:, y : y + half, x : x + half].mean(axis=(1, 2)) for y in (0, half) for x in (0, half)]
    return np.concatenate(quarters, axis=1).astype(np.float32) / 255 - 0.4


@pytest.fixture(scope="module", autouse=True)
def plain_features():
    """Colours in the place of a backbone's features."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curate_labels, "backbone_embedder", lambda: Embedder("colours", colours))
        yield


def curate(source: Path, out: Path, **options: object) -> CurateResult:
    return curate_run(str(source), RunOptions(out=out), CurateOptions(repeats=1, **options))


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two wrong labels, one picture under two labels, a copy, a broken file, a class of one picture."""
    folder = write(tmp_path_factory.mktemp("messy") / "photos")
    for place in WRONG:
        name = Path(place).name
        (folder / name.split("-")[0] / name).rename(folder / place)
    shutil.copy(folder / "leaf/leaf-1.png", folder / "rose/again.png")
    shutil.copy(folder / "sky/sky-1.png", folder / "sky/again.png")
    (folder / "sky/broken.png").write_bytes(b"no picture")
    (folder / "rare").mkdir()
    photograph("rose", 99).save(folder / "rare/one.png")
    return folder


@pytest.fixture(scope="module")
def curated(messy, tmp_path_factory) -> CurateResult:
    return curate(messy, tmp_path_factory.mktemp("curated") / "out")


def kinds(result: CurateResult, kind: str) -> set[str]:
    return {one.id for one in result.issues if one.kind == kind}


def test_planted_wrong_labels_are_found_with_their_class(curated):
    suggested = {one.id: one.suggested_label for one in curated.issues if one.kind == "label"}
    assert {place: suggested.get(place) for place in WRONG} == WRONG


def test_a_wrong_label_comes_with_evidence_on_both_sides(curated):
    one = next(one for one in curated.issues if one.id == "leaf/rose-3.png")
    assert len(one.agreeing) == len(one.disagreeing) == 3
    assert all(name.startswith("rose/") for name in one.disagreeing)
    assert one.reason


def test_a_picture_under_two_labels_is_found(curated):
    assert kinds(curated, "identical, two labels") == {"leaf/leaf-1.png", "rose/again.png"}


def test_a_copy_is_found(curated):
    assert kinds(curated, "exact copy") == {"sky/sky-1.png", "sky/again.png"}


def test_a_file_that_cannot_be_read_is_named(curated):
    assert [Path(one.path).name for one in curated.unreadable] == ["broken.png"]


def test_a_class_of_one_picture_is_named_and_not_judged(curated):
    assert any("rare" in note and "not judged" in note for note in curated.notes)
    assert "rare/one.png" not in kinds(curated, "label")


def test_what_was_not_looked_for_is_said(curated):
    assert curated.not_run == {"damage detector": "no run was named"}


def test_the_files_hold_what_was_found(curated):
    out = curated.out
    assert load_issues(out / "issues.parquet") == curated.issues
    assert load_json(out / "metrics.json")["found"] == dict(curated.found)
    queue = ReviewQueue.load(out / "queue.csv")
    assert queue.items[0].id == curated.issues[0].id
    assert set(queue.more["read_as"]) == {"48x48x3"}
    assert set(queue.more["kind"]) == {"label", "identical, two labels"}


def test_the_filled_queue_goes_back_through_relabel_and_is_not_written_over(messy, tmp_path):
    import csv

    result = curate(messy, tmp_path / "out", prune="off")
    queue = result.out / "queue.csv"
    with queue.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row["decided_label"] = WRONG.get(row["id"], "")
    with queue.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    again = relabel_data(str(messy), queue, RunOptions(out=tmp_path / "next"), reviewer="ada")
    assert again.changed == {"train": len(WRONG)}
    with pytest.raises(DataError, match="2 answers, which would be written over"):
        curate(messy, tmp_path / "out")


def test_every_picture_has_its_scores(curated):
    import pandas as pd

    frame = pd.read_parquet(curated.out / "scores.parquet")
    assert len(frame) == curated.n
    assert frame.set_index("id")["label_quality"].isna().sum() == 1
    assert set(frame.loc[frame["is_issue"], "id"]) == kinds(curated, "label")


def test_the_same_seed_finds_the_same(curated, messy, tmp_path):
    assert curate(messy, tmp_path / "again").issues == curated.issues


def test_the_page_filters_by_class_and_shows_the_worst(curated):
    page = (curated.out / "report.html").read_text(encoding="utf-8")
    assert 'data-given="leaf" data-suggested="rose"' in page
    assert '<option value="sky">' in page
    assert "script-src 'sha256-" in page


def test_a_folder_without_labels_is_looked_at_all_the_same(messy, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted((messy / "sky").glob("*.png"))):
        shutil.copy(path, flat / f"{number}.png")
    result = curate(flat, tmp_path / "out")
    assert result.labels == ()
    assert result.not_run["label issues"] == "the pictures have no labels"
    assert result.found["exact copy"] == 2
    assert any("without labels" in note for note in result.notes)


def test_a_test_part_has_both_figures_and_is_marked(tmp_path):
    folder = tmp_path / "parts"
    write(folder / "train")
    write(folder / "test", 5)
    for name in COLOURS:
        for number in range(5):
            photograph(name, 50 + number).save(folder / "test" / name / f"{name}-{number}.png")
    (folder / "test/rose/rose-2.png").rename(folder / "test/leaf/rose-2.png")
    result = curate(folder, tmp_path / "out", prune="off")
    assert result.test
    assert (result.test.n, result.test.cleaned) == (15, 1)
    assert (result.test.given, result.test.after) == (14 / 15, 1)
    assert [one.part for one in result.issues if one.kind == "label"] == ["test"]
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "inflated" in page
    assert '<span class="mark">test part</span>' in page


def test_copies_across_parts_are_leaks(tmp_path):
    folder = tmp_path / "parts"
    write(folder / "train")
    shutil.copytree(folder / "train", folder / "test")
    result = curate(folder, tmp_path / "out", prune="off")
    assert result.found["leak"] == 2 * 3 * 14
    assert any("test part were not judged" in note for note in result.notes)


def test_a_share_whose_gain_is_not_shown_is_not_written(messy, tmp_path, monkeypatch):
    scores = np.array([[0.8, 0.8, 0.8, 0.8], [0.9, 0.7, 0.9, 0.8]])
    found = pruned_at((0.0, 0.1), scores, 1)
    assert found.gain > 0
    monkeypatch.setattr(curate_labels, "choose_share", lambda *_, **__: found)
    result = curate(messy, tmp_path / "out")
    assert not (result.out / "pruned.csv").exists()
    assert any("no gain shown" in note and "`prune=0.1` writes it" in note for note in result.notes)


def test_the_pruned_version_can_be_read_and_has_its_parent(messy, tmp_path):
    result = curate(messy, tmp_path / "out", prune="0.1")
    assert result.pruning.chosen == 0.1
    assert not result.pruning.shown
    assert any("as asked, though no gain is shown" in note for note in result.notes)
    pruned = prepare(tmp_path / "out/pruned.csv", RunOptions(root=messy)).data.part("all")
    facts = load_json(tmp_path / "out/pruned.json")
    assert facts["parent"] == result.data_version
    assert len(pruned) == result.n - len(facts["left_out"])
    assert set(WRONG) <= set(facts["left_out"])


def test_pictures_that_all_look_alike_are_said(tmp_path):
    folder = tmp_path / "alike"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(6):
            pixels = np.full((48, 48, 3), 90, dtype=np.uint8)
            pixels[number, number] = pixels[number, number] + 0
            pixels[0, 0, 0] = number + 10 * (name == "b")
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        same = Embedder("same", lambda images: np.ones((len(images), 4), np.float32))
        patch.setattr(curate_labels, "backbone_embedder", lambda: same)
        result = curate(folder, tmp_path / "out")
    assert "same features" in result.not_run["label issues"]


def test_more_folds_than_pictures_become_fewer(tmp_path):
    result = curate(write(tmp_path / "few", 4), tmp_path / "out", folds=40, prune="off")
    assert any("12 folds instead of 40" in note for note in result.notes)
    assert result.labels[0].n == 12


def test_several_labels_a_picture_are_missing_or_superfluous(tmp_path):
    folder = write(tmp_path / "tagged", 20)
    rows = ["path,label"]
    for name in COLOURS:
        for number in range(20):
            said = name if (name, number) != ("rose", 4) else ""
            more = ";sky" if (name, number) == ("leaf", 7) else ""
            rows.append(f"{name}/{name}-{number}.png,{said}{more};thing")
    table = folder / "table.csv"
    table.write_text("\n".join(rows).replace(",;", ",") + "\n", encoding="utf-8")
    result = curate_run(
        str(table), RunOptions(out=tmp_path / "out", label_separator=";"), CurateOptions(repeats=1)
    )
    assert {one.id: one.suggested_label for one in result.issues if "missing" in one.kind}[
        "rose/rose-4.png"
    ] == "+ rose"
    assert {one.id: one.suggested_label for one in result.issues if "superfluous" in one.kind}[
        "leaf/leaf-7.png"
    ] == "− sky"


@pytest.mark.parametrize("wrong", [{"folds": 2}, {"repeats": 0}, {"prune": "2"}, {"prune": "some"}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SettingsError):
        CurateOptions(**wrong)


def test_an_empty_folder_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        curate(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_run_is_refused(tmp_path, messy):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/run.json").write_text(json.dumps({"made_by": "train"}), encoding="utf-8")
    with pytest.raises(InputError, match="another kind of run"):
        curate(messy, tmp_path / "out")


def test_folders_are_named_after_the_run_or_the_data():
    assert default_folder("my photos/", "") == Path("runs/curate-my-photos")
    assert default_folder("photos", "runs/a") == Path("runs/a/curated")
