"""Fills the tables of these pages from the registries and the command line: `python docs/generate.py`, or
`--check` to compare only.

A table stands between `<!-- generated: NAME -->` and `<!-- end -->`; everything else on a page is written by
hand.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer.main

from lightfast.base.settings import Settings
from lightfast.cli.app import app
from lightfast.corrupt.registry import CORRUPTIONS, Corruption
from lightfast.corrupt.suite import SUITES
from lightfast.data.catalogue.catalogue import CATALOGUE
from lightfast.explain.attribution import explainers
from lightfast.explain.methods import Explainer, ExplainSettings
from lightfast.models.build import find_model
from lightfast.models.registry import MODELS, ModelSpec
from lightfast.runs.enhance.options import EnhancePlanSettings
from lightfast.train.recipe import Recipe

FOLDER = Path(__file__).resolve().parent
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def commands() -> Iterator[tuple[str, Any]]:
    """(name as typed, command) of every command, groups opened."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from ((f"{name} {sub}", entry) for sub, entry in inner.items()) if inner else ((name, command),)


def command_section() -> str:
    """Every command with its arguments and options."""
    return "\n".join(_command(name, command) for name, command in commands())


def _command(name: str, command: Any) -> str:
    arguments = [entry for entry in command.params if entry.param_type_name == "argument"]
    options = [
        entry for entry in command.params if entry.param_type_name == "option" and entry.name != "help"
    ]
    words = [entry.metavar if entry.required else f"[{entry.metavar}]" for entry in arguments]
    words += [f"{entry.opts[0]} {entry.metavar}" for entry in options if entry.required]
    rows = [(f"`{entry.metavar}`", _default(entry), entry.help) for entry in arguments]
    rows += [(f"`{_spelled(entry)}`", _default(entry), entry.help) for entry in options]
    usage = " ".join(["lightfast", name, *words, "[options]"])
    text = "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(command.help).split("\n\n"))
    table = _table(("argument or option", "default", "meaning"), rows)
    return f"### {name}\n\n```\n{usage}\n```\n\n{text}\n\n{table}{_example(command.epilog)}"


def _spelled(option: Any) -> str:
    return option.opts[0] if option.is_flag else f"{option.opts[0]} {option.metavar}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    return "" if parameter.default is None or parameter.default is False else f"`{parameter.default}`"


def _example(epilog: str | None) -> str:
    said = (epilog or "").removeprefix("Example: ")
    return f"\nExample: `{said}`\n" if said else ""


def corruption_table() -> str:
    """Every registered corruption."""
    names = {name: severities[0] for name, severities, _ in SUITES.get("mnist-c").entries}
    rows = [
        (f"`{entry.name}`", entry.family, entry.summary, str(names.get(entry.name, "")), entry.source)
        for entry in _corruptions()
    ]
    return _table(("name", "family", "what it does", "severity in MNIST-C", "source"), rows)


def _corruptions() -> list[Corruption]:
    return sorted(CORRUPTIONS, key=lambda entry: (entry.family, entry.name))


def severity_table() -> str:
    """The named parameters behind the severities 1 to 5."""
    rows = [
        (f"`{entry.name}`", *(_parameters(values) for values in entry.severities)) for entry in _corruptions()
    ]
    return _table(("name", "1", "2", "3", "4", "5"), rows)


def _parameters(values: Any) -> str:
    fields = (
        values._asdict()
        if hasattr(values, "_asdict")
        else {name: getattr(values, name) for name in values.__dataclass_fields__}
    )
    return ", ".join(f"{name} {_short(value)}" for name, value in fields.items())


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def suite_table() -> str:
    """Every suite and its size."""
    rows = [
        (f"`{suite.name}`", str(len({name for name, _, _ in suite.entries})), str(len(suite)), suite.source)
        for suite in SUITES
    ]
    return _table(("suite", "corruptions", "with their severities", "source"), rows)


def model_table() -> str:
    """Every registered model with its settings."""
    find_model("cnn", "classifier")
    known = sorted(
        (spec for spec in MODELS if spec.name not in ("hub-transformers", "enhanced")),
        key=lambda spec: (spec.role, spec.name),
    )
    rows = [(f"`{_typed(spec)}`", spec.role, spec.summary, _settings(spec), spec.source) for spec in known]
    return _table(("name", "role", "what it is", "settings and defaults", "source"), rows)


def _typed(spec: ModelSpec) -> str:
    return f"{spec.name}{'A-B' if spec.name == 'own:' else 'NAME'}" if spec.name.endswith(":") else spec.name


def _settings(spec: ModelSpec) -> str:
    if spec.transfer:
        return "those of [pretrained backbones](photographs.md#by-name)"
    known = inspect.signature(spec.build).parameters.values()
    own = [
        entry
        for entry in known
        if entry.default is not inspect.Parameter.empty and entry.name not in ("outputs", "image_shape")
    ]
    return ", ".join(f"`{entry.name}={entry.default}`" for entry in own)


def recipe_table() -> str:
    """Every setting of a training."""
    return _settings_table(Recipe)


def method_table() -> str:
    """Every method of `explain`."""
    rows = [(f"`{entry.name}`", entry.summary, _needs(entry), entry.source) for entry in explainers()]
    rows.append(
        ("`features`", "no attribution: the maps of the layers themselves", "a network with maps", "–")
    )
    return _table(("`--method`", "what the map shows", "applies to", "source"), rows)


def _needs(entry: Explainer) -> str:
    return (
        "a network with maps"
        if entry.needs_maps
        else "any network"
        if entry.needs_gradients
        else "any classifier, forests too"
    )


def _settings_table(settings: type[Settings]) -> str:
    return _table(
        ("setting", "default", "meaning"),
        [(f"`{name}`", f"`{default}`", text) for name, default, text in settings.table()],
    )


def data_table() -> str:
    """The catalogue."""
    rows = [
        (
            f"`{entry.name}`",
            entry.title,
            f"{sum(entry.counts.values()):,}",
            str(len(entry.classes)),
            "×".join(map(str, entry.image_shape)),
            entry.licence,
            f"[page]({entry.homepage})",
        )
        for entry in CATALOGUE
    ]
    return _table(("name", "what", "pictures", "classes", "H×W×C", "licence", "homepage"), rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
        for row in (columns, ["---"] * len(columns), *rows)
    ]
    return "\n".join(lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "commands": command_section,
    "corruptions": corruption_table,
    "severities": severity_table,
    "suites": suite_table,
    "models": model_table,
    "recipe": recipe_table,
    "data": data_table,
    "methods": method_table,
    "explain_settings": lambda: _settings_table(ExplainSettings),
    "enhance_plan": lambda: _settings_table(EnhancePlanSettings),
}


def filled(text: str) -> str:
    """`text` with every generated block made anew."""
    return BLOCK.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}{match[3]}", text)


def main(check: bool) -> int:
    """Write the pages, or say which are stale; 1 when `check` finds one."""
    stale = []
    for page in sorted(FOLDER.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if filled(text) != text:
            stale.append(page.name)
            if not check:
                page.write_text(filled(text), encoding="utf-8")
    sys.stdout.write(f"{'stale' if check else 'written'}: {', '.join(stale) or 'none'}\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
