"""Tensors on disk: whole or not at all, and a failure of the disk is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open

from lightfast.base.errors import StorageError
from lightfast.models import tensors as module
from lightfast.models.tensors import load_tensors, save_tensors


def test_tensors_come_back_with_what_stands_in_the_header(tmp_path: Path):
    path, tensors = tmp_path / "a.safetensors", {"w": torch.arange(6.0).reshape(2, 3).T}
    save_tensors(path, tensors, {"note": "kept"})
    assert torch.equal(load_tensors(path)["w"], tensors["w"])
    with safe_open(path, framework="pt") as stream:
        assert stream.metadata() == {"note": "kept"}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("I/O error: No space left on device (os error 28)", "the disk is full"),
        ("I/O error: Disk quota exceeded (os error 122)", "the quota is used up"),
        ("I/O error: Read-only file system (os error 30)", "the file system is read-only"),
        ("something else", "input/output error"),
    ],
)
def test_a_failure_of_the_disk_is_told_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, reason: str
):
    def fails(*_: object, **__: object) -> None:
        raise SafetensorError(f"Error while serializing: {said}")

    monkeypatch.setattr(module, "save_file", fails)
    with pytest.raises(StorageError, match=rf"cannot write .*a\.safetensors: {reason}\."):
        save_tensors(tmp_path / "a.safetensors", {"w": torch.zeros(1)})
    assert list(tmp_path.iterdir()) == []
