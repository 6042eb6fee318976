"""`relabel` with a proof: both labels trained on alike, judged on one test part, noted in the ledger."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import DataError, SettingsError
from lightfast.curate.ledger import RepairLedger
from lightfast.data.decisions import Decision, DecisionLog
from lightfast.runs.folder import TOUCH_FILE
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.relabel import RelabelResult, relabel_data
from lightfast.runs.relabel_proof import ProofOptions
from lightfast.runs.train import train_run

NAMES = ("left", "right", "top")


def _pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % 3
    pixels = rng.integers(0, 120, (count, 8, 8, 1), dtype=np.uint8)
    for row, label in enumerate(truth):
        place = (slice(None), slice(0, 4)) if label == 0 else (slice(None), slice(4, 8))
        pixels[row][place if label < 2 else (slice(0, 4), slice(None))] += 90
    return pixels, truth


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three easy classes with an official test part; every second training label of class 0 is "right"."""
    folder = tmp_path_factory.mktemp("proof")
    (pixels, truth), (test_pixels, test_truth) = _pictures(120, 0), _pictures(60, 1)
    given = truth.copy()
    given[np.flatnonzero(truth == 0)[:28]] = 1
    np.savez(
        folder / "data.npz",
        allow_pickle=False,
        class_names=np.array(NAMES),
        train_images=pixels,
        train_labels=given,
        test_images=test_pixels,
        test_labels=test_truth,
    )
    np.save(folder / "truth.npy", truth)
    return folder / "data.npz"


@pytest.fixture(scope="module")
def run(source: Path) -> str:
    """A forest: quick to train again."""
    out = source.parent / "run"
    train_run(str(source), RunOptions(out=out), model="random-forest")
    return str(out)


def _said(source: Path, log: Path, *, test: int = 0, train: bool = True) -> Path:
    """The true labels of the training part, and `test` test pictures called something else."""
    parts = prepare(str(source), RunOptions(), near="none").data.parts
    decisions, truth = DecisionLog(log), np.load(source.parent / "truth.npy")
    images = parts["train"]
    for row in np.flatnonzero(images.require_labels() != truth).tolist() if train else ():
        picture = (images.ids[row], images.content_hashes[row])
        decisions.append(Decision.of(picture, (None, NAMES[truth[row]]), reviewer="ada", seconds=6.0))
    for row in range(test):
        picture = (parts["test"].ids[row], parts["test"].content_hashes[row])
        label = NAMES[(parts["test"].require_labels()[row] + 1) % 3]
        decisions.append(Decision.of(picture, (None, label), reviewer="ada", seconds=6.0))
    return log


def _proved(source: Path, log: Path, out: Path, wanted: ProofOptions) -> RelabelResult:
    return relabel_data(str(source), log, RunOptions(out=out), proof=wanted)


def test_a_clean_up_that_pays_is_a_gain_in_the_ledger_beside_the_versions(
    source: Path, run: str, tmp_path: Path
):
    before = len((Path(run) / TOUCH_FILE).read_text().splitlines())
    log = _said(source, tmp_path / "said.jsonl")
    result = _proved(source, log, tmp_path / "next", ProofOptions(run))
    one = result.proof
    assert one is not None
    assert (one.verdict, one.as_given.n, one.uses, one.cleaned) == ("gain", 60, 1, None)
    assert (one.decisions, one.changed, one.minutes) == (28, 28, pytest.approx(2.8))
    assert RepairLedger(tmp_path / "ledger.jsonl").read().records == (one,)
    assert json.loads((tmp_path / "next" / "version.json").read_text())["proof"]["verdict"] == "gain"
    # The run's own test part has answered once more.
    assert len((Path(run) / TOUCH_FILE).read_text().splitlines()) == before + 1
    again = _proved(source, log, tmp_path / "again", ProofOptions(run, minutes=5.0))
    assert again.proof is not None
    assert again.total is not None
    assert (again.proof.uses, again.proof.as_given) == (2, one.as_given)
    assert (again.total.cleanups, again.total.minutes, again.total.uses) == (1, 5.0, 2)
    assert any("answered 2 times" in note for note in again.notes)


def test_cleaned_test_labels_give_both_figures_and_the_first_decides(source: Path, run: str, tmp_path: Path):
    log = _said(source, tmp_path / "said.jsonl", test=4)
    one = _proved(source, log, tmp_path / "next", ProofOptions(run)).proof
    assert one is not None
    assert one.cleaned is not None
    assert one.cleaned.accuracy_after < one.as_given.accuracy_after
    assert (one.verdict, one.changed) == (one.as_given.verdict, 32)


def test_where_only_test_labels_change_nothing_is_trained_and_that_is_said(
    source: Path, run: str, tmp_path: Path
):
    log = _said(source, tmp_path / "said.jsonl", test=2, train=False)
    result = _proved(source, log, tmp_path / "next", ProofOptions(run))
    assert result.proof is None
    assert not (tmp_path / "ledger.jsonl").exists()
    assert any("nothing to prove" in note for note in result.notes)


def test_a_clean_up_that_takes_a_class_away_is_refused_before_anything_is_written(
    source: Path, run: str, tmp_path: Path
):
    images, log = (
        prepare(str(source), RunOptions(), near="none").data.train,
        DecisionLog(tmp_path / "all.jsonl"),
    )
    for row in np.flatnonzero(images.require_labels() == 0).tolist():
        log.append(Decision.of((images.ids[row], images.content_hashes[row]), (None, "top"), reviewer="ada"))
    with pytest.raises(DataError, match="no training pictures of left"):
        _proved(source, log.path, tmp_path / "next", ProofOptions(run))
    assert not (tmp_path / "next").exists()


def test_minutes_are_a_number():
    with pytest.raises(SettingsError, match="minutes"):
        ProofOptions(minutes=-1)
