"""`lightfast library`: pictures, tags and decisions that stay."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import library_app
from lightfast.cli.parameters import AsJson, ClusterAddress, Device, Seed
from lightfast.cli.terminal import on_cluster, print_result, progress_bars, run_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from lightfast.library.library import Library

LibraryArg = Annotated[
    Path, Argument(metavar="LIBRARY", help="The folder of the library, made by `library init`.")
]
Background = Annotated[
    bool, Option("--background", help="Order it as a job, which `library work` or a server does.")
]


@contextmanager
def opened(folder: Path) -> Iterator[Library]:
    """The library in `folder`, closed at the end."""
    from lightfast.library.library import open_library

    library = open_library(folder)
    try:
        yield library
    finally:
        library.close()


def number_of_user(connection: Connection) -> int:
    """The number of whoever types, called as this machine calls its user: what is done here is noted as
    theirs, in the transaction of `connection`.
    """
    from lightfast.library.people.users import user_number
    from lightfast.serve.settings import login_name

    return user_number(connection, login_name())


def in_background(folder: Path, kind: str, arguments: dict[str, Any], as_json: bool) -> None:
    """Order a job and say its id."""
    from lightfast.library.jobs import job
    from lightfast.runs.library.worker import start_jobs

    with opened(folder) as held:
        engine = start_jobs(held, work=False)
        try:
            number = engine.submit(kind, arguments, held.store.act(number_of_user))
        finally:
            engine.close()
        with held.store.read() as connection:
            found = job(connection, number)
    lines = [f"job        {number} ({kind})", f"follow     lightfast library jobs {folder} --follow {number}"]
    print_result(found, as_json, [*lines, f"work       lightfast library work {folder}"])


def _absolute(place: str) -> str:
    """A path of this machine as any worker finds it; an address as it is."""
    return str(Path(place).absolute()) if Path(place).exists() else place


@library_app.command("init", epilog="Example: lightfast library init archive/")
def library_init(
    library: Annotated[
        Path, Argument(metavar="LIBRARY", help="A new folder, or a library of an older version.")
    ],
    database: Annotated[
        str | None,
        Option(
            "--database",
            metavar="URL",
            help="A PostgreSQL database (postgresql://user@host/name). Default: one SQLite file in LIBRARY.",
        ),
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Make a library, or bring the tables of an older one up to date."""
    from lightfast.library.library import create_library

    made = create_library(library, database)
    made.close()
    result = {"folder": str(made.folder), "database": made.store.name}
    lines = [f"library    {made.folder}", f"next       lightfast library add {library} PICTURES..."]
    print_result(result, as_json, lines)


@library_app.command("add", epilog="Example: lightfast library add archive/ photos/ more.zip")
def library_add(
    library: LibraryArg,
    sources: Annotated[
        list[str],
        Argument(metavar="PATH...", help="Picture files, folders, tables of pictures, archives, addresses."),
    ],
    keep: Annotated[
        bool, Option("--keep", help="Copy the files into LIBRARY instead of leaving them where they are.")
    ] = False,
    background: Background = False,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Add pictures. What is there already is not opened again: a stopped job goes on where it was."""
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.library import add_lines
    from lightfast.library.add import add_pictures

    if background:
        arguments = {"sources": [_absolute(one) for one in sources], "keep": keep}
        in_background(library, "add", arguments, as_json)
        return
    with progress_bars() as report, opened(library) as held:
        result = add_pictures(held, sources, keep=keep, report=report)
    print_result(plain(result), as_json, add_lines(result))


@library_app.command(
    "tag", epilog="Example: lightfast library tag archive/ runs/scenes --accept precision=0.99"
)
def library_tag(
    library: LibraryArg,
    run: Annotated[
        str | None,
        Argument(
            metavar="RUN",
            show_default=False,
            help="A run folder, an exported .onnx or hf-hub:ID; without it the library's promoted model.",
        ),
    ] = None,
    accept: Annotated[
        str | None,
        Option(
            "--accept",
            metavar="precision=P|gap=X",
            help="Which tags need no person: those with the confidence that proves precision P on the run's "
            "validation pictures, or whose two highest probabilities differ by X. The rest is queued.",
        ),
    ] = None,
    background: Background = False,
    cluster: ClusterAddress = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Let a model see every picture that it has not seen.

    Sure tags are accepted by the rule, the others wait for a person. What people decided stays.
    """
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.library import tag_lines
    from lightfast.evaluate.review import ReviewRule
    from lightfast.runs.library.tag import promoted_run, tag_library

    rule = None if accept is None else ReviewRule.from_text(accept)
    if background and cluster is not None:
        raise SettingsError(
            "`cluster` is for a command that works itself, and `background` only orders",
            cure="Leave one out.",
        )
    if background:
        arguments = {"run": run and _absolute(run), "accept": accept, "device": device}
        in_background(library, "tag", arguments, as_json)
        return
    with progress_bars() as report, opened(library) as held, on_cluster(cluster) as machines:
        options = run_options(None, seed, device, report, cluster=machines)
        by = held.store.act(number_of_user)
        result = tag_library(held, run or promoted_run(held), options, rule, by=by)
    print_result(plain(result), as_json, tag_lines(result))


@library_app.command("show", epilog="Example: lightfast library show archive/")
def library_show(
    library: LibraryArg, as_json: AsJson = False, seed: Seed = 0, device: Device = "auto"
) -> None:
    """Say what the library holds: pictures, labels, what waits for a person."""
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.library import summary_lines
    from lightfast.library.summary import summarise

    with opened(library) as held:
        result = summarise(held)
    print_result(plain(result), as_json, summary_lines(result))
