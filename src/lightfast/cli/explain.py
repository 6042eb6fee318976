"""`lightfast explain`: what in a picture speaks for its prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, Device, Limit, RunArg, Seed
from lightfast.cli.terminal import print_result, progress_bars, run_options


@app.command(epilog="Example: lightfast explain runs/photos photos/ --method grad-cam --out runs/why")
def explain(
    run: RunArg,
    paths: Annotated[
        list[str],
        Argument(
            metavar="PATH...",
            help="Labelled pictures (class folders, .npz, a name), or picture files, "
            "folders, tables, archives, addresses.",
        ),
    ],
    method: Annotated[
        str,
        Option(
            "--method",
            metavar="NAME",
            help="grad-cam, grad-cam++, lime, integrated-gradients, occlusion; or "
            "features: what every layer makes of the picture.",
        ),
    ] = "grad-cam",
    out: Annotated[
        Path | None, Option("--out", metavar="FOLDER", help="Default: RUN/explained/METHOD.")
    ] = None,
    layer: Annotated[
        str | None,
        Option(
            "--layer", metavar="NAME", help="Whose maps are taken. Default: the last that tells places apart."
        ),
    ] = None,
    target: Annotated[
        str | None,
        Option(
            "--target",
            metavar="CLASS",
            help="What speaks for this class? Default: for the class that each picture was read as.",
        ),
    ] = None,
    limit: Limit = None,
    check: Annotated[
        int | None,
        Option(
            "--check",
            min=0,
            metavar="N",
            help="Check the explanation on N pictures; 0: not at all. Default: "
            "12, with lime and occlusion 6.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        Option(
            "--set", metavar="KEY=VALUE", help="A setting of the method, e.g. samples=500; may be repeated."
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Show what in a picture speaks for its prediction.

    Also where a run looked when it was wrong. Writes overlays, raw maps and a report; the report says whether
    the explanation can be believed. Labelled pictures are not scored.
    """
    from lightfast.cli.text.explain import explain_lines
    from lightfast.runs.explain import ExplainOptions, explain_run

    with progress_bars() as report:
        explain_options = ExplainOptions(method, layer, target, limit, check, tuple(settings or ()))
        result = explain_run(run, paths, run_options(out, seed, device, report), explain_options)
    print_result(result, as_json, explain_lines(result))
