"""`lightfast scorecard` as typed."""

from __future__ import annotations

import json

import lightfast.cli.scorecard


def test_a_scorecard_as_typed(type_in, run, blobs, tmp_path) -> None:
    import numpy as np

    np.savez(tmp_path / "new.npz", **blobs(12, seed=9))
    saved = tmp_path / "saved"
    saved.mkdir()
    for row in range(12):
        response = {"tagsResult": {"values": [{"name": "light", "confidence": 0.8}]}}
        (saved / f"{row}.json").write_text(json.dumps(response), encoding="utf-8")
    said = type_in(f"scorecard {run} new.npz --responses saved --price azure=1.5 --out card --json")
    assert said.code == 0, said.err
    assert [one["service"]["top1"] for one in said.json["services"]] == [0.5]
    assert (tmp_path / "card" / "report.html").is_file()


def test_a_folder_without_responses_is_one_line(type_in, run, blobs_npz) -> None:
    said = type_in(f"scorecard {run} {blobs_npz} --responses nowhere")
    assert said.code == 2
    assert "no saved responses" in said.line()


def test_the_module_registers_its_command() -> None:
    assert lightfast.cli.scorecard.scorecard.__name__ == "scorecard"
