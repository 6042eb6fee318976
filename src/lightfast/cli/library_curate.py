"""`lightfast library curate`: what is wrong with the labelled pictures of a library."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from lightfast.cli.groups import library_app
from lightfast.cli.library import Background, LibraryArg, in_background, number_of_user, opened
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import print_result, progress_bars, run_options


@library_app.command("curate", epilog="Example: lightfast library curate archive/")
def library_curate(
    library: LibraryArg,
    folds: Annotated[
        int, Option("--folds", min=3, max=20, metavar="N", help="Of the models that judge labels.")
    ] = 5,
    background: Background = False,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Look for wrong labels, copies and outliers among the labelled pictures, and queue them for review.

    Labels are judged by models that never saw the picture. No tag is changed: a person decides. A report
    with every issue is kept in the library. What people have answered is not asked again.
    """
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.library_curate import curated_lines
    from lightfast.runs.library.curate import curate_library

    if background:
        in_background(library, "curate", {"folds": folds, "seed": seed, "device": device}, as_json)
        return
    with progress_bars() as report, opened(library) as held:
        options = run_options(None, seed, device, report)
        result = curate_library(held, options, folds=folds, by=held.store.act(number_of_user))
    print_result(plain(result), as_json, curated_lines(result, library))
