"""One vocabulary: no private word in a public name, and no two public things of one name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import lightfast

PACKAGE = Path(lightfast.__file__).parent
# Word in a name → what the field says (the glossary of docs/architecture.md).
BANNED = {
    "trunk": "backbone",
    "trunks": "backbones",
    "reading": "prediction",
    "readings": "predictions",
    "dealing": "folds, stratify",
    "dealt": "stratified",
    "deal": "stratify",
    "doubt": "uncertain, label_quality, review",
    "doubts": "label_quality, review",
    "doubted": "label_issues",
    "wish": "options",
    "wishes": "options",
    "swept": "sweep result",
    "told": "described",
    "strangers": "unseen classifiers",
}
DUMPING_GROUNDS = {"utils", "helpers", "misc", "common"}
# A key of results that others may have kept.
ALLOWED = {"told_apart"}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public_definitions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of the public functions, classes and constants of a module."""
    for node in tree.body:
        if isinstance(node, Definition):
            yield node.lineno, node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (
                (node.lineno, name.id)
                for one in targets
                for name in ast.walk(one)
                if isinstance(name, ast.Name)
            )


def inner_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of the parameters, methods and fields of what is public."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.lineno, node.name
            yield from ((node.lineno, one.arg) for one in (*node.args.args, *node.args.kwonlyargs))
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            fields = (one for one in node.body if isinstance(one, ast.AnnAssign))
            yield from ((one.lineno, one.target.id) for one in fields if isinstance(one.target, ast.Name))


def words(name: str) -> list[str]:
    """The words of a snake_case or CamelCase name."""
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)


def test_public_names_use_the_words_of_the_field():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, name in {*public_definitions(tree), *inner_names(tree)}:
            if name.startswith("_") or name in ALLOWED:
                continue
            bad = [word for word in map(str.lower, words(name)) if word in BANNED]
            found += [f"{path.relative_to(PACKAGE)}:{line} {name}: say {BANNED[word]}" for word in bad]
    assert sorted(found) == []


def test_module_names_use_the_words_of_the_field():
    parts = {
        part for path in PACKAGE.rglob("*.py") for part in path.relative_to(PACKAGE).with_suffix("").parts
    }
    assert {
        part for part in parts if {word.lower() for word in words(part)} & {*BANNED, *DUMPING_GROUNDS}
    } == set()


def test_no_two_public_things_have_one_name():
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        if PACKAGE / "cli" in path.parents or path.parent == PACKAGE / "library" / "migrations" / "versions":
            # A command is called like the verb that it calls, and every step of alembic has the same names.
            continue
        for line, name in public_definitions(ast.parse(path.read_text(encoding="utf-8"))):
            if not name.startswith("_"):
                places[name].append(f"{path.relative_to(PACKAGE)}:{line}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
