"""Nothing loads what it does not compute with: told by modules loaded;
seconds stand in benchmarks/startup.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.evaluate.predictions import Predictions

WEB = {"fastapi", "starlette", "nicegui"}
HEAVY = {
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "cv2",
    "pandas",
    "sklearn",
    "matplotlib",
    "scipy",
    *WEB,
}
LEARNING = {"torch", "torchvision", "timm", "transformers", *WEB}
# module → what it must not load.
MODULES = {
    "lightfast": HEAVY,
    "lightfast.cli.app": HEAVY,
    "lightfast.runs.folder": HEAVY,
    "lightfast.runs.options": HEAVY,
    "lightfast.runs.corrupt": LEARNING | {"pandas", "sklearn", "matplotlib", "scipy"},
    "lightfast.runs.compare": LEARNING | {"cv2", "pandas", "sklearn", "matplotlib"},
    "lightfast.runs.scorecard": LEARNING | {"pandas", "sklearn"},
    "lightfast.runs.human": LEARNING | {"cv2", "pandas", "sklearn", "matplotlib"},
    "lightfast.runs.predict.predict": LEARNING | {"cv2", "pandas", "sklearn", "matplotlib", "scipy", "onnx"},
    "lightfast.runs.pictures": LEARNING | {"cv2", "pandas", "sklearn", "matplotlib"},
    "lightfast.data.images": LEARNING,
    "lightfast.data.splits": LEARNING,
    "lightfast.corrupt.suite": LEARNING,
    "lightfast.train.recipe": LEARNING,
    "lightfast.evaluate.metrics": LEARNING,
    "lightfast.statistics.intervals": LEARNING | {"scipy"},
}
PRINT_LOADED = "print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def loaded_by(code: str, *arguments: str) -> set[str]:
    """The top-level modules that a fresh process has loaded after `code`."""
    command = [sys.executable, "-c", f"import sys\n{code}\n{PRINT_LOADED}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", MODULES)
def test_importing_a_module_loads_nothing_that_it_does_not_compute_with(module):
    assert MODULES[module] & loaded_by(f"import {module}") == set()


def command(*words: str) -> set[str]:
    """What a whole command has loaded at its end."""
    code = (
        "from lightfast.cli.app import main\ntry:\n    main()\nexcept SystemExit as end:\n    assert not "
        "end.code, end"
    )
    return loaded_by(code, *words)


def test_the_help_loads_nothing_heavy():
    assert HEAVY & command("--help") == set()


def test_damaging_pictures_loads_no_torch(tmp_path: Path):
    images = ImageSet(np.full((4, 16, 16), 90, np.uint8), ("grey",), np.zeros(4, np.int64))
    source = save_npz(tmp_path / "grey.npz", images)
    out = str(tmp_path / "fog.npz")
    assert (
        LEARNING & command("corrupt", str(source), "--name", "fog", "--severity", "2", "--out", out) == set()
    )


def test_predicting_with_a_run_that_was_exported_loads_no_torch(tmp_path: Path, exported_run: Path):
    out = str(tmp_path / "rows.csv")
    assert (
        LEARNING & command("predict", str(exported_run), "mnist-5k", "--out", out, "--device", "cpu") == set()
    )


def test_the_first_prediction_of_one_picture_loads_only_what_computes_it(tmp_path: Path, exported_run: Path):
    picture = tmp_path / "one.png"
    Image.fromarray(np.full((28, 28), 90, np.uint8)).save(picture)
    loaded = command("predict", str(exported_run), str(picture), "--device", "cpu")
    assert "onnxruntime" in loaded
    assert {*HEAVY, "onnx", "pyarrow"} & loaded == set()


def test_comparing_files_of_predictions_without_a_page_draws_nothing(tmp_path: Path):
    files = []
    for name in ("a", "b"):
        probs = np.random.default_rng(len(files)).dirichlet((1, 1), 20).astype(np.float32)
        ids = tuple(f"{number}.png" for number in range(20))
        rows = Predictions(probs, ("no", "yes"), ids, np.arange(20) % 2, name=name)
        files.append(str(rows.save(tmp_path / f"{name}.parquet")))
    assert (LEARNING | {"cv2", "sklearn", "matplotlib"}) & command("compare", *files) == set()


@pytest.fixture(scope="module")
def exported_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the embedded digits that has predicted once, and so keeps its exported file."""
    from lightfast.runs.options import RunOptions
    from lightfast.runs.predict.predict import tag_run
    from lightfast.runs.train import train_run
    from lightfast.train.recipe import Recipe

    folder = tmp_path_factory.mktemp("runs") / "digits"
    train_run("mnist-5k", RunOptions(out=folder), model="mlp", recipe=Recipe.of(epochs=1))
    tag_run(str(folder), ["mnist-5k"], RunOptions(device="cpu"))
    return folder
