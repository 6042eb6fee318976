"""Taking a run elsewhere: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Exit, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import print_result, progress_bars, run_options


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
    confirm_above: Annotated[
        float | None,
        Option(
            "--confirm-above",
            metavar="P",
            help="With --to xmp: write a suggestion of this confidence or more as a confirmed keyword, among "
            "the plain ones too. Taken back by the same command without it.",
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Take a classifier elsewhere.

    The ONNX file takes uint8 pictures and gives probabilities; classes, preprocessing, thresholds and
    taxonomy are inside.
    """
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.export import export_lines
    from lightfast.runs.export import ExportOptions, XmpExport, export_run

    with progress_bars() as report:
        export_options = ExportOptions(to, check, int8, name, style, at_least, confirm_above)
        result = export_run(run, export_options, run_options(out, seed, device, report), pictures or ())
    print_result(plain(result), as_json, export_lines(result))
    if isinstance(result, XmpExport) and result.refused:
        raise Exit(1)
