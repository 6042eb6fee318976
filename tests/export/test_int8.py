"""8-bit integers: the file, its card, and the figures of its cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from lightfast.base.errors import DataError
from lightfast.cli.text.export import quantization_lines
from lightfast.export.int8 import quantization_cost, quantize_graph
from lightfast.tagging.runtime import load_tagger


@pytest.fixture(scope="module")
def quantized(small: Path, tmp_path_factory: pytest.TempPathFactory, kit) -> Path:
    return quantize_graph(small, tmp_path_factory.mktemp("int8") / "int8.onnx", kit.noise((16, 16, 3), 20))


def test_weights_are_8_bit_and_the_card_says_so(small: Path, quantized: Path):
    kinds = {one.data_type for one in onnx.load(quantized).graph.initializer}
    assert onnx.TensorProto.INT8 in kinds
    assert quantized.stat().st_size < 0.5 * small.stat().st_size
    assert load_tagger(quantized, 1).card.quantized == "int8, calibrated on 20 pictures"


def test_probabilities_stay_near(small: Path, quantized: Path, kit):
    images = np.random.default_rng(9).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    exact, eight = load_tagger(small, 1).probs(images), load_tagger(quantized, 1).probs(images)
    assert 0 < np.abs(exact - eight).max() < 0.1


def test_the_cost_is_a_paired_test_on_other_pictures(small: Path, quantized: Path):
    images = np.random.default_rng(9).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    exact, eight = load_tagger(small, 1), load_tagger(quantized, 1)
    labels = exact.probs(images).argmax(axis=1)
    cost = quantization_cost(exact, eight, images, labels)
    assert cost.paired is not None
    # Labels are what fp32 says: it is right on all, and every loss is a decision that differs.
    assert cost.paired.before_accuracy == 1.0
    assert cost.paired.lost == 40 - cost.same
    assert cost.same == int((eight.probs(images).argmax(axis=1) == labels).sum())
    lines = quantization_lines(cost)
    assert "n = 40" in lines[0]
    assert "pictures a second" in lines[-1]


def test_without_labels_only_agreement_is_told(small: Path, quantized: Path, kit):
    cost = quantization_cost(
        load_tagger(small, 1), load_tagger(quantized, 1), kit.noise((16, 16, 3), 6), None
    )
    assert cost.paired is None
    assert len(quantization_lines(cost)) == 2


@pytest.mark.parametrize("pictures", [np.zeros((0, 16, 16, 3), np.uint8), np.zeros((4, 8, 8, 3), np.uint8)])
def test_pictures_that_do_not_fit_are_refused(pictures: np.ndarray, small: Path, tmp_path: Path):
    with pytest.raises(DataError, match="calibration pictures"):
        quantize_graph(small, tmp_path / "int8.onnx", pictures)
