"""`lightfast data`: list, fetch, check."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from lightfast.cli.groups import data_app
from lightfast.cli.parameters import AsJson, Damaged, DataArg, Device, LabelSeparator, Root, Seed
from lightfast.cli.terminal import print_result, progress_bars


@data_app.command("list", epilog="Example: lightfast data list")
def data_list(as_json: AsJson = False, seed: Seed = 0, device: Device = "auto") -> None:
    """List the data sets that can be named as DATA.

    And whether they are here; the environment variable LIGHTFAST_DATA names the folder that keeps them.
    """
    from lightfast.cli.text.lists import data_set_lines, data_sets

    result = data_sets()
    print_result(result, as_json, data_set_lines(result))


@data_app.command(
    "fetch", epilog="Example: lightfast data fetch svhn (an interrupted download goes on where it was)"
)
def data_fetch(
    name: Annotated[
        str, Argument(metavar="NAME", help="A name of `data list`, or quickdraw:CATEGORY,CATEGORY.")
    ],
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Download a data set from its official address.

    Its checksum is checked where one is published; it is kept as NAME.npz in the data folder.
    """
    from lightfast.data.catalogue.catalogue import catalogue_entry, fetch, load_dataset

    with progress_bars() as report:
        embedded = catalogue_entry(name).embedded
        path = None if embedded else fetch(name, report=report)
        counts = {part: len(images) for part, images in load_dataset(name, report=report).parts.items()}
    where = "comes with an installed package" if path is None else f"is in {path}"
    lines = [f"{name} {where}: {', '.join(f'{part} {count:,}' for part, count in counts.items())} pictures"]
    print_result({"name": name, "path": path and str(path), "parts": counts}, as_json, lines)


@data_app.command("check", epilog="Example: lightfast data check my-pictures/")
def data_check(
    data: DataArg,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Say what DATA holds and what is wrong with it.

    Unreadable files, uneven classes, exact duplicates, identical pictures with different labels, training
    pictures in the test part.
    """
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.runs import check_lines
    from lightfast.data.check import check
    from lightfast.data.dataset import TableOptions

    with progress_bars() as report:
        found = check(data, damaged=damaged, tables=TableOptions(root, label_separator), report=report)
    print_result(plain(found), as_json, check_lines(found))
