"""`lightfast scorecard`: hosted services beside our own, out of saved responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import app
from lightfast.cli.lines import columns
from lightfast.cli.parameters import AsJson, DataArg, Device, RunArg, Seed
from lightfast.cli.terminal import run_options, tell, work
from lightfast.pages.compare import p_text
from lightfast.pages.scorecard import _cost_texts
from lightfast.report.tables import percent, points, share_text
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
    """Score hosted services and a run on the same pictures, out of saved responses.

    Clarifai, Ximilar (Vize), Google, AWS and Azure are told apart by their documented JSON. Nothing is sent
    anywhere.
    """
    from lightfast.runs.scorecard import scorecard_run

    with work() as report:
        prices = parse_prices(price or [], hourly)
        result = scorecard_run(run, data, responses, run_options(out, seed, device, report), prices, synonyms)
    tell(result, as_json, [*scorecard_lines(result), *([f"report     {out / 'report.html'}"] if out else [])])


def parse_prices(pairs: Sequence[str], hourly: float | None = None) -> Prices:
    """`NAME=X` texts as prices; raises SettingsError for one that is no such pair, or below 0."""
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


def scorecard_lines(result: Mapping[str, Any]) -> list[str]:
    """Accuracy beside cost, ours against each service, agreement: for a terminal."""
    rows = [
        _line(result["ours"], result["costs"]),
        *(_line(one["service"], result["costs"]) for one in result["services"]),
    ]
    tests = []
    for one in result["services"]:
        low, high = one["test"]["difference_interval"]
        tests.append(
            (
                f"{one['service']['name']} → {one['ours']['name']}",
                f"{one['test']['n']:,}",
                percent(one["ours"]["top1"]),
                f"{points(one['test']['difference'])} [{points(low)} to {points(high)}]",
                p_text(one["p_holm"]),
            )
        )
    agreement = [
        (f"{one['first']} – {one['second']}", f"{one['n']:,}", percent(one["observed"], 1), _kappa(one))
        for one in result["agreement"]
    ]
    return [
        *columns(
            ("reader", "n", "top 1", "top 3", "no class named", "price of 1,000", "seconds for 1,000"), rows
        ),
        *columns(("pair, same pictures", "n", "ours", "difference in points", "p (Holm)"), tests),
        *columns(("agreement", "n", "same answer", "kappa"), agreement),
        "brackets: 95 % intervals; p: McNemar",
    ]


def _line(score: Mapping[str, Any], told: Mapping[str, Mapping[str, float | None]]) -> tuple[str, ...]:
    shares = [share_text(score[key], score[f"{key}_interval"]) for key in ("top1", "top3")]
    return (
        score["name"],
        f"{score['n']:,}",
        *shares,
        f"{score['unanswered']:,}",
        *_cost_texts(told[score["name"]]),
    )


def _kappa(one: Mapping[str, Any]) -> str:
    low, high = one["interval"]
    return "–" if one["value"] is None else f"{one['value']:.2f} [{low:.2f} to {high:.2f}]"
