"""What examples/06_explain.py and examples/07_enhance.py find, for the pages that quote them:
benchmarks/results/examples.json.

    python benchmarks/examples.py

The examples are run as they are; the functions that they call are listened to.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from measured import about

import lightfast as lf
from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.statistics.intervals import bootstrap_mean

ROOT = Path(__file__).resolve().parents[1]


def example(name: str) -> ModuleType:
    """The example examples/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listened(owner: Any, name: str, heard: list[Any]) -> None:
    """Let `owner.name` note what it is given first and what it gives."""
    inner: Callable[..., Any] = getattr(owner, name)

    def outer(*given: Any, **settings: Any) -> Any:
        heard.append((given, found := inner(*given, **settings)))
        return found

    setattr(owner, name, outer)


def explained() -> dict[str, Any]:
    """06: accuracy with a telling mark and without, and how much of the maps lies where marks are."""
    module = example("06_explain")
    tests: list[Any] = []
    maps: list[Any] = []
    listened(lf, "mcnemar", tests)
    listened(module, "share_on_the_mark", maps)
    module.main()
    methods = ("integrated-gradients", "occlusion")
    return {
        "marked": as_json(tests[-1][1]),
        "mark_share_of_picture": module.MARK / maps[0][0][0].shape[1],
        "on_the_mark": [
            {"method": name, **_share(module, given[0])}
            for name, (given, _) in zip(methods, list(maps), strict=True)
        ],
    }


def _share(module: ModuleType, maps: np.ndarray) -> dict[str, Any]:
    """Mean over the pictures of the share on the mark, with its bootstrap interval over pictures."""
    values = np.array([module.share_on_the_mark(one[None]) for one in maps])
    interval = bootstrap_mean(values, np.random.default_rng(0))
    return {"share": float(values.mean()), "interval": list(interval), "n": len(values)}


def enhanced() -> dict[str, Any]:
    """07: the gate, damaged pictures before the classifier and before one that never saw the enhancer."""
    module = example("07_enhance")
    tests: list[Any] = []
    fits: list[Any] = []
    listened(lf, "mcnemar", tests)
    listened(lf, "fit_enhancer", fits)
    module.main()
    gate = fits[-1][1].gate
    own, stranger = (as_json(found) for _, found in tests[-2:])
    return {"gate": as_json(gate), "degraded": own, "before_a_dense_network": stranger}


def main() -> None:
    started = time.perf_counter()
    found = {"06_explain": explained(), "07_enhance": enhanced()}
    facts = about(
        "mnist-5k",
        0,
        {"total": round(time.perf_counter() - started, 1)},
        ["python", "benchmarks/examples.py"],
    )
    write_json(ROOT / "benchmarks" / "results" / "examples.json", {**found, "provenance": facts})


if __name__ == "__main__":
    main()
