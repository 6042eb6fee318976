"""`lightfast map`: pictures on a map, in clusters that can be labelled at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, Damaged, DataArg, Device, LabelSeparator, Limit, Root, Seed, Size
from lightfast.cli.terminal import print_result, progress_bars, run_options


@app.command("map", epilog="Example: lightfast map photos/ --out runs/map")
def map_(
    data: DataArg,
    out: Annotated[Path, Option("--out", metavar="FOLDER", help="The folder to write.")],
    run: Annotated[
        str | None,
        Option(
            "--run",
            metavar="RUN",
            help="Whose features. Default: a published backbone's, without any training.",
        ),
    ] = None,
    method: Annotated[
        Literal["tsne", "pca"],
        Option(
            "--method",
            metavar="tsne|pca",
            help="How the map is laid out; clusters are found in all dimensions.",
        ),
    ] = "tsne",
    clusters: Annotated[
        int | None,
        Option(
            "--clusters",
            min=1,
            metavar="N",
            help="How many. Default: 6 a class, or 2 √pictures without labels.",
        ),
    ] = None,
    unlabelled: Annotated[
        bool, Option("--unlabelled", help="Read a folder of pictures without labels.")
    ] = False,
    limit: Limit = None,
    image_size: Size = None,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Lay pictures out on a map, in clusters to label at once.

    Writes the features, the map, the clusters and a page to pan, zoom and lasso. It says how far the map may
    be trusted, and how alike each cluster is, before anybody has labelled it.
    """
    from lightfast.cli.text.map import map_lines
    from lightfast.runs.map import MapOptions, map_run

    with progress_bars() as report:
        options = run_options(
            out,
            seed,
            device,
            report,
            image_size=image_size,
            damaged=damaged,
            root=root,
            label_separator=label_separator,
        )
        result = map_run(data, options, MapOptions(method, clusters, not unlabelled, limit), run)
    print_result(result, as_json, map_lines(result))
