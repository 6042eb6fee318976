"""The command `lightfast` and its groups; the modules beside this one add their commands to them."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="lightfast",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: lightfast demo --quick. Exit codes: 0 done, 2 bad input (one line names the cure), "
    "1 failed.",
)
data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Data sets: list, fetch, check.")
library_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="A library of pictures: add, tag, review, search."
)
