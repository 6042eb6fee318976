"""`lightfast library backup|restore|delete|undelete`: what is kept, and what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lightfast.cli.groups import library_app
from lightfast.cli.library import LibraryArg, opened
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import print_result, progress_bars

Pictures = Annotated[
    list[str], Argument(metavar="PICTURE...", help="Pictures by number, path, address or hash.")
]


@library_app.command("backup", epilog="Example: lightfast library backup archive/ archive-2026-11.zip")
def library_backup(
    library: LibraryArg,
    file: Annotated[Path, Argument(metavar="FILE", help="A new .zip.")],
    pictures: Annotated[
        bool, Option("--pictures", help="Also the pictures that were copied into the library.")
    ] = False,
    runs: Annotated[bool, Option("--runs/--no-runs", help="Also the library's own models.")] = True,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Write everything the library knows into one file, with checksums.

    Others may go on working meanwhile. Thumbnails and features are left out: they are made again.
    """
    from lightfast.library.backup import backup_library

    with progress_bars() as report, opened(library) as held:
        result = backup_library(held, file, pictures=pictures, runs=runs, report=report)
    said = f"written    {result.out}: {result.rows:,} rows, {result.files:,} files, {result.bytes:,} bytes"
    print_result(result, as_json, [said])


@library_app.command("restore", epilog="Example: lightfast library restore archive-2026-11.zip archive-2/")
def library_restore(
    file: Annotated[Path, Argument(metavar="FILE", help="What `library backup` wrote.")],
    library: Annotated[Path, Argument(metavar="LIBRARY", help="A new or empty folder.")],
    database: Annotated[
        str | None,
        Option("--database", metavar="URL", help="An empty PostgreSQL database. Default: an SQLite file."),
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Make a library out of its backup, on either database.

    The file is checked whole before anything is made; nothing is overwritten.
    """
    from lightfast.library.restore import restore_library

    result = restore_library(file, library, database)
    said = f"restored   {result.folder} ({result.database}): {result.rows:,} rows, {result.files:,} files"
    print_result(result, as_json, [said])


@library_app.command("delete", epilog="Example: lightfast library delete archive/ 12 photos/blurred.jpg")
def library_delete(
    library: LibraryArg, pictures: Pictures, as_json: AsJson = False, seed: Seed = 0, device: Device = "auto"
) -> None:
    """Take pictures out of sight; files, tags and decisions stay, to come back."""
    _move(library, pictures, back=False, as_json=as_json)


@library_app.command("undelete", epilog="Example: lightfast library undelete archive/ 12")
def library_undelete(
    library: LibraryArg, pictures: Pictures, as_json: AsJson = False, seed: Seed = 0, device: Device = "auto"
) -> None:
    """Bring deleted pictures back, with all that was known of them."""
    _move(library, pictures, back=True, as_json=as_json)


def _move(library: Path, pictures: list[str], *, back: bool, as_json: bool) -> None:
    from lightfast.library.remove import delete_assets, undelete_assets

    with opened(library) as held:
        result = (undelete_assets if back else delete_assets)(held.store, pictures)
    word = "back" if back else "deleted"
    lines = [f"{word:<10} {len(result.changed):,} pictures"]
    if result.same:
        lines.append(f"{'as it was':<10} {len(result.same):,} pictures")
    print_result(result, as_json, lines)
