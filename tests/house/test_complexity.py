"""How many ways lead through each function, conditions inside comprehensions counted.

    python tests/house/test_complexity.py [LIMIT] [FOLDER ...]

lists the functions above the limit.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LIMIT = 12
FOLDERS = ("src", "tests", "examples", "benchmarks")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Each of these adds one way; an `assert` adds none, and neither does a `with`.
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.comprehension)
_BRANCHES = (*_LOOPS, ast.If, ast.IfExp, ast.ExceptHandler, ast.match_case)


class Counted(NamedTuple):
    """One function and the ways through it, nested functions counted on their own."""

    ways: int
    file: Path
    line: int
    name: str


def counted(file: Path) -> Iterator[Counted]:
    """Every function of one file, in its order."""
    yield from _inside(ast.parse(file.read_text(encoding="utf-8"), str(file)), file, "")


def _inside(node: ast.AST, file: Path, outer: str) -> Iterator[Counted]:
    for child in ast.iter_child_nodes(node):
        name = f"{outer}{child.name}" if isinstance(child, (*_FUNCTIONS, ast.ClassDef)) else ""
        if isinstance(child, _FUNCTIONS):
            yield Counted(1 + sum(map(_ways, child.body)), file, child.lineno, name)
        yield from _inside(child, file, f"{name}." if name else outer)


def _ways(node: ast.AST) -> int:
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return 0
    own = isinstance(node, _BRANCHES) + len(getattr(node, "ifs", ()))
    if isinstance(node, ast.BoolOp):
        own = len(node.values) - 1
    return own + sum(map(_ways, ast.iter_child_nodes(node)))


def above(limit: int = LIMIT, folders: tuple[str, ...] = FOLDERS) -> list[Counted]:
    """The functions with more ways than the limit, the widest first."""
    files = sorted(file for folder in folders for file in Path(folder).rglob("*.py"))
    found = (one for file in files for one in counted(file) if one.ways > limit)
    return sorted(found, key=lambda one: -one.ways)


def test_no_function_has_more_ways_than_its_budget():
    root = Path(__file__).resolve().parents[2]
    wide = above(LIMIT, tuple(str(root / folder) for folder in FOLDERS))
    assert [f"{one.file.relative_to(root)}:{one.line} {one.name} {one.ways}" for one in wide] == []


def test_every_branch_loop_condition_and_comprehension_is_a_way(tmp_path: Path):
    code = """
def f(rows, other):
    found = [one for one in rows if one and other]
    for row in found:
        if row or other:
            found = row if other else None
    try:
        return found
    except ValueError:
        assert other
"""
    file = tmp_path / "code.py"
    file.write_text(code)
    # 1 + comprehension, its if, its and; for, if, or, if-else, except
    assert [one.ways for one in counted(file)] == [9]


if __name__ == "__main__":
    for found in above(int(sys.argv[1]) if sys.argv[1:] else LIMIT, tuple(sys.argv[2:]) or FOLDERS):
        print(f"{found.file}:{found.line} {found.name} {found.ways}")
