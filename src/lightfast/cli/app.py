"""The command line: one command a verb — parse, call, print.

Heavy libraries are imported inside the commands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer import Option

from lightfast import __version__
from lightfast.base.errors import LightfastError

# Each adds its commands, in the order of the help: what a new user needs first stands first.
# isort: off
from lightfast.cli import runs, damage, explain, background, enhance, data, curate, select  # noqa: F401
from lightfast.cli import map, relabel, library  # noqa: F401
from lightfast.cli import library_jobs, library_curate, library_retrain, library_review  # noqa: F401
from lightfast.cli import library_export  # noqa: F401
from lightfast.cli import library_backup, library_search, library_tokens, library_users, serve  # noqa: F401
from lightfast.cli import statistics, scorecard, export, studies  # noqa: F401

# isort: on
from lightfast.cli.flags import with_flags
from lightfast.cli.groups import app, data_app, library_app
from lightfast.cli.terminal import DEBUG, report_failure

_INTERRUPTED = 130  # what typer makes of Ctrl-C
_AGAIN = "the same command goes on where it was"
_GO_ON = {
    "train": "go on with --resume",
    "enhance": "go on with --resume",
    "repair": "go on with --resume",
    "study": _AGAIN,
    "crossval": _AGAIN,
    "curate": _AGAIN,
    "sweep": _AGAIN,
    "data fetch": _AGAIN,
    "library add": _AGAIN,
    "library tag": _AGAIN,
    "library embed": _AGAIN,
    "predict": "with --out FILE, the rows read so far stay in FILE.part (with --cluster: go on)",
}

app.add_typer(data_app, name="data")
app.add_typer(library_app, name="library")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv` when None); returns the exit code: 0 done, 2 bad input, 1 failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(words, prog_name="lightfast", standalone_mode=False) or 0
        sys.stdout.flush()
    except LightfastError as error:
        return report_failure(with_flags(str(error), words), error.exit_code)
    except typer.TyperException as error:
        message = error.format_message().removesuffix(".")
        if message.startswith("Usage:"):
            # A group without a command: its help, as it is.
            print(message, file=sys.stderr)
            return error.exit_code
        return report_failure(
            f"{message}{'.' * (message[-1:] != '?')} See: lightfast {command_of(words)}--help",
            error.exit_code,
        )
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the pipe (head) has left; the flush at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001  the outermost door: one line for people, the traceback for developers
        return report_failure(f"{type(error).__name__}: {error} (run with {DEBUG}=1 for the traceback)", 1)
    if code == _INTERRUPTED:
        how = _GO_ON.get(command_of(words).strip())
        return report_failure(f"stopped; {how}" if how else "stopped", 1)
    return code


def _version(wanted: bool) -> None:
    if wanted:
        print(f"lightfast {__version__}")
        raise typer.Exit


@app.callback()
def _lightfast(
    version: Annotated[
        bool, Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Image classifiers that keep their sight: train on your pictures, measure them under damage, repair,
    name the doubtful ones.
    """


def command_of(words: Sequence[str]) -> str:
    """The command that `words` begin with, for a hint: "train ", "data fetch ", or nothing."""
    known = {info.callback.__name__ for info in app.registered_commands if info.callback}
    first = " ".join(words[:2]) if words[:1] == ["data"] else "".join(words[:1])
    return f"{first} " if first.split(" ")[0] in {*known, "data"} and "-" not in first else ""
