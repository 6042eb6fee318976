"""`lightfast library embed` and `search`: features of pictures; what is found by tag, likeness, word."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from lightfast.cli.groups import library_app
from lightfast.cli.library import LibraryArg, opened
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import print_result, progress_bars, run_options


@library_app.command("embed", epilog="Example: lightfast library embed archive/")
def library_embed(
    library: LibraryArg,
    run: Annotated[
        str | None,
        Option(
            "--run",
            metavar="RUN",
            show_default=False,
            help="A run folder whose network makes the features; without it a published backbone.",
        ),
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Compute the features of every new picture, for likeness and words.

    What is there is not computed again: a stopped job goes on where it was.
    """
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.library_search import embed_lines
    from lightfast.runs.library_features import embed_library

    with progress_bars() as report, opened(library) as held:
        result = embed_library(held, run_options(None, seed, device, report), run)
    print_result(plain(result), as_json, embed_lines(result))
