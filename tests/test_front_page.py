"""The package's own page: what it offers, how cheaply, and that verbs named like their rooms stay verbs."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import lightfast

ROOT = Path(__file__).resolve().parents[1]
STUB = ast.parse((ROOT / "src" / "lightfast" / "__init__.pyi").read_text(encoding="utf-8"))
# Name → module of the stub, which is the one list of public names.
PUBLIC = {
    alias.name: f"lightfast.{node.module}"
    for node in ast.walk(STUB)
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}
ROOMS = ("corrupt", "evaluate", "explain", "restore")


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    ).stdout


@pytest.mark.parametrize("name", lightfast.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    assert inspect.getdoc(getattr(lightfast, name))


def test_the_stub_is_what_runs():
    assert sorted(lightfast.__all__) == sorted(PUBLIC)


def test_dir_lists_the_public_names():
    assert set(lightfast.__all__) <= set(dir(lightfast))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = lightfast.nonsense


def test_the_version_is_that_of_the_project_file():
    written = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert lightfast.__version__ == written


def test_a_name_is_the_object_of_its_module():
    from lightfast.train.fit import fit

    assert lightfast.fit is fit


@pytest.mark.parametrize(
    "first", ["importlib.import_module(f'lightfast.{room}')", "getattr(lightfast, room)"]
)
@pytest.mark.parametrize("room", ROOMS)
def test_a_verb_named_like_its_room_is_a_plain_function_whatever_was_imported_first(room, first):
    code = f"import importlib, inspect, lightfast; room = {room!r}; {first}; "
    code += f"importlib.import_module({PUBLIC[room]!r}); print(inspect.isfunction(getattr(lightfast, room)))"
    assert run_python(code).strip() == "True"


def test_a_verb_named_like_its_room_works_after_its_room_was_imported():
    suite = importlib.import_module("lightfast.corrupt.suite")
    images = lightfast.ImageSet(np.full((2, 8, 8), 90, dtype=np.uint8))
    assert lightfast.corrupt(images, "fog", 3, seed=1).parent == images.version
    assert "mnist-c" in suite.SUITES


def test_records_and_corruptions_come_without_torch():
    names = "lf.ImageSet, lf.corrupt_array, lf.split, lf.Recipe, lf.score"
    code = f"import sys, lightfast as lf; {names}; print('torch' in sys.modules)"
    assert run_python(code).strip() == "False"


def test_star_import_brings_the_verbs():
    code = "from lightfast import *; print(callable(fit), callable(corrupt), callable(evaluate))"
    assert run_python(code).split() == ["True"] * 3
