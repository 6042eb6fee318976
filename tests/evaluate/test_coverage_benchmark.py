"""The simulations of benchmarks/coverage.py, few of each: the recorded figures are made with more."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

PLACE = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


@pytest.fixture(scope="module")
def coverage():
    spec = importlib.util.spec_from_file_location("coverage_benchmark", PLACE)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLACE.parent)
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


@pytest.mark.parametrize(
    "make, setting, sims",
    [
        ("crossval_of", (3, 6, 0.97), 60),
        ("crossval_of", (5, 60, 0.99), 60),
        ("single_of", (30, 0.999), 60),
        ("pair_of", (10, 1.0, 0.97), 30),
        ("kappa_of", (10, 0.97), 60),
        ("suite_of", (10, 0.99), 60),
        ("curve_of", (100, 1.0, 1), 30),
    ],
)
def test_intervals_at_the_edge_hold_and_have_a_width(coverage, make, setting, sims):
    for row in coverage.simulated(str(setting), getattr(coverage, make)(*setting), sims, seed=1):
        assert row["coverage"] >= 0.93, row
        assert row["of width 0"] == 0, row


def test_the_recorded_coverage_is_at_least_93_in_100():
    kept = json.loads((PLACE.parent / "results" / "coverage.json").read_text())
    assert len(kept["lowest"]) >= 10
    for row in kept["rows"]:
        # Two standard errors of a rate of 0.93 over the recorded data sets.
        assert row["coverage"] >= 0.93 - 2 * (0.93 * 0.07 / row["sims"]) ** 0.5, row
