"""`lightfast curate`: what is wrong with a pile of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import (
    AsJson,
    Damaged,
    DataArg,
    Device,
    LabelSeparator,
    NearDuplicatesChoice,
    Root,
    Seed,
    Size,
)
from lightfast.cli.terminal import print_result, progress_bars, run_options


@app.command(epilog="Example: lightfast curate photos/ --out runs/photos-curated")
def curate(
    data: DataArg,
    run: Annotated[
        str,
        Option(
            "--run",
            metavar="RUN",
            help="Judge by the model of this run folder or hf-hub:ID. Default: a published backbone for "
            "photographs, the small network for the rest.",
        ),
    ] = "",
    out: Annotated[
        Path | None, Option("--out", metavar="FOLDER", help="Default: RUN/curated, or runs/curate-DATA.")
    ] = None,
    folds: Annotated[
        int, Option("--folds", min=3, metavar="K", help="Parts; each is judged by a model of the others.")
    ] = 5,
    repeats: Annotated[
        int | None,
        Option(
            "--repeats",
            min=1,
            metavar="R",
            help="Draw the folds anew R times. Default: 3 for up to 5,000 photographs, else 1.",
        ),
    ] = None,
    prune: Annotated[
        str,
        Option(
            "--prune",
            metavar="auto|off|SHARE",
            help="auto: search the share of doubtful pictures to leave out in the next version; off: do "
            "not; a share, e.g. 0.05.",
        ),
    ] = "auto",
    image_size: Size = None,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    near_duplicates: NearDuplicatesChoice = "group",
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Find what is wrong with pictures and their labels.

    Wrong labels with suggestions and reasons, copies, leaks, outliers, pictures that are hard to see anything
    on, classes that overlap. Writes a table, a queue for people, and a report; changes and deletes nothing.
    """
    from lightfast.cli.text.curate import curate_lines
    from lightfast.runs.curate.curate import CurateOptions, curate_run, default_folder

    with progress_bars() as report:
        opened = run_options(
            out or default_folder(data, run),
            seed,
            device,
            report,
            image_size=image_size,
            damaged=damaged,
            root=root,
            label_separator=label_separator,
            near_duplicates=near_duplicates,
        )
        result = curate_run(data, opened, CurateOptions(run, folds, repeats, prune))
    print_result(result, as_json, curate_lines(result))
