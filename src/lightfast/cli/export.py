"""Taking a run elsewhere: export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import run_options, tell, work


@app.command(epilog="Example: lightfast export runs/scenes --to onnx --out scenes.onnx --check more-scenes/")
def export(
    run: Annotated[
        str,
        Argument(
            metavar="RUN",
            help="A run folder that `train` wrote, hf-hub:ID, or for xmp and photoprism an .onnx.",
        ),
    ],
    pictures: Annotated[
        list[str] | None,
        Argument(
            metavar="PATH...",
            show_default=False,
            help="With --to xmp: picture files, folders, tables of pictures.",
        ),
    ] = None,
    to: Annotated[
        Literal["onnx", "photoprism", "xmp"],
        Option(
            "--to",
            metavar="onnx|photoprism|xmp",
            help="One file that needs nothing "
            "beside it; a model for PhotoPrism; or sidecars with suggested keywords beside PATH.",
        ),
    ] = "onnx",
    out: Annotated[
        Path | None, Option("--out", metavar="PATH", help="File (onnx) or folder (photoprism) to write.")
    ] = None,
    check: Annotated[
        str | None,
        Option(
            "--check",
            metavar="DATA",
            help="Check the file against torch on these pictures. Default: the run's own test pictures.",
        ),
    ] = None,
    int8: Annotated[
        bool, Option("--int8", help="8-bit integers: a quarter of the size; its cost in accuracy is printed.")
    ] = False,
    name: Annotated[
        str, Option("--name", metavar="NAME", help="With --to photoprism: what the model is called there.")
    ] = "lightfast",
    style: Annotated[
        Literal["darktable", "lightroom"],
        Option("--style", metavar="darktable|lightroom", help="With --to xmp: photo.jpg.xmp, or photo.xmp."),
    ] = "darktable",
    at_least: Annotated[
        float,
        Option(
            "--at-least",
            metavar="P",
            help="With --to xmp: suggest a label from this probability on; several "
            "labels a picture go by their own thresholds.",
        ),
    ] = 0.5,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Take a classifier elsewhere.

    The ONNX file takes uint8 pictures and gives probabilities; classes, preprocessing, thresholds and
    taxonomy are inside.
    """
    from lightfast.runs.export import ExportPlan, export_run

    with work() as report:
        plan = ExportPlan(to=to, check=check, int8=int8, name=name, style=style, at_least=at_least)
        result = export_run(run, plan, run_options(out, seed, device, report), pictures or ())
    tell(result, as_json, export_lines(result))


def export_lines(result: Mapping[str, Any]) -> list[str]:
    """What an export did, for people."""
    if result["to"] == "xmp":
        refused = [f"  {one['path']}: {one['reason']}" for one in result["refused"]]
        return [
            f"{result['n']:,} pictures read, {result['suggested']:,} of them got a suggestion in a sidecar "
            "beside them",
            *([f"{len(refused):,} sidecar(s) were not written:", *refused] if refused else []),
        ]
    if result["to"] == "photoprism":
        return [
            f"written    {result['vision']}",
            "next       docs/export.md says where PhotoPrism looks for it",
        ]
    cost = cost_lines(result["int8"]) if result["int8"] else []
    return [
        *check_lines(result["check"]),
        *cost,
        f"written    {result['out']} ({result['bytes'] / 1e6:.1f} MB)",
    ]


def check_lines(check: Mapping[str, Any]) -> list[str]:
    """What a check says, for people."""
    ties = f", {check['ties']:,} of them by a tie" if check["ties"] else ""
    verdict = (
        "all decisions the same"
        if check["same"] == check["n"]
        else f"{check['n'] - check['same']:,} decision(s) differ{ties}"
    )
    against = f"against torch on {check['n']:,} {check['pictures']}"
    return [f"checked    {against}: {verdict}, probabilities within {check['max_difference']:.1e}"]


def cost_lines(cost: Mapping[str, Any]) -> list[str]:
    """The cost of 8 bits for people: accuracy with interval and n where labels are known, agreement,
    speed.
    """
    speeds, (low, high) = cost["pictures_per_second"], cost["same_interval"]
    lines = []
    if cost["paired"]:
        test = cost["paired"]
        below, above = (100 * one for one in test["difference_interval"])
        lines.append(
            f"int8 cost  {100 * test['before_accuracy']:.2f} % → {100 * test['after_accuracy']:.2f} %, "
            f"{100 * test['difference']:+.2f} points [{below:+.2f} to {above:+.2f}], n = {test['n']:,}, "
            f"{test['gained']:,} gained, {test['lost']:,} lost, p = {test['p_value']:.2g} ({test['method']})"
        )
    lines.append(
        f"int8       the same decision on {cost['same']:,} of {cost['n']:,} pictures "
        f"({100 * cost['same'] / cost['n']:.2f} % [{100 * low:.2f} to {100 * high:.2f}])"
    )
    slow = speeds["int8"] < speeds["fp32"] and not cost["dot_products"]
    why = ": slower here, the processor has no 8-bit dot products (VNNI)" if slow else ""
    lines.append(
        f"speed      int8 {speeds['int8']:,.0f} pictures a second in memory, fp32 {speeds['fp32']:,.0f}{why}"
    )
    return lines
