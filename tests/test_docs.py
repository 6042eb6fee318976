"""The pages say what the program does: tables from the registries are fresh, every command,
option and name stands on its page.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import lightfast
from lightfast.corrupt.suite import CORRUPTIONS, SUITES
from lightfast.data.catalogue.catalogue import CATALOGUE
from lightfast.train.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_generated_tables_are_fresh():
    stale = [
        path.name
        for path in DOCS.glob("*.md")
        if generator().filled(path.read_text("utf-8")) != path.read_text("utf-8")
    ]
    assert stale == [], "run: python docs/generate.py"


def test_every_command_and_option_is_on_its_page():
    text = page("commands.md")
    for name, command in generator().commands():
        section = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert command.help.splitlines()[0] in section
        for option in (entry.opts[0] for entry in command.params if entry.name != "help"):
            assert not option.startswith("-") or f"`{option}" in section, (name, option)


def test_every_command_takes_the_common_options_and_gives_an_example():
    for name, command in generator().commands():
        options = {option for entry in command.params for option in entry.opts}
        assert {"--json", "--seed", "--device"} <= options, name
        assert f"lightfast {name}" in command.epilog


def test_every_corruption_and_suite_is_on_its_page():
    text = page("corruptions.md")
    assert [name for name in (*CORRUPTIONS.names(), *SUITES.names()) if f"`{name}`" not in text] == []


def test_every_model_is_on_its_page():
    from lightfast.models.build import find_model
    from lightfast.models.registry import MODELS

    find_model("cnn", "classifier")
    # The hub's own entry is typed as hf-hub:ID.
    names = [
        f"{name}NAME" if name.endswith(":") else name
        for name in MODELS.names()
        if name not in ("hub-transformers", "own:")
    ]
    names.append("own:A-B")
    assert [name for name in names if f"`{name}`" not in page("models.md")] == []
    assert "`hf-hub:ID`" in page("models.md")


def test_every_setting_of_the_recipe_is_on_its_page():
    assert [name for name, _, _ in Recipe.table() if f"`{name}`" not in page("models.md")] == []


def test_every_method_and_setting_of_an_explanation_is_on_its_page():
    from lightfast.explain.attribution import explainers
    from lightfast.explain.methods import ExplainSettings

    names = [*explainers().names(), *(name for name, _, _ in ExplainSettings.table())]
    assert [name for name in names if f"`{name}`" not in page("explain.md")] == []


def test_every_setting_of_an_enhancer_is_on_its_page():
    from lightfast.runs.enhance.options import EnhancePlanSettings

    assert [name for name, _, _ in EnhancePlanSettings.table() if f"`{name}`" not in page("enhance.md")] == []


def test_every_study_and_scale_is_on_its_page():
    from typing import get_args

    from lightfast.studies.registry import STUDIES, Scale
    from lightfast.studies.run import find_study

    assert find_study("mnist-c")
    assert [
        name for name in (*STUDIES.names(), *get_args(Scale)) if f"`{name}`" not in page("studies.md")
    ] == []


def test_every_data_set_is_on_its_page():
    assert [name for name in CATALOGUE.names() if f"`{name}`" not in page("data.md")] == []


def test_every_public_name_is_on_the_python_page():
    assert [
        name for name in lightfast.__all__ if name != "__version__" and f"`{name}`" not in page("python.md")
    ] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(path):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_shown_on_the_pages_exist(path):
    names = {name for name, _ in generator().commands()}
    shown = re.findall(
        r"^lightfast ((?:(?:data|library) )?[a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [name for name in shown if name not in names] == []
