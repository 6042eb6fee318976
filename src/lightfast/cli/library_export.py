"""`lightfast library export`: what a library knows, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import library_app
from lightfast.cli.library import Background, LibraryArg, in_background, opened
from lightfast.cli.parameters import AsJson, Device, Root, Seed, Size
from lightfast.cli.terminal import print_result, progress_bars, run_options


@library_app.command("export", epilog="Example: lightfast library export archive/ --out tags.csv")
def library_export(
    library: LibraryArg,
    out: Annotated[
        Path | None,
        Option("--out", metavar="FILE", help="A new .csv, .jsonl or .parquet; for --decisions a .jsonl."),
    ] = None,
    state: Annotated[
        list[str] | None,
        Option(
            "--state",
            metavar="confirmed|suggested|rejected",
            help="Only tags of this state; may be repeated. Default: all.",
        ),
    ] = None,
    manifest: Annotated[
        bool, Option("--manifest", help="One row a picture with what people confirmed, as train takes it.")
    ] = False,
    decisions: Annotated[
        bool, Option("--decisions", help="The decisions that hold, as a log that relabel takes.")
    ] = False,
    source: Annotated[
        str | None,
        Option("--for", metavar="DATA", help="With --decisions: the data set that is to be relabelled."),
    ] = None,
    root: Root = None,
    image_size: Size = None,
    xmp: Annotated[
        bool, Option("--xmp", help="Write the tags into XMP sidecars beside the pictures.")
    ] = False,
    style: Annotated[
        Literal["darktable", "lightroom"],
        Option("--style", metavar="darktable|lightroom", help="With --xmp: photo.jpg.xmp, or photo.xmp."),
    ] = "darktable",
    background: Background = False,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Write the tags as a table, a list to train on, a decision log or XMP.

    In sidecars keywords of people and other programs stay; only what the library wrote is ever taken out, and
    what a person rejected does not come back.
    """
    kinds = [
        name
        for name, wanted in (("--manifest", manifest), ("--decisions", decisions), ("--xmp", xmp))
        if wanted
    ]
    if len(kinds) > 1:
        raise SettingsError("`export`", expected="one kind at a time", got=" and ".join(kinds))
    if (out is None) != xmp:
        raise SettingsError(
            "--out", expected="a new file; with --xmp none: sidecars stand beside the pictures"
        )
    if source is not None and not decisions:
        raise SettingsError("--for", expected="--decisions with it", cure="Leave it out.")
    if background:
        what = "xmp" if xmp else "manifest" if manifest else "tags"
        in_background(
            library, "export", _order("decisions" if decisions else what, out, state, style), as_json
        )
        return
    with progress_bars() as report, opened(library) as held:
        if out is None:
            from lightfast.cli.text.library_export import sidecar_lines
            from lightfast.library.sidecars import write_library_sidecars

            written = write_library_sidecars(held, style, report=report)
            lines = sidecar_lines(written)
            result: object = written
        elif decisions:
            from lightfast.runs.library_decisions import export_decisions

            options = run_options(None, seed, device, report, image_size=image_size, root=root)
            log = export_decisions(held, out, options, source)
            lines = [
                f"written    {log.out}: {log.decisions:,} decisions about {log.pictures:,} pictures",
                *log.notes,
            ]
            result = log
        else:
            from lightfast.library.export_tags import TAG_STATES, export_labels, export_tags

            table = export_labels(held, out) if manifest else export_tags(held, out, state or TAG_STATES)
            lines = [
                f"written    {table.out}: {table.rows:,} rows of {table.pictures:,} pictures",
                *table.notes,
            ]
            result = table
    print_result(result, as_json, lines)


def _order(what: str, out: Path | None, states: list[str] | None, style: str) -> dict[str, Any]:
    """The arguments of a job."""
    if what == "decisions":
        raise SettingsError("--background", expected="tags, --manifest or --xmp", got="--decisions")
    if out is not None and out.name != str(out):
        raise SettingsError(
            f"--out {out}", expected="with --background the name of a file, which LIBRARY/exports then holds"
        )
    name = {} if out is None else {"name": out.name}
    return {"what": what, "states": states or [], "style": style, **name}
