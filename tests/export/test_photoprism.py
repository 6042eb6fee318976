"""What is written for PhotoPrism: the documented fields, and a model that says the same as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from lightfast.base.errors import DataError, SettingsError
from lightfast.export.photoprism import ModelInput, write_photoprism

NAMES = ("cat", "dog \U0001f415", "bag, blue")


def save_model(path: Path, kind: str = "uint8", shape=("N", 8, 8, 3), width: int | str = 3) -> Path:
    """A model whose probabilities are the softmax of the mean channel values."""
    import onnx
    from onnx import TensorProto, helper

    axes = [1, 2] if shape[-1] == 3 else [2, 3]
    element = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "string": TensorProto.STRING}[kind]
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=axes, keepdims=0),
        helper.make_node("Softmax", ["means"], ["probs"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("images", element, list(shape))],
        [helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["N", width])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def run_model(path: Path, images: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path / "model.onnx")


def test_the_folder_holds_configuration_model_and_labels(tmp_path: Path, model: Path) -> None:
    write_photoprism(tmp_path / "out", model, NAMES, "mine")
    found = sorted(
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    )
    assert found == ["models/mine/labels.txt", "models/mine/mine.onnx", "vision.yml"]


def test_one_label_a_line_in_the_order_of_the_outputs(tmp_path: Path, model: Path) -> None:
    write_photoprism(tmp_path / "out", model, NAMES, "mine")
    assert (tmp_path / "out/models/mine/labels.txt").read_text(encoding="utf-8").splitlines() == list(NAMES)


def test_the_configuration_has_the_documented_fields(tmp_path: Path, model: Path) -> None:
    settings = ModelInput(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5), logits=True)
    (entry,) = yaml.safe_load(
        write_photoprism(tmp_path / "out", model, NAMES, "mine", settings).read_text(encoding="utf-8")
    )["Models"]
    assert {key: entry[key] for key in ("Type", "Name", "Engine", "LabelFile")} == {
        "Type": "labels",
        "Name": "mine",
        "Engine": "onnx",
        "LabelFile": "labels.txt",
    }
    assert entry["ONNX"] == {
        "File": "mine.onnx",
        "Output": {"Logits": True},
        "Input": {
            "Width": 8,
            "Height": 8,
            "Layout": "NHWC",
            "ColorOrder": "RGB",
            "Normalization": {"Mean": [127.5] * 3, "StdDev": [127.5] * 3},
            "Resize": {"Mode": "center-crop", "ShortEdge": 8, "CropRatio": 1.0, "Interpolation": "linear"},
        },
    }


def test_a_model_of_bytes_takes_floats_and_says_the_same(tmp_path: Path, model: Path) -> None:
    write_photoprism(tmp_path / "out", model, NAMES, "mine")
    images = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    assert np.array_equal(
        run_model(tmp_path / "out/models/mine/mine.onnx", images.astype(np.float32)), run_model(model, images)
    )


def test_pixels_past_the_ends_are_cut_off(tmp_path: Path, model: Path) -> None:
    write_photoprism(tmp_path / "out", model, NAMES, "mine")
    images = np.full((1, 8, 8, 3), 255, dtype=np.uint8)
    images[..., 0] = 0
    past = np.where(images == 0, -7.4, 261.2).astype(np.float32)
    assert np.array_equal(run_model(tmp_path / "out/models/mine/mine.onnx", past), run_model(model, images))


def test_a_model_of_floats_in_channels_first_is_told_so(tmp_path: Path) -> None:
    model = save_model(tmp_path / "f.onnx", "float32", ("N", 3, "H", "W"))
    path = write_photoprism(tmp_path / "out", model, NAMES, "mine", ModelInput(image_size=(6, 10)))
    given = yaml.safe_load(path.read_text(encoding="utf-8"))["Models"][0]["ONNX"]["Input"]
    assert (given["Layout"], given["Width"], given["Height"], given["Resize"]["ShortEdge"]) == (
        "NCHW",
        10,
        6,
        6,
    )


def test_the_same_again_is_no_conflict_but_another_configuration_is(tmp_path: Path, model: Path) -> None:
    write_photoprism(tmp_path / "out", model, NAMES, "mine")
    write_photoprism(tmp_path / "out", model, NAMES, "mine")
    with pytest.raises(DataError, match="is there already"):
        write_photoprism(tmp_path / "out", model, NAMES, "other")


@pytest.mark.parametrize("name", ["", "My Model", "../up", "efficientnet_b0"])
def test_names_that_photoprism_would_not_take(tmp_path: Path, model: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="PhotoPrism model name"):
        write_photoprism(tmp_path / "out", model, NAMES, name)


def test_another_number_of_labels_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(DataError, match="one column a label"):
        write_photoprism(tmp_path / "out", model, NAMES[:2])


def test_a_label_of_two_lines_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(DataError, match="one line of text"):
        write_photoprism(tmp_path / "out", model, ("a", "b\nc", "d"))


@pytest.mark.parametrize(
    ("kind", "shape"), [("string", ("N",)), ("uint8", ("N", 8, 8, 1)), ("string", ("N", 8, 8, 3))]
)
def test_models_of_other_inputs_are_refused(tmp_path: Path, kind: str, shape: tuple[int | str, ...]) -> None:
    with pytest.raises(DataError, match="input"):
        write_photoprism(tmp_path / "out", save_model(tmp_path / "odd.onnx", kind, shape), NAMES)


def test_a_size_that_the_graph_does_not_take_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(DataError, match="picture size"):
        write_photoprism(tmp_path / "out", model, NAMES, prepared=ModelInput(image_size=(9, 9)))


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"not a model at all")
    with pytest.raises(DataError, match="is no ONNX model"):
        write_photoprism(tmp_path / "out", tmp_path / "no.onnx", NAMES)
