"""`curate --run`: judged by a run's own model, its test part by the run itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import predict
from lightfast.models.load import load_classifier
from lightfast.pages.curate_result import CurateResult
from lightfast.runs.curate.curate import CurateOptions, curate_run
from lightfast.runs.folder import seen_rows
from lightfast.runs.options import RunOptions


def one_after_the_other(task: Any, arguments: Any, *, jobs: Any = None, report: Any = None, label: str = ""):
    return [task(*one) for one in arguments]


@pytest.fixture(scope="module")
def curated(run: Path, blob_file: str, tmp_path_factory: pytest.TempPathFactory) -> CurateResult:
    out = tmp_path_factory.mktemp("curated") / "out"
    options = RunOptions(out=out, executor=one_after_the_other)
    return curate_run(blob_file, options, CurateOptions(str(run), folds=3, repeats=1))


def test_what_the_run_never_saw_is_its_test_part(curated, run, blobs: ImageSet):
    seen = seen_rows(run, blobs)
    assert curated.parts == {"train": int(seen.sum()), "test": int((~seen).sum())}
    assert any("count as its test part" in note for note in curated.notes)


def test_the_test_part_is_judged_by_the_run_itself(curated, run, blobs: ImageSet):
    unseen = np.flatnonzero(~seen_rows(run, blobs))
    probs = predict(load_classifier(str(run)), blobs.take(unseen)).pred_probs
    np.testing.assert_allclose(curated.labels[1].pred_probs, probs, atol=1e-6)


def test_the_others_are_judged_by_its_model_trained_anew(curated, run):
    assert f"the model of {run} (mlp), trained anew" in curated.method
    assert curated.labels[0].n == curated.parts["train"]


def test_both_figures_are_those_of_counting(curated, blobs: ImageSet):
    part, test = curated.labels[1], curated.test
    read, given = part.pred_probs.argmax(axis=1), blobs.labels[part.rows]
    cleaned = np.where(part.found.is_issue, part.found.suggested_label, given)
    assert (test.given, test.after) == ((read == given).mean(), (read == cleaned).mean())


def test_networks_are_not_trained_dozens_of_times(curated):
    assert "dozens of times" in curated.not_run["pruning"]
    assert curated.not_run["damage detector"].startswith(str(Path(curated.run)))
