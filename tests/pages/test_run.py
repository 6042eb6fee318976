"""The pages of a training and of an evaluation."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from lightfast.base.plain import as_json
from lightfast.models.load import load_checkpoint
from lightfast.pages.run import temperature_words
from lightfast.runs.evaluate import evaluate_run
from lightfast.runs.options import RunOptions


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_page_of_a_training_tells_classes_curves_and_temperature(run):
    text = words((run / "report.html").read_text())
    for expected in (
        "By class, ",
        "Top k, ",
        "ROC and precision-recall",
        "average precision",
        "The temperature is",
        "Training",
    ):
        assert expected in text


def test_the_page_of_an_evaluation_has_the_same_sections(run, blob_file, tmp_path):
    own = shutil.copytree(run, tmp_path / "run")
    metrics = evaluate_run(str(own), blob_file, RunOptions(out=tmp_path / "scores"))
    text = words((tmp_path / "scores" / "report.html").read_text())
    for expected in ("By class, ", "Top k, ", "ROC and precision-recall", "The temperature is"):
        assert expected in text
    assert metrics.temperature == load_checkpoint(run).temperature
    assert (
        as_json(metrics)["hardest_pairs"] == json.loads((run / "metrics.json").read_text())["hardest_pairs"]
    )


@pytest.mark.parametrize(
    "temperature, pictures, said",
    [
        (1.4, 500, "too sure of itself"),
        (0.7, 500, "not sure enough"),
        (1.01, 500, "left nearly as they were"),
        (1.0, 0, "no validation pictures"),
        (1.0, None, "No temperature was fitted"),
    ],
)
def test_the_temperature_is_told_in_words(run, temperature, pictures, said):
    details = {} if pictures is None else {"calibrated_on": pictures}
    text = temperature_words(load_checkpoint(run).replace(temperature=temperature, details=details))
    assert said in text
    assert not pictures or f"{temperature:.2f}, fitted on 500 validation pictures" in text


def test_a_temperature_found_out_of_fold_is_not_of_validation_pictures(run):
    few = load_checkpoint(run).replace(details={"calibrated_on": 40, "out_of_fold": {"n": 40}})
    assert "fitted on 40 labelled pictures out of fold: " in temperature_words(few)


def test_a_temperature_of_few_pictures_does_not_judge_the_model(run):
    few = load_checkpoint(run).replace(temperature=1.4, details={"calibrated_on": 40})
    assert temperature_words(few).endswith("the model's probabilities were made softer.")
