"""`lightfast select`: what to label next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, Damaged, Device, NearDuplicatesChoice, Root, Seed, Size
from lightfast.cli.terminal import print_result, progress_bars, run_options


@app.command(epilog="Example: lightfast select photos/ --count 50 --out runs/next")
def select(
    data: Annotated[
        str,
        Argument(
            metavar="DATA",
            help="A folder of pictures, some in class folders or none; a table (path,label) with empty "
            "labels; an .npz with -1 among its labels; or a name of `data list`.",
        ),
    ],
    count: Annotated[int, Option("--count", metavar="N", help="Pictures to label next.")],
    run: Annotated[
        str | None,
        Option(
            "--run", metavar="RUN", help="Ask this run what it is unsure of. Default: the labels at hand."
        ),
    ] = None,
    strategy: Annotated[
        str,
        Option(
            "--strategy",
            metavar="NAME",
            help="auto, herding, unsure-herding, typical, margin, coreset, kmeans++, random.",
        ),
    ] = "auto",
    decisions: Annotated[
        Path | None,
        Option("--decisions", metavar="FILE", help="A decision log (JSON lines) whose labels count as well."),
    ] = None,
    ignore_labels: Annotated[
        bool, Option("--ignore-labels", help="Choose as if nothing were labelled: folders may be albums.")
    ] = False,
    out: Annotated[
        Path | None,
        Option("--out", metavar="FOLDER", help="Write queue.csv, report.html and metrics.json here."),
    ] = None,
    image_size: Size = None,
    damaged: Damaged = "refuse",
    root: Root = None,
    near_duplicates: NearDuplicatesChoice = "group",
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Say which pictures to label next, and why each.

    From nothing it takes pictures that stand for many others; with labels, or a run, those that stand for
    many of which the model is unsure. Never two near duplicates.
    """
    from lightfast.cli.text.select import select_lines
    from lightfast.runs.select import SelectOptions, select_run

    with progress_bars() as report:
        options = run_options(
            out,
            seed,
            device,
            report,
            image_size=image_size,
            damaged=damaged,
            root=root,
            near_duplicates=near_duplicates,
        )
        result = select_run(data, options, SelectOptions(count, strategy, run, decisions, ignore_labels))
    print_result(result, as_json, select_lines(result))
