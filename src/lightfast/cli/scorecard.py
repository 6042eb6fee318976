"""`lightfast scorecard`: hosted services beside our own, out of saved responses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, DataArg, Device, RunArg, Seed
from lightfast.cli.terminal import run_options, tell, work


@app.command(
    epilog="Example: lightfast scorecard runs/photos photos/ --responses saved/ --price clarifai=1.2 --out "
    "runs/scorecard"
)
def scorecard(
    run: RunArg,
    data: DataArg,
    responses: Annotated[
        Path,
        Option(
            "--responses",
            metavar="FOLDER",
            help="Saved JSON responses of services, one file a picture, or .jsonl with path and response.",
        ),
    ],
    price: Annotated[
        list[str] | None,
        Option("--price", metavar="NAME=X", help="What a service takes for 1,000 pictures; may be repeated."),
    ] = None,
    hourly: Annotated[
        float | None,
        Option("--hourly", metavar="X", help="What an hour of this machine costs. Default: seconds alone."),
    ] = None,
    synonyms: Annotated[
        Path | None,
        Option(
            "--synonyms",
            metavar="FILE",
            help="JSON, YAML or CSV: which label of a service means which class.",
        ),
    ] = None,
    out: Annotated[
        Path | None, Option("--out", metavar="FOLDER", help="Write metrics and a report there.")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Score hosted services and a run on the same pictures, out of saved responses.

    Clarifai, Ximilar (Vize), Google, AWS and Azure are told apart by their documented JSON. Nothing is sent
    anywhere.
    """
    from lightfast.runs.scorecard import parse_prices, scorecard_lines, scorecard_run

    with work() as report:
        prices = parse_prices(price or [], hourly)
        result = scorecard_run(run, data, responses, run_options(out, seed, device, report), prices, synonyms)
    tell(result, as_json, [*scorecard_lines(result), *([f"report     {out / 'report.html'}"] if out else [])])
