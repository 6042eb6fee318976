"""`lightfast library embed` and `search`: features of pictures; what is found by tag, likeness, word."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lightfast.cli.groups import library_app
from lightfast.cli.library import Background, LibraryArg, in_background, opened
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import print_result, progress_bars, run_options


@library_app.command("embed", epilog="Example: lightfast library embed archive/")
def library_embed(
    library: LibraryArg,
    run: Annotated[
        str | None,
        Option(
            "--run",
            metavar="RUN",
            show_default=False,
            help="A run folder whose network makes the features, or a folder with image.onnx, text.onnx and "
            "tokenizer.json (a pair as CLIP); without it a published backbone.",
        ),
    ] = None,
    background: Background = False,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Compute the features of every new picture, for likeness and words.

    What is there is not computed again: a stopped job goes on where it was.
    """
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.library_search import embed_lines
    from lightfast.runs.library.features import embed_library

    if background:
        place = run if run is None or not Path(run).exists() else str(Path(run).absolute())
        in_background(library, "embed", {"run": place, "device": device}, as_json)
        return
    with progress_bars() as report, opened(library) as held:
        result = embed_library(held, run_options(None, seed, device, report), run)
    print_result(plain(result), as_json, embed_lines(result))


@library_app.command(
    "search", epilog="Example: lightfast library search archive/ 'sky AND NOT (person OR car>=0.8)'"
)
def library_search(
    library: LibraryArg,
    query: Annotated[
        str,
        Argument(
            metavar="[QUERY]",
            show_default=False,
            help="Labels and fields with AND, OR, NOT: sky>=0.8, sky:confirmed, taken:2019..2021, added:, "
            "by:, state:, name:, source:, is:, id:. Without it every picture.",
        ),
    ] = "",
    like: Annotated[
        list[str] | None,
        Option(
            "--like",
            metavar="FILE|ID",
            show_default=False,
            help="Pictures like this file or this number of a picture; may be given several times.",
        ),
    ] = None,
    unlike: Annotated[
        list[str] | None,
        Option("--unlike", metavar="FILE|ID", show_default=False, help="… but not like this one."),
    ] = None,
    text: Annotated[
        str | None,
        Option(
            "--text",
            metavar="WORDS",
            show_default=False,
            help="What is to be seen, without any label; may answer that nothing is.",
        ),
    ] = None,
    sure: Annotated[
        float,
        Option(
            "--sure",
            metavar="P",
            help="With --text: show what fits better than the best picture of this share of random words.",
        ),
    ] = 0.95,
    client: Annotated[
        str,
        Option(
            "--client",
            metavar="NAME",
            show_default=False,
            help="In this client's words, and only what its users may see.",
        ),
    ] = "",
    source: Annotated[
        str | None,
        Option("--features", metavar="SOURCE", show_default=False, help="Whose features are compared."),
    ] = None,
    limit: Annotated[int, Option("--limit", metavar="N", help="Pictures a page, at most 1000.")] = 20,
    cursor: Annotated[
        str | None,
        Option("--cursor", metavar="TEXT", show_default=False, help="The next page, as the last one said."),
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Find pictures by tag, name, date and people; by likeness; by words."""
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.library_search import hit_lines
    from lightfast.runs.library.search import LibrarySearchOptions, search_library

    wanted = LibrarySearchOptions(
        query, tuple(like or ()), tuple(unlike or ()), text, client, limit, cursor, source, sure
    )
    with progress_bars() as report, opened(library) as held:
        page = search_library(held, wanted, run_options(None, seed, device, report))
    print_result(plain(page), as_json, hit_lines(page))
