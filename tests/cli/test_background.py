"""`lightfast background` as typed; the run of a client; a row after every stroke."""

from __future__ import annotations

import json

import numpy as np

import lightfast.cli.background


def test_a_check_as_typed(type_in, run, blobs, tmp_path) -> None:
    made = blobs(24, seed=9)
    name = next(key for key in made if key.endswith("images"))
    pictures = np.zeros_like(made[name])
    height, width = pictures.shape[1:3]
    pictures[:, height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 220
    made[name] = pictures + np.random.default_rng(0).integers(0, 30, pictures.shape, dtype=np.uint8)
    np.savez(tmp_path / "new.npz", **made)
    said = type_in(f"background {run} new.npz --out card --json")
    assert said.code == 0, said.err
    assert said.json["n"] + said.json["without_foreground"] == 24
    assert json.loads((tmp_path / "card" / "metrics.json").read_text(encoding="utf-8"))["n"] == said.json["n"]
    assert (tmp_path / "card" / "report.html").is_file()


def test_the_run_of_a_client_reads(type_in, run, blobs_npz, tmp_path) -> None:
    (tmp_path / "clients.yaml").write_text(f"acme: {run}\n", encoding="utf-8")
    own = type_in(f"predict {run} {blobs_npz} --format csv")
    of_client = type_in(f"predict clients.yaml {blobs_npz} --taxonomy-of acme --format csv")
    assert (of_client.code, of_client.out) == (0, own.out)
    unknown = type_in(f"predict clients.yaml {blobs_npz} --taxonomy-of zoo")
    assert unknown.code == 2
    assert "client 'zoo'" in unknown.line()


def test_every_stroke_of_pictures_is_one_line(type_in, run, blobs_npz) -> None:
    said = type_in(f"predict {run} {blobs_npz} --every-stroke")
    assert said.code == 2
    assert "--every-stroke needs drawings as strokes" in said.line()


def test_the_module_registers_its_command() -> None:
    assert lightfast.cli.background.background.__name__ == "background"
