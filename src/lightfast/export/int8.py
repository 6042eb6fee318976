"""The same graph with 8-bit weights and activations, calibrated on pictures, and what that costs."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.files import atomic
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.export.check import compare_graph
from lightfast.export.graph import write_model_card
from lightfast.models.onnx_session import silent_onnx_runtime
from lightfast.statistics.intervals import Interval, wilson
from lightfast.tagging.card import INPUT
from lightfast.tagging.runtime import Tagger, load_model_card

CALIBRATION = 128
"""Pictures from which the ranges of the activations are taken."""
_CALIBRATION_BATCH = 8
_SPEED_PICTURES, _SPEED_RUNS = 64, 3


def quantize_graph(path: Path | str, out: Path | str, calibration: NDArray[np.uint8]) -> Path:
    """Write an exported classifier again with 8-bit integers (ONNX Runtime's static quantization: QDQ,
    weights per channel).

    Convolutions and dense layers are quantized; preprocessing, softmax and the metadata stay.

    Args:
        path: what `export_graph` wrote.
        out: the new file.
        calibration: uint8 (N, H, W, C) pictures of the kind that will be read, at the classifier's size;
            never those that it is scored on.
    """
    import onnx

    silent_onnx_runtime()
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    card, target = load_model_card(path), Path(out)
    if not len(calibration) or calibration.shape[1:] != card.image_shape or calibration.dtype != np.uint8:
        raise DataError(
            "calibration pictures",
            expected=f"uint8 (N, {', '.join(map(str, card.image_shape))}), N at least 1",
            got=f"{calibration.dtype} {calibration.shape}",
        )

    class Pictures(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(np.array_split(calibration, max(1, len(calibration) // _CALIBRATION_BATCH)))

        def get_next(self) -> dict[str, Any]:
            batch = next(self.batches, None)
            return {} if batch is None else {INPUT: batch}

    with atomic(target) as temporary, tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(temporary),
            Pictures(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            # Without 8-bit dot products (VNNI) 16-bit sums can overflow; weights of 7 bits cannot.
            reduce_range=not has_dot_products(),
        )
        model = onnx.load(temporary)
        write_model_card(
            model, dataclasses.replace(card, quantized=f"int8, calibrated on {len(calibration)} pictures")
        )
        onnx.save(model, temporary)
    return target


def has_dot_products() -> bool:
    """Whether this processor multiplies 8-bit integers natively (AVX-VNNI, AVX512-VNNI,
    or ARM's dot product); False where unknown.
    """
    info = Path("/proc/cpuinfo")
    words = set(info.read_text(encoding="utf-8", errors="replace").split()) if info.is_file() else set()
    return bool(words & {"avx512_vnni", "avx_vnni", "asimddp"})


@dataclass(frozen=True)
class QuantizationCost:
    """What 8 bits cost.

    Attributes:
        n: pictures. same: those with the same decision, with its interval.
        max_difference: the largest between any two probabilities, 0..1.
        pictures_per_second: {fp32, int8}, each the median of three interleaved runs on pictures in memory.
        dot_products: see `has_dot_products`.
        paired: McNemar's test where labels are known, one a picture.
        calibrated_on: pictures.
    """

    n: int
    same: int
    same_interval: Interval
    max_difference: float
    pictures_per_second: Mapping[str, float]
    dot_products: bool
    paired: PairedTest | None
    calibrated_on: int


def quantization_cost(
    exact: Tagger,
    quantized: Tagger,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    calibrated_on: int = 0,
) -> QuantizationCost:
    """What 8 bits cost on pictures uint8 (N, H, W, C) that were not used for calibration."""
    first, second = exact.probs(images), quantized.probs(images)
    check = compare_graph(first, second, exact.card)
    test = None
    if labels is not None and exact.card.task == "multi-class":
        test = mcnemar(first.argmax(axis=1) == labels, second.argmax(axis=1) == labels)
        test = dataclasses.replace(test, before_name="fp32", after_name="int8")
    return QuantizationCost(
        n=check.n,
        same=check.same,
        same_interval=wilson(check.same, check.n),
        max_difference=check.max_difference,
        pictures_per_second=_speeds(exact, quantized, images),
        dot_products=has_dot_products(),
        paired=test,
        calibrated_on=calibrated_on,
    )


def _speeds(exact: Tagger, quantized: Tagger, images: NDArray[np.uint8]) -> dict[str, float]:
    few = images[: max(_SPEED_PICTURES, 2 * exact.batch * exact.threads)]
    found: dict[str, list[float]] = {"fp32": [], "int8": []}
    for _ in range(_SPEED_RUNS):
        for name, tagger in (("fp32", exact), ("int8", quantized)):
            started = time.perf_counter()
            tagger.probs(few)
            found[name].append(len(few) / max(time.perf_counter() - started, 1e-9))
    return {name: round(statistics.median(speeds), 1) for name, speeds in found.items()}
