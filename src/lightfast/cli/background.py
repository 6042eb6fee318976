"""`lightfast background`: does a run look at the thing, or at what stands behind it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, DataArg, Device, Limit, RunArg, Seed
from lightfast.cli.terminal import print_result, progress_bars, run_options


@app.command(epilog="Example: lightfast background runs/photos photos/ --out runs/background")
def background(
    run: RunArg,
    data: DataArg,
    limit: Limit = None,
    out: Annotated[
        Path | None, Option("--out", metavar="FOLDER", help="Write metrics and a report there.")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Find out whether a run looks at the background.

    Puts what stands in each picture on the background of others, of its own class and of another, and counts
    what is still read rightly. Look at the cuts in the report before believing the figures.
    """
    from lightfast.cli.text.background import background_lines
    from lightfast.runs.background import background_run

    with progress_bars() as report:
        result = background_run(run, data, run_options(out, seed, device, report), limit=limit)
    print_result(
        result, as_json, [*background_lines(result), *([f"report     {out / 'report.html'}"] if out else [])]
    )
