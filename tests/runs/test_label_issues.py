"""Training labels that look wrong are named: in the run, in the result, on the terminal, on the page."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import SettingsError
from lightfast.base.plain import as_json
from lightfast.cli.text.runs import train_lines
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.pages.run import TrainResult
from lightfast.runs.options import RunOptions
from lightfast.runs.train import train_run

PLANTED = range(0, 120, 11)
ROBUST = {"robust": True, "input_side": 32}


@pytest.fixture(scope="module")
def colours() -> ImageSet:
    """120 noisy plain pictures of three colours: an easy job for a pretrained network."""
    rng, labels = np.random.default_rng(3), np.arange(120) % 3
    images = rng.integers(0, 120, (120, 16, 16, 3))
    images[np.arange(120), :, :, labels] += 130
    return ImageSet(images.astype(np.uint8), ("red", "green", "blue"), labels, name="colours")


@pytest.fixture(scope="module")
def source(colours: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The colours, every eleventh with the label of the next class."""
    labels = colours.require_labels().copy()
    labels[list(PLANTED)] = (labels[list(PLANTED)] + 1) % 3
    wrong = dataclasses.replace(colours, labels=labels)
    return str(save_npz(tmp_path_factory.mktemp("data") / "colours.npz", wrong))


@pytest.fixture(scope="module")
def found(source: str, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """The result of a robust training on them."""
    return train_run(source, RunOptions(out=tmp_path_factory.mktemp("run")), model="lite0", config=ROBUST)


def test_the_file_names_the_planted_labels_and_what_they_were_before(found, colours):
    with Path(found.run, "label_issues.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    truth = dict(zip(colours.ids, colours.require_labels(), strict=True))
    planted = {colours.ids[row] for row in PLANTED}
    hits = [row for row in rows if row["id"] in planted]
    assert len(hits) >= 0.6 * len(rows) > 0
    assert all(row["suggested_label"] == colours.class_names[truth[row["id"]]] for row in hits)
    assert all(row["given_label"] != row["suggested_label"] for row in rows)
    qualities = [float(row["label_quality"]) for row in rows]
    assert qualities == sorted(qualities)
    assert 0 < qualities[0] < 1


def test_result_terminal_and_page_name_them_too(found):
    told = json.loads(Path(found.run, "metrics.json").read_text())["label_issues"]
    assert told["n"] == len(told["rows"]) == told["n"] == found.checkpoint.details["transfer"]["label_issues"]
    first = told["rows"][0]
    text = "\n".join(train_lines(found))
    assert f"{told['n']} training labels look wrong" in text
    assert f"{first['id']}: {first['given_label']}, rather {first['suggested_label']}" in text
    assert str(Path(found.run, "label_issues.csv")) in text
    page = Path(found.run, "report.html").read_text(encoding="utf-8")
    assert all(row["id"] in page for row in told["rows"])


def test_a_finished_run_is_loaded_with_them(found, source):
    again = train_run(source, RunOptions(out=Path(found.run), resume=True), model="lite0", config=ROBUST)
    assert as_json(again.label_issues)["n"] == found.label_issues.n
    assert [one.id for one in again.label_issues.rows] == [one.id for one in found.label_issues.rows]


def test_a_checkpoint_that_is_passed_on_names_no_picture(found):
    content = Path(found.run, "checkpoint", "checkpoint.json").read_text(encoding="utf-8")
    assert found.label_issues.rows[0].id not in content


def test_a_fit_that_looked_for_none_says_nothing(run):
    assert "label_issues" not in json.loads((run / "metrics.json").read_text())


def test_a_tree_has_no_remedy_for_wrong_labels(source, tmp_path):
    config = {"robust": True, "head": "tree"}
    with pytest.raises(SettingsError, match=r"`config\.robust` has no effect"):
        train_run(source, RunOptions(out=tmp_path / "run"), model="lite0", config=config)
