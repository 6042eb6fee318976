"""`lightfast explain`: what in a picture speaks for its reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, Device, Limit, RunArg, Seed
from lightfast.cli.terminal import run_options, tell, work
from lightfast.explain.pictures import MAPS, OVERLAYS
from lightfast.pages.features import FEATURES
from lightfast.report.tables import duration
from lightfast.runs.folder import REPORT_FILE


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
    """Show what in a picture speaks for its reading, and where a run looked when it was wrong.

    Writes overlays, raw maps and a report; the report says whether the explanation can be believed. Labelled
    pictures are not scored.
    """
    from lightfast.runs.explain import ExplainWishes, explain_run

    with work() as report:
        wishes = ExplainWishes(method, layer, target, limit, check, tuple(settings or ()))
        result = explain_run(run, paths, run_options(out, seed, device, report), wishes)
    tell(result, as_json, explain_lines(result))


def explain_lines(result: Mapping[str, Any]) -> list[str]:
    """What `explain` found, for a terminal."""
    layer = f", layer {result['target_layer']}" if result.get("target_layer") else ""
    pace = (
        f", {duration(result['seconds_per_picture'])} a picture"
        if result["seconds_per_picture"] >= 0.1
        else ""
    )
    pictures = "picture" if result["n"] == 1 else "pictures"
    lines = [f"{result['method']}: {result['n']:,} {pictures} read by {result['model']}{layer}{pace}"]
    if result["wrong"] is not None:
        count = result["wrong"]
        lines.append(
            f"wrong      {count:,} {'picture was' if count == 1 else 'pictures were'} read as another class "
            "than theirs (read, not scored)"
        )
    check = result.get("check")
    if check:
        curves, weights = check["faithfulness"], check["randomisation"]
        for name in ("deletion", "insertion"):
            one = curves[name]
            low, high = one["gain_interval"]
            lines.append(
                f"{name:<10} area {one['area']:.3f}, in a random order {one['random_area']:.3f}; gain "
                f"{one['gain']:+.3f} [{low:+.3f} to {high:+.3f}], n = {curves['n']}: {one['verdict']}"
            )
        why = f": {weights['reason']}" if weights["reason"] else ""
        lines.append(f"weights    {weights['verdict']}{why}" + "".join(_alike(weights["rows"])))
    if result.get("enhancer"):
        change = result["enhancer"]
        lines.append(
            f"enhancer   changed the first reading of {change['changed']:,} of {result['n']:,} pictures"
        )
    if result["method"] == FEATURES:
        return [
            *lines,
            f"features   {Path(result['out'], 'features')}",
            f"report     {Path(result['out'], REPORT_FILE)}",
        ]
    return [
        *lines,
        f"overlays   {Path(result['out'], OVERLAYS)}, maps in {Path(result['out'], MAPS)}",
        f"report     {Path(result['out'], REPORT_FILE)}",
    ]


def _alike(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    low, high = rows[-1]["interval"]
    return [
        f" (rank correlation {rows[-1]['correlation']:.2f} [{low:.2f} to {high:.2f}] after all weights were "
        "drawn anew)"
    ]
