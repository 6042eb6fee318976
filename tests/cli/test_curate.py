"""`lightfast curate` as typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.curate.embed import Embedder


@pytest.fixture
def photos(tmp_path, monkeypatch) -> Path:
    """Dark and light photographs, one in the wrong folder; brightness in the place of features."""
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 180)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(level + 30 * rng.normal(size=(40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{name}-{number}.png")
    (tmp_path / "photos/dark/dark-3.png").rename(tmp_path / "photos/light/dark-3.png")
    brightness = Embedder(
        "brightness", lambda images: images[:, ::20, ::20].mean(axis=-1).reshape(len(images), -1) / 255 - 0.5
    )
    monkeypatch.setattr("lightfast.runs.curate.labels.backbone_embedder", lambda: brightness)
    return tmp_path / "photos"


def test_one_object_on_stdout(type_in, photos):
    said = type_in(f"curate {photos} --out out --repeats 1 --prune off --json")
    assert said.code == 0, said.err
    assert (said.json["n"], said.json["found"]["label"]) == (24, 1)
    assert said.json["not_run"]["pruning"] == "it was not asked for"


def test_lines_name_the_worst_and_the_files(type_in, photos):
    said = type_in(f"curate {photos} --repeats 1 --prune off")
    assert said.code == 0, said.err
    assert "light/dark-3.png" in said.out
    report = Path("runs", "curate-photos", "report.html")
    assert f"report     {report}" in said.out.splitlines()
    assert report.is_file()


@pytest.mark.parametrize("typed", ["--prune 3", "--run nowhere", "--image-size big"])
def test_bad_options_are_one_line(type_in, photos, typed):
    said = type_in(f"curate {photos} --out out {typed}")
    assert said.code == 2
    assert said.line()


def test_a_folder_that_is_not_there_is_one_line(type_in):
    said = type_in("curate nowhere --out out")
    assert said.code == 2
    assert "nowhere" in said.line()
