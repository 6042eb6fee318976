"""Whoever is handed in as executor gets all tasks of a verb or study that trains more than once."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lightfast
from lightfast.data.images import ImageSet
from lightfast.experiments.crossval import FoldOptions
from lightfast.experiments.sweep_plan import SweepOptions
from lightfast.runs import crossval, sweep
from lightfast.runs.crossval import crossval_run
from lightfast.runs.options import RunOptions
from lightfast.runs.sweep import sweep_run
from lightfast.studies.assets import draws
from lightfast.studies.assets.draws import measured_draws
from lightfast.studies.assets.tasks import TaskOf
from lightfast.studies.perturbations.networks import train_parts
from lightfast.studies.registry import StudyOptions
from lightfast.train.fit import ClassifierPlan

FOREST = ClassifierPlan("random-forest", config={"trees": 2})


class InProcess:
    """Runs every task here, after what a cluster does to it: pickled and unpickled."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}

    def __call__(self, task, arguments, *, jobs=None, report=None, label="tasks") -> list[Any]:
        self.calls[label] = len(arguments)
        return [task(*pickle.loads(pickle.dumps(one))) for one in arguments]


@pytest.fixture
def executor() -> InProcess:
    return InProcess()


def test_all_folds_go_through_it(executor: InProcess, blob_file: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(crossval, "write_crossval_page", lambda *given: None)
    options = RunOptions(out=tmp_path / "run", executor=executor)
    result = crossval_run(blob_file, options, plan=FOREST, fold_options=FoldOptions(3, 2))
    assert executor.calls == {"folds": 6}
    assert len(result.validated.folds) == 6


def test_all_points_go_through_it(executor: InProcess, blob_file: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sweep, "write_sweep_page", lambda *given: None)
    options = RunOptions(out=tmp_path / "run", executor=executor)
    wanted = SweepOptions("train_size", values=(20, 90), repeats=2)
    sweep_run(blob_file, options, plan=FOREST, sweep_options=wanted)
    assert executor.calls == {"sweep": 4}


def test_studies_hand_over_their_own(executor: InProcess, blobs: ImageSet, tmp_path: Path, monkeypatch):
    options = StudyOptions(tmp_path, executor=executor)
    train_parts(options, [], {})
    monkeypatch.setattr(draws, "draw", lambda *given: None)
    monkeypatch.setattr(draws, "measure_draw", lambda experiment: {"draw": experiment.number})
    task, pool = (
        TaskOf("task", "", ("a", "b"), False, {}, (0, None)),
        SimpleNamespace(train=blobs, test=blobs),
    )
    found = measured_draws(options, [task], pool, (None, None), None, 2)
    assert found == {"task": [{"draw": 0}, {"draw": 1}]}
    assert executor.calls == {"classifiers and denoisers": 0, "enhancers": 0, "readings": 0, "draws": 2}


def test_nobody_calls_the_default_by_name():
    package = Path(lightfast.__file__).parent
    callers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "in_parallel"
    }
    assert callers == set()
