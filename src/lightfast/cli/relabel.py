"""`lightfast relabel`: the next version of the data, with what people decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, Damaged, DataArg, Device, LabelSeparator, Root, Seed, Size
from lightfast.cli.terminal import print_result, progress_bars, run_options


@app.command(epilog="Example: lightfast relabel my-pictures/ queue.csv --reviewer ada --out my-pictures-2/")
def relabel(
    data: DataArg,
    decisions: Annotated[
        Path,
        Argument(
            metavar="DECISIONS",
            help="A .jsonl of decisions, or a review queue (.csv, .parquet) whose column decided_label is "
            'filled: with a class, or with "not this".',
        ),
    ],
    out: Annotated[
        Path,
        Option("--out", metavar="FOLDER", help="A new folder for the next version; DATA stays as it is."),
    ],
    without: Annotated[
        list[int] | None,
        Option("--without", min=1, metavar="N", help="Undo: leave decision N (from 1) out. May be repeated."),
    ] = None,
    reviewer: Annotated[
        str | None, Option("--reviewer", metavar="NAME", help="Who filled the queue, where it does not say.")
    ] = None,
    image_size: Size = None,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Write the next version of DATA, with what people decided.

    Later decisions win; where two people disagree, both are listed. Pictures known not to be what they were
    called, without another label, are left out and listed. Nothing is deleted or changed.
    """
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.relabel import relabel_lines
    from lightfast.runs.relabel import relabel_data

    with progress_bars() as report:
        options = run_options(
            out=out,
            image_size=image_size,
            damaged=damaged,
            root=root,
            label_separator=label_separator,
            seed=seed,
            device=device,
            report=report,
        )
        result = relabel_data(data, decisions, options, without=tuple(without or ()), reviewer=reviewer)
    print_result(plain(result), as_json, relabel_lines(result))
