"""Loading what was exported, and reading pictures with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.tagging.card import CARD_KEY
from lightfast.tagging.runtime import Tagger, load_model_card, load_tagger


@pytest.mark.parametrize(
    "load", [lambda path: load_tagger(path, 1), load_model_card], ids=["load_tagger", "load_model_card"]
)
class TestRefused:
    def test_a_model_of_others(self, load, small: Path, tmp_path: Path):
        model = onnx.load(small)
        del model.metadata_props[:]
        onnx.save(model, tmp_path / "foreign.onnx")
        with pytest.raises(
            CheckpointError, match=r"foreign\.onnx is an ONNX model, but not one that lightfast wrote"
        ):
            load(tmp_path / "foreign.onnx")

    def test_no_file(self, load, tmp_path: Path):
        with pytest.raises(CheckpointError, match="no such file"):
            load(tmp_path / "none.onnx")

    @pytest.mark.parametrize("content", [b"no model at all" * 40, b"\x08"])
    def test_no_model(self, load, content: bytes, tmp_path: Path):
        (tmp_path / "text.onnx").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"text\.onnx is"):
            load(tmp_path / "text.onnx")

    def test_half_a_model(self, load, small: Path, tmp_path: Path):
        (tmp_path / "half.onnx").write_bytes(small.read_bytes()[: small.stat().st_size // 2])
        with pytest.raises(CheckpointError, match=r"half\.onnx is"):
            load(tmp_path / "half.onnx")

    @pytest.mark.parametrize(
        "change, said", [({"format": 99}, "newer lightfast"), ({"surprise": 1}, "damaged")]
    )
    def test_a_description_that_cannot_be_read(
        self, load, change: dict, said: str, small: Path, tmp_path: Path
    ):
        model = onnx.load(small)
        entry = next(one for one in model.metadata_props if one.key == CARD_KEY)
        entry.value = json.dumps({**json.loads(entry.value), **change})
        onnx.save(model, tmp_path / "changed.onnx")
        with pytest.raises(CheckpointError, match=said):
            load(tmp_path / "changed.onnx")


def test_rows_do_not_depend_on_batches_and_threads(small: Path, kit):
    images = kit.noise((16, 16, 3), 700)
    single = load_tagger(small, 1)
    one_by_one = np.concatenate([single.infer(images[row : row + 1]) for row in range(len(images))])
    assert np.abs(load_tagger(small, 3).probs(images) - one_by_one).max() < 1e-6


@pytest.mark.parametrize(
    "shape, kind", [((2, 16, 16, 3), np.float32), ((2, 16, 16, 1), np.uint8), ((16, 16, 3), np.uint8)]
)
def test_other_arrays_are_refused(shape: tuple[int, ...], kind: type, tagger: Tagger):
    with pytest.raises(DataError, match=r"expected uint8 \(N, 16, 16, 3\)"):
        tagger.probs(np.zeros(shape, kind))


def test_threads_below_one_are_refused(small: Path):
    with pytest.raises(SettingsError, match="threads 0"):
        load_tagger(small, 0)


@pytest.mark.parametrize(
    "act",
    [
        "from lightfast.tagging.runtime import load_tagger; load_tagger(sys.argv[1])",
        "import numpy as np; from lightfast.export.int8 import quantize_graph; "
        "quantize_graph(sys.argv[1], sys.argv[2], np.zeros((4, 64, 64, 3), np.uint8))",
    ],
)
def test_nothing_is_kept_to_be_reported_to_the_maker_of_the_runtime(act: str, lite_file: str, tmp_path: Path):
    # Where it reports, it writes a number of this machine into the folder of caches first.
    known = {key: value for key, value in os.environ.items() if key not in ("ORT_DISABLE_TELEMETRY", "CI")}
    home = known | {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    subprocess.run(
        [sys.executable, "-c", f"import sys; {act}", lite_file, tmp_path / "8.onnx"], env=home, check=True
    )
    assert not list((tmp_path / "home").rglob("*onnxruntime*"))
