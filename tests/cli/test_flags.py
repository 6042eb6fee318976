"""Messages from below name parameters; the command line says its flags."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import lightfast
from lightfast.cli.app import main
from lightfast.cli.flags import as_flags, flags_of, with_flags

PACKAGE = Path(lightfast.__file__).parent
FLAGS = {
    "out": "--out",
    "suite": "--corruptions",
    "repeats": "--repeats",
    "settings": "--set",
    "resume": "--resume",
}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Give another folder: `out`.", "Give another folder: --out."),
        ("For instance `repeats=3`.", "For instance --repeats 3."),
        ("`suite` measures one label", "--corruptions measures one label"),
        ("Go on with `resume=True`.", "Go on with --resume."),
        ("`recipe.epochs=5` or `config.mode='head'`", "--set epochs=5 or --set model.mode=head"),
        ("the verb `train` and `unknown`", "the verb `train` and `unknown`"),
    ],
)
def test_a_parameter_becomes_the_flag_of_the_command(message, said):
    assert as_flags(message, FLAGS) == said


def test_the_flags_of_a_command_follow_its_own_parameters():
    assert flags_of(["evaluate", "run", "data"])["suite"] == "--corruptions"
    assert flags_of(["train", "x"])["image_size"] == "--image-size"


def test_a_message_on_the_terminal_names_the_flag(capsys):
    assert main(["corrupt", "mnist-5k", "--name", "fog", "--suite", "mnist-c", "--out", "x.npz"]) == 2
    assert "either --name or --suite" in capsys.readouterr().err


def test_behind_the_name_of_another_command_its_flags_are_named():
    message = "Use another run, or: lightfast enhance RUN DATA, with `use` better and `out` RUN2."
    assert with_flags(message, ["predict", "x"]).endswith("with --use better and --out RUN2.")


def texts(path: Path) -> list[tuple[int, str]]:
    """Every text of a module that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(getattr(node, "body", None), list) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_below_the_command_line_no_message_names_a_flag():
    # What shows a whole command to be typed (provenance of studies and the demo) is words, not a message; the
    # colours of a page are variables of its style sheet.
    shown = {"studies/registry.py", "studies/people.py", "studies/assets/study.py", "runs/demo.py"}
    shown |= {"runs/library/model_card.py"}
    found = [
        f"{where}:{line} {text!r}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if (where := path.relative_to(PACKAGE).as_posix()) not in shown
        and not where.startswith(("cli/", "report/"))
        for line, text in texts(path)
        if re.search(r"(?<![\w-])--[a-z][a-z-]+", text)
    ]
    assert found == []
