"""`lightfast scorecard`: hosted services beside our own, out of saved responses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, DataArg, Device, RunArg, Seed
from lightfast.cli.terminal import print_result, progress_bars, run_options

if TYPE_CHECKING:
    from lightfast.runs.scorecard import Prices


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
    """Compare hosted services and a run, out of saved responses.

    Clarifai, Ximilar (Vize), Google, AWS and Azure are told apart by their documented JSON.
    Nothing is sent anywhere.
    """
    from lightfast.cli.text.scorecard import scorecard_lines
    from lightfast.runs.scorecard import scorecard_run

    with progress_bars() as report:
        prices = parse_prices(price or [], hourly)
        result = scorecard_run(run, data, responses, run_options(out, seed, device, report), prices, synonyms)
    print_result(
        result, as_json, [*scorecard_lines(result), *([f"report     {out / 'report.html'}"] if out else [])]
    )


def parse_prices(pairs: Sequence[str], hourly: float | None = None) -> Prices:
    """`NAME=X` texts as prices; raises SettingsError for one that is no such pair, or below 0."""
    from lightfast.runs.scorecard import Prices

    found: dict[str, float] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not sign or not name.strip() or not 0 <= value < float("inf"):
            raise SettingsError(
                f"--price {pair!r}",
                expected="NAME=PRICE of 1,000 pictures",
                cure="E.g. --price clarifai=1.2.",
            )
        found[name.strip().lower()] = value
    if hourly is not None and not 0 <= hourly < float("inf"):
        raise SettingsError(f"--hourly {hourly}", expected="a price of at least 0")
    return Prices(found, hourly)
