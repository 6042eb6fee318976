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
SOURCE = (ROOT / "src" / "lightfast" / "__init__.py").read_text(encoding="utf-8")
ROOMS = ("corrupt", "evaluate", "explain", "restore")


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    ).stdout


def declared_imports() -> dict[str, str]:
    """name → "module:name" of the imports that type checkers see."""
    block = next(
        node
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        alias.asname: f"{node.module.removeprefix('lightfast.')}:{alias.name}"
        for node in block.body
        for alias in node.names
    }


@pytest.mark.parametrize("name", lightfast.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    assert inspect.getdoc(getattr(lightfast, name))


def test_type_checkers_see_the_names_that_run():
    assert declared_imports() == lightfast._PUBLIC


def test_all_lists_the_public_names_and_the_version():
    assert sorted(lightfast.__all__) == sorted([*lightfast._PUBLIC, "__version__"])


def test_dir_lists_the_public_names():
    assert set(lightfast.__all__) <= set(dir(lightfast))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = lightfast.nonsense


def test_the_version_is_that_of_the_project_file():
    assert (
        lightfast.__version__
        == tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    )


def test_a_name_is_the_object_of_its_module():
    from lightfast.train.fit import fit

    assert lightfast.fit is fit


def test_a_verb_named_like_its_room_works_after_its_room_was_imported():
    importlib.import_module("lightfast.corrupt.suite")
    images = lightfast.ImageSet(np.full((2, 8, 8), 90, dtype=np.uint8))
    foggy = lightfast.corrupt(images, "fog", 3, seed=1)
    assert foggy.parent == images.version
    assert "mnist-c" in lightfast.corrupt.suite.SUITES


@pytest.mark.parametrize("room", ROOMS)
def test_a_verb_named_like_its_room_shows_the_signature_and_text_of_its_function(room):
    module, _, name = lightfast._PUBLIC[room].partition(":")
    function = getattr(importlib.import_module(f"lightfast.{module}"), name)
    assert inspect.signature(getattr(lightfast, room)) == inspect.signature(function)
    assert getattr(lightfast, room).__doc__ == function.__doc__


def test_records_and_corruptions_come_without_torch():
    code = (
        "import sys, lightfast as lf; lf.ImageSet, lf.corrupt_array, lf.split, lf.Recipe, lf.score; "
        "print('torch' in sys.modules)"
    )
    assert run_python(code).strip() == "False"


def test_star_import_brings_the_verbs():
    assert (
        run_python(
            "from lightfast import *; print(callable(fit), callable(corrupt), callable(evaluate))"
        ).split()
        == ["True"] * 3
    )
