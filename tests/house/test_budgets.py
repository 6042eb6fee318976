"""The rules that hold for the whole package: small files and functions, no print, empty `__init__` files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "lightfast"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ALL_CODE = [
    *SOURCES,
    *sorted(path for folder in ("tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py")),
]
FILE_BUDGET, FUNCTION_BUDGET = 400, 50


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def prints(path: Path) -> list[int]:
    """The lines of `path` that call print."""
    calls = (
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    )
    return [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def test_every_init_below_the_package_own_is_empty():
    inits = [path for path in PACKAGE.glob("*/**/__init__.py") if path.read_bytes().strip()]
    assert [str(path.relative_to(ROOT)) for path in inits] == []


def test_every_folder_of_sources_is_a_package():
    folders = {path.parent for path in SOURCES}
    assert [
        str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").exists()
    ] == []


def test_only_the_command_line_prints():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        if PACKAGE / "cli" not in path.parents
        for line in prints(path)
    ]
    assert found == []


def test_no_file_is_longer_than_its_budget():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in ALL_CODE
    }
    assert {name: length for name, length in lengths.items() if length > FILE_BUDGET} == {}


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function's body, its docstring not counted."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_function_is_longer_than_its_budget():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} {lines}"
        for path in ALL_CODE
        for node in functions(path)
        if (lines := body_lines(node)) > FUNCTION_BUDGET
    ]
    assert found == []


def test_nothing_is_left_out_of_the_formatter_but_tables_of_numbers():
    marked = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in ALL_CODE
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if line.rstrip().endswith(("# fmt: " + "skip", "# fmt: " + "off"))
    ]
    assert marked == []
