"""`lightfast library export`: what a library knows, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import library_app
from lightfast.cli.library import Background, LibraryArg, in_background, opened
from lightfast.cli.parameters import AsJson, Device, Root, Seed, Size
from lightfast.cli.terminal import print_result, progress_bars, run_options

if TYPE_CHECKING:
    from lightfast.library.library import Library
    from lightfast.runs.options import RunOptions


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
    what = _what(manifest, decisions, xmp)
    if (out is None) != xmp and not background:
        raise SettingsError(
            "--out", expected="a new file; with --xmp none: sidecars stand beside the pictures"
        )
    if source is not None and not decisions:
        raise SettingsError("--for", expected="--decisions with it", cure="Leave it out.")
    if background:
        in_background(library, "export", _order(what, out, state, style), as_json)
        return
    with progress_bars() as report, opened(library) as held:
        if out is None:
            from lightfast.cli.text.library_export import sidecar_lines
            from lightfast.library.sidecars import write_library_sidecars

            written = write_library_sidecars(held, style, report=report)
            result, lines = written, sidecar_lines(written)
        elif decisions:
            options = run_options(None, seed, device, report, image_size=image_size, root=root)
            result, lines = _decisions(held, out, options, source)
        else:
            result, lines = _table(held, out, what, state)
    print_result(result, as_json, lines)


def _what(manifest: bool, decisions: bool, xmp: bool) -> str:
    """Which of the kinds is wanted."""
    given = {"--manifest": manifest, "--decisions": decisions, "--xmp": xmp}
    kinds = [name for name, wanted in given.items() if wanted]
    if len(kinds) > 1:
        raise SettingsError("`export`", expected="one kind at a time", got=" and ".join(kinds))
    return kinds[0].removeprefix("--") if kinds else "tags"


def _decisions(
    library: Library, out: Path, options: RunOptions, source: str | None
) -> tuple[object, list[str]]:
    from lightfast.runs.library.decisions import export_decisions

    log = export_decisions(library, out, options, source)
    said = f"written    {log.out}: {log.decisions:,} decisions about {log.pictures:,} pictures"
    return log, [said, *log.notes]


def _table(library: Library, out: Path, what: str, states: list[str] | None) -> tuple[object, list[str]]:
    from lightfast.library.export_tags import TAG_STATES, export_labels, export_tags

    wanted = states or TAG_STATES
    table = export_labels(library, out) if what == "manifest" else export_tags(library, out, wanted)
    said = f"written    {table.out}: {table.rows:,} rows of {table.pictures:,} pictures"
    return table, [said, *table.notes]


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
