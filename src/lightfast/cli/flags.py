"""Parameters in messages as the flags of a command: what lies below names `image_size`,
a person types --image-size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# What lies below calls it → what a command calls it, where the two differ.
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "config": ("settings",),
    "folds": ("out_of_fold",),
    "form": ("output_format",),
    "prices": ("price",),
    "recipe": ("settings",),
    "strengths": ("strength",),
}
_COMMAND = re.compile(r"lightfast ((?:data )?[a-z]+)")
_NAMED = re.compile(r"`([a-z][a-z0-9_]*)(?:\.([a-z][a-z0-9_]*))?(?:=([^`]*))?`")


def as_flags(message: str, flags: Mapping[str, str]) -> str:
    """`message` with parameters in backticks as flags.

    `out` becomes --out, `repeats=3` --repeats 3, `recipe.epochs=5` --set epochs=5, `config.mode` --set
    model.mode; what the command has no flag for stays as it is, without its backticks where it is a setting.

    Args:
        flags: parameter → flag of the command, see `flags_of`.
    """

    def flag(found: re.Match[str]) -> str:
        name, setting, value = found.group(1), found.group(2), found.group(3)
        known = next((one for one in (name, *OTHER_NAMES.get(name, ())) if one in flags), None)
        if known is None:
            return found.group(0)
        words = [flags[known]]
        if setting:
            prefix = "model." if name == "config" else ""
            return f"{words[0]} {prefix}{setting}" + (f"={_bare(value)}" if value else "")
        return " ".join([*words, *([_bare(value)] if value and value not in ("True", "true") else [])])

    return _NAMED.sub(flag, message)


def with_flags(message: str, words: Sequence[str]) -> str:
    """`message` for the command line that `words` are: parameters are its flags, and those behind the name of
    another command (`lightfast enhance RUN DATA, with ...`) that one's.
    """
    own, *others = _COMMAND.split(message)
    told = as_flags(own, flags_of(words))
    for command, text in zip(others[::2], others[1::2], strict=True):
        told += f"lightfast {command}{as_flags(text, flags_of(command.split()) or flags_of(words))}"
    return told


def _bare(value: str) -> str:
    return value.strip("\"'")


def flags_of(words: Sequence[str]) -> dict[str, str]:
    """Parameter → flag (of an argument its name in the help) of the command that `words` begin with;
    else none.
    """
    import typer.main

    from lightfast.cli.groups import app

    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    found = {}
    for parameter in command.params:
        long = [option for option in parameter.opts if option.startswith("--")]
        found[parameter.name] = long[0] if long else (parameter.metavar or parameter.name.upper())
    return found
