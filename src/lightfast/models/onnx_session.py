"""ONNX Runtime on the CPU, one thread a call; loads no torch."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

_FAILURES = (
    "Fail InvalidProtobuf InvalidGraph InvalidArgument NotImplemented RuntimeException NoSuchFile"
).split()


def silent_onnx_runtime() -> Any:
    """The module `onnxruntime`, told to report nothing to its maker: its builds do unless the environment
    says otherwise before it starts, and keep a number of this machine under ~/.cache/Microsoft for it.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def onnx_failures() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises about a file that it cannot take."""
    silent_onnx_runtime()
    known: Any = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    return tuple(getattr(known, name) for name in _FAILURES)


def onnx_session(model: Path | bytes) -> Any:
    """An `InferenceSession` of a file, or of a file's content, that computes each call on the thread that
    calls.

    Two calls at once on two cores were a third faster than one call on two threads, which wait for each other
    at every layer. Raises what `onnx_failures` names.
    """
    onnxruntime = silent_onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Errors are raised; its warnings are about nodes that it improves by itself.
    options.log_severity_level = 3
    content = model if isinstance(model, bytes) else os.fspath(model)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
