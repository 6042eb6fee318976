"""`map`: files and a page from labelled and unlabelled pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lightfast.runs.map as map_verb
from lightfast.base.errors import DataError
from lightfast.cli.text.map import map_lines
from lightfast.curate.embed import Embedder
from lightfast.data.export import save_folder, save_npz
from lightfast.data.images import ImageSet
from lightfast.runs.map import MapOptions, map_run
from lightfast.runs.options import RunOptions


@pytest.fixture(autouse=True)
def plain_features(monkeypatch: pytest.MonkeyPatch):
    """The pixels themselves in the place of a backbone's features."""
    embedder = Embedder("pixels", lambda images: images.reshape(len(images), -1)[:, ::37].astype(np.float32))
    monkeypatch.setattr(map_verb, "backbone_embedder", lambda: embedder)


def test_labelled_pictures_become_a_map_with_named_clusters(blobs: ImageSet, tmp_path: Path):
    source = save_npz(tmp_path / "blobs.npz", blobs)
    result = map_run(str(source), RunOptions(out=tmp_path / "out"), MapOptions("pca", 6))
    table = pd.read_parquet(tmp_path / "out" / "map.parquet")
    assert table["id"].tolist() == list(result.images.ids)
    assert table["given_label"].tolist() == [blobs.class_names[label] for label in result.images.labels]
    assert result.named_by == "labels"
    kept = json.loads((tmp_path / "out" / "clusters.json").read_text())["clusters"]
    assert sum(one["size"] for one in kept) == len(table)
    assert np.load(tmp_path / "out" / "features.npy").shape[0] == len(table)
    assert "picture-map" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_a_folder_without_labels_is_mapped_too(blobs: ImageSet, tmp_path: Path):
    save_folder(tmp_path / "in", blobs.take(np.arange(20)))
    options = RunOptions(out=tmp_path / "out", image_size=(12, 12))
    result = map_run(str(tmp_path / "in"), options, MapOptions(labelled=False, clusters=3))
    assert result.images.labels is None
    assert result.named_by == ""
    assert "given_label" not in pd.read_parquet(tmp_path / "out" / "map.parquet")


def test_a_folder_without_classes_is_told_how_to_be_read(blobs: ImageSet, tmp_path: Path):
    folder = save_folder(tmp_path / "in", blobs.take(np.arange(4)))
    for path in list(folder.rglob("*.png")):
        path.rename(folder / path.name)
    for path in [one for one in folder.iterdir() if one.is_dir()]:
        path.rmdir()
    with pytest.raises(DataError, match="without labels: `unlabelled`"):
        map_run(str(folder), RunOptions(out=tmp_path / "out"))


def test_the_terminal_says_how_far_to_trust_the_map(blobs: ImageSet, tmp_path: Path):
    source = save_npz(tmp_path / "blobs.npz", blobs)
    lines = map_lines(map_run(str(source), RunOptions(out=tmp_path / "out"), MapOptions("pca", 6)))
    assert any("trustworthiness" in line and "n = 120" in line for line in lines)
