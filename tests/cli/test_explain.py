"""`lightfast explain` as typed."""

from __future__ import annotations

from pathlib import Path

import lightfast.cli.explain

# The small run is a dense network: it has gradients and keeps no maps.
GRADIENTS = "--method integrated-gradients --set steps=4 --check 0"


def test_an_explanation_as_typed(type_in, run, blobs_npz) -> None:
    said = type_in(f"explain {run} {blobs_npz} {GRADIENTS} --limit 3 --out why --json")
    assert said.code == 0, said.err
    assert (said.json["n"], said.json["method"], said.json["labelled"]) == (3, "integrated-gradients", True)
    assert len(list(Path("why", "maps").glob("*.npy"))) == 3
    assert Path("why", "report.html").is_file()


def test_the_lines_name_the_files_and_the_notes_go_to_stderr(type_in, run, blobs_npz) -> None:
    said = type_in(f"explain {run} {blobs_npz} {GRADIENTS} --limit 3 --out why")
    assert said.code == 0, said.err
    assert f"report     {Path('why', 'report.html')}" in said.out.splitlines()
    assert "read, not scored" in said.err


def test_a_network_without_maps_is_one_line_that_names_what_applies(type_in, run, blobs_npz) -> None:
    said = type_in(f"explain {run} {blobs_npz} --method grad-cam --out why")
    assert said.code == 2
    assert "occlusion" in said.line()


def test_an_unknown_method_is_one_line_that_names_the_closest(type_in, run, blobs_npz) -> None:
    said = type_in(f"explain {run} {blobs_npz} --method gradcam")
    assert said.code == 2
    assert "Did you mean grad-cam" in said.line()


def test_a_folder_that_is_no_run_is_one_line(type_in, blobs_npz) -> None:
    said = type_in(f"explain nowhere {blobs_npz}")
    assert said.code == 2
    assert "no checkpoint in nowhere" in said.line()


def test_no_pictures_at_all_is_one_line(type_in, run) -> None:
    said = type_in(f"explain {run} nowhere.png {GRADIENTS}")
    assert said.code == 2
    assert "nowhere.png" in said.line()


def test_the_module_registers_its_command() -> None:
    assert lightfast.cli.explain.explain.__name__ == "explain"
