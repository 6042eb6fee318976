"""`lightfast enhance` from end to end: what it writes is used by the other commands as any run is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

QUICK = "--strength 0.1 --set epochs=1 --set enhancer.width=2 --set enhancer.depth=1 --set averaging=0"


@pytest.fixture
def enhanced(run, type_in, blobs_npz):
    """A run folder of an enhancer before the small classifier."""
    assert type_in(f"enhance {run} blobs.npz --out better --gate off --degrade none {QUICK}").code == 0
    return "better"


def test_predict_evaluate_compare_and_export_work_on_what_it_wrote(enhanced, run, type_in):
    rows = type_in(f"predict {enhanced} blobs.npz --json").json
    assert (rows["n"], rows["class_names"]) == (80, ["dark", "light"])
    scored = type_in(f"evaluate {enhanced} blobs.npz --json").json
    metrics = json.loads(Path("better/metrics.json").read_text())
    assert (scored["n"], scored["accuracy"]) == (metrics["n"], metrics["accuracy"])
    assert any("left out" in note for note in scored["notes"])
    both = type_in(f"compare {run} {enhanced} blobs.npz --json").json
    assert (both["n"], both["runs"][1]["cost"]["parameters"]) == (metrics["n"], metrics["parameters"])
    written = type_in(f"export {enhanced} --out better.onnx --json").json
    assert written["check"]["same"] == written["check"]["n"] == metrics["n"]
    from_file = type_in("predict better.onnx blobs.npz --json").json["predictions"]
    assert [row["predicted_label"] for row in from_file] == [
        row["predicted_label"] for row in rows["predictions"]
    ]


def test_it_prints_its_metrics_as_one_json_object(run, type_in, blobs_npz):
    said = type_in(f"enhance {run} blobs.npz --out better --json --degrade none {QUICK}").json
    assert said == json.loads(Path("better/metrics.json").read_text())


def test_a_refusal_is_told_with_the_way_out_and_the_way_out_works(run, type_in, blobs_npz):
    said = type_in(f"enhance {run} blobs.npz --out better --degrade none {QUICK}")
    assert said.code == 0
    assert said.out.startswith("REFUSED: ")
    assert "--use better --gate off" in type_in("predict better blobs.npz").line()
    command = next(line for line in said.out.splitlines() if line.startswith("not kept")).partition(
        "lightfast "
    )[2]
    assert type_in(command).out.startswith("Kept: the gate was off")
    assert type_in("evaluate RUN3 blobs.npz").code == 0


def test_other_classes_are_one_line(run, type_in, tmp_path, blobs):
    np.savez(tmp_path / "other.npz", **blobs(40, names=("day", "night")))
    said = type_in(f"enhance {run} other.npz --out better")
    assert said.code == 2
    assert "day, night" in said.line()
    assert not Path("better").exists()


@pytest.mark.parametrize(
    "options, part",
    [
        ("--enhancer unte", "unet"),
        ("--strength much", "--strength 100,1000"),
        ("--gate open", "--gate"),
        ("--use nowhere", "nowhere"),
        ("--set enhancer.colour=1", "colour"),
        ("--use x --strength 1", "--strength has no effect"),
    ],
)
def test_a_wrong_option_is_one_line(options, part, run, type_in, blobs_npz):
    said = type_in(f"enhance {run} blobs.npz --out better {options}")
    assert said.code == 2
    assert part in said.line()
    assert not Path("better").exists()


def test_its_help_shows_an_example(type_in):
    said = " ".join(type_in("enhance --help").out.split())
    assert "Example: lightfast enhance" in said
    assert "--protocol" in said
