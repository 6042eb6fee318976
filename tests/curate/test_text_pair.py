"""A pair of networks given by the user: what it computes, and what is refused with which words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fixtures.text_pairs import COLOURS, make_pair, save
from onnx import TensorProto, helper

from lightfast.base.errors import DataError
from lightfast.curate.text_pair import is_text_pair, load_text_pair

_RED = np.zeros((1, 8, 8, 3), np.uint8) + np.array([255, 0, 0], np.uint8)


def test_a_picture_and_its_word_meet(tmp_path: Path):
    pair = load_text_pair(make_pair(tmp_path / "pair"))
    assert pair.image_size == (8, 8)
    np.testing.assert_allclose(pair.pictures(_RED), [COLOURS["red"]], atol=1e-6)
    cosines = pair.texts(list(COLOURS)) @ np.array(COLOURS["red"]) / np.sqrt(3)
    assert int(cosines.argmax()) == 0
    assert cosines[0] == pytest.approx(1, abs=1e-6)
    many = np.repeat(_RED, 70, axis=0)
    assert pair.pictures(many).shape == (70, 3)


def test_texts_are_padded_and_cut_where_the_network_wants_a_length(tmp_path: Path):
    pair = load_text_pair(make_pair(tmp_path / "pair", length=4, mask=True))
    np.testing.assert_allclose(pair.texts(["red"]), pair.texts(["red red"]), atol=1e-6)
    np.testing.assert_array_equal(pair.texts(["red " * 4 + "blue " * 9]), pair.texts(["red"]))


def test_the_size_of_pictures_is_read_beside_a_network_that_takes_any(tmp_path: Path):
    folder = make_pair(tmp_path / "pair", side="S")
    assert load_text_pair(folder).image_size == (8, 8)
    for said, size in (({"size": 6}, (6, 6)), ({"size": {"shortest_edge": 5}}, (5, 5))):
        (folder / "preprocessor_config.json").write_text(json.dumps(said))
        assert load_text_pair(folder).image_size == size
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(DataError, match=r"takes pictures of any size.*crop_size"):
        load_text_pair(folder)


def test_another_content_is_another_pair(tmp_path: Path):
    folder = make_pair(tmp_path / "pair")
    first = load_text_pair(folder)
    assert load_text_pair(folder) is first
    assert load_text_pair(make_pair(tmp_path / "same")).source == first.source
    (folder / "weights.data").write_bytes(b"others")
    assert load_text_pair(folder).source != first.source


def test_a_folder_is_a_pair_where_it_holds_either_half(tmp_path: Path):
    assert not is_text_pair(tmp_path)
    folder = make_pair(tmp_path / "pair")
    (folder / "text.onnx").unlink()
    assert is_text_pair(folder)
    with pytest.raises(DataError, match=r"has no text\.onnx.*image\.onnx, text\.onnx and tokenizer\.json"):
        load_text_pair(folder)


def test_two_halves_of_different_models_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"features of one width, got 5 and 3"):
        load_text_pair(make_pair(tmp_path / "pair", width=5))


@pytest.mark.parametrize(
    "inputs, said",
    [
        ([("pixels", TensorProto.FLOAT, ["N", 4])], r"one input \(N, 3, H, W\) of floats, got pixels"),
        ([("pixels", TensorProto.FLOAT, ["N", 1, 8, 8])], r"one input \(N, 3, H, W\)"),
        ([("pixels", TensorProto.INT64, ["N", 3, 8, 8])], "of floats"),
    ],
)
def test_an_image_network_of_another_input_is_refused(tmp_path: Path, inputs, said: str):
    folder = make_pair(tmp_path / "pair")
    _replace(folder / "image.onnx", inputs)
    with pytest.raises(DataError, match=said):
        load_text_pair(folder)


@pytest.mark.parametrize(
    "inputs, said",
    [
        ([("input_ids", TensorProto.FLOAT, ["N", "T"])], "of whole numbers"),
        ([("input_ids", TensorProto.INT64, ["T"])], r"an input \(N, T\)"),
        ([("attention_mask", TensorProto.INT64, ["N", "T"])], r"an input \(N, T\)"),
        ([(name, TensorProto.INT64, ["N", "T"]) for name in ("a", "b")], "at most attention_mask"),
        ([(name, TensorProto.INT64, ["N", "T"]) for name in ("a", "b", "mask")], "at most attention_mask"),
    ],
)
def test_a_text_network_of_other_inputs_is_refused(tmp_path: Path, inputs, said: str):
    folder = make_pair(tmp_path / "pair")
    _replace(folder / "text.onnx", inputs)
    with pytest.raises(DataError, match=said):
        load_text_pair(folder)


def test_a_network_without_flat_features_is_refused(tmp_path: Path):
    folder = make_pair(tmp_path / "pair")
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, 8, 8])]
    nodes = [helper.make_node("Identity", ["pixels"], ["y"])]
    save(folder / "image.onnx", nodes, inputs, ("y", ["N", 3, 8, 8]), {})
    with pytest.raises(DataError, match=r"expected an output \(N, D\), got y"):
        load_text_pair(folder)


@pytest.mark.parametrize(
    "name, said", [("image.onnx", "cannot be read as ONNX"), ("tokenizer.json", "is no tokenizer")]
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, said: str):
    folder = make_pair(tmp_path / "pair")
    (folder / name).write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=said):
        load_text_pair(folder)


@pytest.mark.parametrize("given", [[0.5], ["a", "b", "c"], [0.5, 0.5, 0]])
def test_colours_are_scaled_by_three_numbers(tmp_path: Path, given):
    folder = make_pair(tmp_path / "pair")
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_std": given}))
    with pytest.raises(DataError, match="three numbers as image_std"):
        load_text_pair(folder)


def _replace(path: Path, inputs) -> None:
    """A network of these inputs that gives one number a row."""
    made = [helper.make_tensor_value_info(*one) for one in inputs]
    nodes = [helper.make_node("Shape", [inputs[0][0]], ["s"]), helper.make_node("Cast", ["s"], ["f"], to=1)]
    nodes.append(helper.make_node("Unsqueeze", ["f", "axis"], ["y"]))
    save(path, nodes, made, ("y", ["N", 1]), {"axis": np.array([1], np.int64)})
