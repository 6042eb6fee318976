"""The whole job on the embedded digits, at its quick scale."""

from __future__ import annotations

import json

import pytest

from lightfast.base.errors import CheckpointError
from lightfast.base.plain import as_json
from lightfast.runs.demo import demo_run
from lightfast.runs.options import RunOptions


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_quick_demo_repairs_more_than_it_harms_and_writes_its_run(tmp_path):
    metrics = demo_run(RunOptions(out=tmp_path / "demo"), quick=True)
    paired = metrics.mixed
    assert metrics.scored.evaluation.accuracy > 0.93
    assert paired.difference_interval.low > 0.05
    assert abs(metrics.clean.difference) < 0.01
    assert json.loads((tmp_path / "demo" / "metrics.json").read_text()) == as_json(metrics)
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "no label was looked at" in page
    assert {path.name for path in (tmp_path / "demo").iterdir()} >= {
        "checkpoint",
        "repair",
        "repaired",
        "report.html",
        "run.json",
    }


def test_the_demo_does_not_write_over_another_run(run):
    with pytest.raises(CheckpointError, match="already holds"):
        demo_run(RunOptions(out=run), quick=True)
