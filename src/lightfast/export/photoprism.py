"""A model for PhotoPrism: the ONNX file as its classifier takes it, the label file, and the `vision.yml` that
names both.

The format is that of PhotoPrism's label models on ONNX Runtime (docs.photoprism.app, developer guide, "Label
Models": development preview builds and the releases after them). Releases that classify with TensorFlow
cannot load ONNX.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import atomic, write_text

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

REGISTERED = ("efficientformerv2_s2", "efficientformerv2_s1", "repvit_m1_0", "efficientnet_b0")
"""Names that PhotoPrism gives to its own models, each with a checksum:
another model under one of them is refused there.
"""


@dataclass(frozen=True)
class ModelInput:
    """How PhotoPrism has to prepare a picture; it cannot know from the file.

    Attributes:
        image_size: (H, W) in pixels; None = as the graph says.
        mean, std: a channel, on a 0..255 scale: (pixel - mean) / std. The default leaves pixels alone: the
            model normalises by itself.
        logits: whether the output has still to go through softmax.
    """

    image_size: tuple[int, int] | None = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    logits: bool = False


def write_photoprism(
    folder: Path | str,
    model: Path | str,
    class_names: Sequence[str],
    name: str = "lightfast",
    prepared: ModelInput | None = None,
    source: str | None = None,
) -> Path:
    """Write FOLDER/vision.yml, FOLDER/models/NAME/NAME.onnx and FOLDER/models/NAME/labels.txt; returns the
    path of vision.yml.

    A model that takes uint8 gets a cast in front, since PhotoPrism hands over float32; the batch is fixed at
    one picture.

    Args:
        folder: made when it is not there; a `vision.yml` of other content in it is not replaced.
        model: ONNX file with one image input (N, 3, H, W) or (N, H, W, 3), uint8 or float32, and one output
            (N, K).
        class_names: K names in the order of the outputs.
        name: of the model in PhotoPrism: small letters, digits, "_" and "-".
        prepared: sizes and normalisation.
        source: what the model is called in messages; None = by its file.

    Raises DataError when the model or the names do not fit, SettingsError for a name that cannot be used.
    """
    folder, prepared = Path(folder), prepared or ModelInput()
    require_name(name)
    _check_labels(class_names)
    graph, layout, size = _fitted(Path(model), class_names, prepared, source or str(model))
    text = vision_yml(name, layout, size, prepared)
    target = folder / "vision.yml"
    if target.exists() and target.read_bytes() != text.encode():
        raise DataError(
            f"{target} is there already",
            expected="no other vision.yml",
            cure="Choose a new folder, then add its entry to yours.",
        )
    with atomic(folder / "models" / name / f"{name}.onnx") as temporary:
        temporary.write_bytes(graph.SerializeToString())
    write_text(folder / "models" / name / "labels.txt", "".join(f"{label}\n" for label in class_names))
    return write_text(target, text)


def vision_yml(name: str, layout: str, image_size: tuple[int, int], prepared: ModelInput) -> str:
    """The configuration of one labels model.

    Pictures are cut as `data.decode.decode.resize_batch` cuts them: short side scaled, centre kept, bilinear.
    """
    import yaml

    height, width = image_size
    entry: dict[str, Any] = {
        "Type": "labels",
        "Name": name,
        "Engine": "onnx",
        "Run": "on-index",
        "LabelFile": "labels.txt",
        "ONNX": {
            "File": f"{name}.onnx",
            "Input": {
                "Width": width,
                "Height": height,
                "Layout": layout,
                "ColorOrder": "RGB",
                "Normalization": {"Mean": list(prepared.mean), "StdDev": list(prepared.std)},
                "Resize": {
                    "Mode": "center-crop",
                    "ShortEdge": min(height, width),
                    "CropRatio": 1.0,
                    "Interpolation": "linear",
                },
            },
            "Output": {"Logits": prepared.logits},
        },
    }
    return yaml.safe_dump({"Models": [entry]}, sort_keys=False, allow_unicode=True)


def require_name(name: str) -> None:
    """Refuse a name that PhotoPrism cannot give a model of others; raises SettingsError."""
    what = f"PhotoPrism model name {name!r}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise SettingsError(what, expected="small letters, digits, _ and -", cure="E.g. `name=lightfast`.")
    if name in REGISTERED:
        got, cure = "one of PhotoPrism's models", "E.g. `name=lightfast`."
        raise SettingsError(what, expected="a name of its own", got=got, cure=cure)


def _check_labels(class_names: Sequence[str]) -> None:
    for label in class_names:
        if not label.strip() or len(label.splitlines()) != 1:
            what = f"label {label!r} for PhotoPrism"
            raise DataError(what, expected="one line of text", cure="Rename the class.")


def _fitted(
    path: Path, class_names: Sequence[str], prepared: ModelInput, source: str
) -> tuple[ModelProto, str, tuple[int, int]]:
    """The graph as PhotoPrism takes it, its layout and (H, W)."""
    import onnx

    try:
        model = onnx.load(path)
    except Exception as error:  # also that of protobuf, a package that only comes along with onnx
        what = f"{path} is no ONNX model" if path.exists() else f"no such file: {path}"
        raise DataError(what, cure="Export the run to ONNX first.") from error
    inputs, outputs = _fed(model), model.graph.output
    if len(inputs) != 1 or len(outputs) != 1:
        found = f"{len(inputs)} and {len(outputs)}"
        raise _unfit(source, "", "one input and one output", found, "Export the probabilities alone.")
    layout, size = _layout(inputs[0], source, prepared)
    _take_floats(model, inputs[0], source)
    _fix(inputs[0], (1, 3, *size) if layout == "NCHW" else (1, *size, 3))
    widths = [one.dim_value for one in outputs[0].type.tensor_type.shape.dim]
    if len(widths) != 2 or widths[1] not in (0, len(class_names)):
        wanted, cure = f"(N, {len(class_names)}), one column a label", "Give its own class list."
        raise _unfit(source, ": output", wanted, tuple(widths), cure)
    _fix(outputs[0], (1, len(class_names)))
    # Shapes noted along the way may still speak of another batch.
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return model, layout, size


def _fed(model: ModelProto) -> list[ValueInfoProto]:
    """The inputs that a caller has to feed: older files list their weights among them too."""
    weights = {one.name for one in model.graph.initializer}
    return [one for one in model.graph.input if one.name not in weights]


def _unfit(source: str, what: str, expected: str, got: object, cure: str) -> DataError:
    return DataError(f"{source} for PhotoPrism{what}", expected=expected, got=str(got), cure=cure)


def _layout(given: ValueInfoProto, source: str, prepared: ModelInput) -> tuple[str, tuple[int, int]]:
    """(NCHW or NHWC, (H, W)) of an input; a side that the graph leaves open counts as 0 there."""
    dims = [one.dim_value for one in given.type.tensor_type.shape.dim]
    if len(dims) != 4 or 3 not in dims[1::2]:
        cure = "Export a model of colour pictures that takes pixels, not the bytes of files."
        raise _unfit(source, ": input", "(N, 3, H, W) or (N, H, W, 3)", tuple(dims), cure)
    layout, sides = ("NCHW", dims[2:]) if dims[1] == 3 else ("NHWC", dims[1:3])
    wanted = prepared.image_size or (sides[0], sides[1])
    if 0 in wanted or any(fixed not in (0, side) for fixed, side in zip(sides, wanted, strict=True)):
        cure = "Give image_size as the model was trained."
        expected = f"{sides[0]} x {sides[1]}, where 0 means any"
        raise _unfit(source, ": picture size", expected, prepared.image_size, cure)
    return layout, wanted


def _take_floats(model: ModelProto, given: ValueInfoProto, source: str) -> None:
    """Give a graph of uint8 pixels a float32 input."""
    from onnx import TensorProto, helper

    kind = given.type.tensor_type.elem_type
    if kind == TensorProto.FLOAT:
        return
    if kind != TensorProto.UINT8:
        found, cure = helper.tensor_dtype_to_string(kind), "Export a model that takes pixels."
        raise _unfit(source, ": input", "uint8 or float32", found, cure)
    inner, given.name = given.name, f"{given.name}_float"
    given.type.tensor_type.elem_type = TensorProto.FLOAT
    # Resized pixels come as floats between whole numbers, and a filter may go past the ends.
    steps = [
        helper.make_node("Round", [given.name], [f"{inner}_round"]),
        helper.make_node("Clip", [f"{inner}_round", f"{inner}_low", f"{inner}_high"], [f"{inner}_clip"]),
        helper.make_node("Cast", [f"{inner}_clip"], [inner], to=TensorProto.UINT8),
    ]
    model.graph.initializer.extend(
        helper.make_tensor(f"{inner}_{end}", TensorProto.FLOAT, [], [value])
        for end, value in (("low", 0.0), ("high", 255.0))
    )
    nodes = [*steps, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _fix(value: ValueInfoProto, shape: Sequence[int]) -> None:
    for dim, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
