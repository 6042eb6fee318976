"""What the tests of the command line share: a place to type in, pictures, a trained run."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.cli import app as cli

SMALL = "--model mlp --set epochs=2 --set model.hidden=[16]"


@dataclass
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    def line(self) -> str:
        """The one line of a refusal."""
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("lightfast: ")
        return lines[0]


@pytest.fixture
def type_in(capsys, monkeypatch, tmp_path):
    """Types a command in an empty folder, with an empty data folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIGHTFAST_DATA", str(tmp_path / "data-sets"))

    def typed(text: str) -> Said:
        code = cli.main(shlex.split(text))
        return Said(code, *capsys.readouterr())

    return typed


def _blobs(count: int, seed: int = 0, names=("dark", "light"), size=16) -> dict[str, np.ndarray]:
    """Pictures that a small network tells apart: dark and light noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(names)
    images = (
        rng.integers(0, 100, (count, size, size), dtype=np.uint8)
        + (labels * 120).astype(np.uint8)[:, None, None]
    )
    return {"images": images, "labels": labels, "class_names": np.array(names)}


def _write_folder(folder: Path, classes: dict[str, int]) -> Path:
    rng = np.random.default_rng(0)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(
                folder / name / f"{index}.png"
            )
    return folder


@pytest.fixture
def blobs_npz(tmp_path):
    np.savez(tmp_path / "blobs.npz", **_blobs(80))
    return "blobs.npz"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder of a small classifier of `blobs`."""
    folder = tmp_path_factory.mktemp("trained")
    np.savez(folder / "blobs.npz", **_blobs(80))
    assert cli.main(shlex.split(f"train {folder}/blobs.npz --out {folder}/run {SMALL} --json")) == 0
    return folder / "run"


@pytest.fixture
def blobs():
    """`blobs(count, seed, names)`: arrays of an .npz that a small network can learn."""
    return _blobs


@pytest.fixture
def write_folder():
    """`write_folder(folder, {class: pictures})`: PNG files in class folders."""
    return _write_folder


@pytest.fixture
def small():
    """Options of a training that takes a moment."""
    return SMALL
