"""`lightfast study`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, ClusterAddress, Device, ScaleChoice, Seed
from lightfast.cli.terminal import executor_of, on_cluster, print_result, progress_bars


@app.command(epilog="Example: lightfast study mnist-c --scale quick")
def study(
    name: Annotated[
        str, Argument(metavar="NAME", help="mnist-c, svhn, emnist, quickdraw, assets or perturbations.")
    ],
    scale: Annotated[
        ScaleChoice,
        Option(
            "--scale",
            metavar="quick|cpu|paper",
            help="quick: minutes; paper: the figures to quote; cpu: those of perturbations without a GPU.",
        ),
    ] = "quick",
    out: Annotated[
        Path | None, Option("--out", metavar="FOLDER", help="Default: runs/study-NAME-SCALE.")
    ] = None,
    reader: Annotated[
        str | None,
        Option(
            "--reader",
            metavar="RUN",
            help="mnist-c: who reads the breakouts, a run folder, hf-hub:ID or hf-hub:FOLDER (the paper: "
            "hf-hub:farleyknight-org-username/vit-base-mnist). Default: the study's CNN.",
        ),
    ] = None,
    fetch_weights: Annotated[
        bool,
        Option("--fetch-weights", help="assets: also the paper's three networks; fetches their weights."),
    ] = False,
    cluster: ClusterAddress = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Run a published study: its figures beside ours.

    Writes a report into --out. Trained parts are kept there: a study that was stopped goes on where it was.
    """
    from lightfast.base.plain import as_json as plain
    from lightfast.report.tables import text_table
    from lightfast.studies.page import write_study_page
    from lightfast.studies.registry import StudyOptions
    from lightfast.studies.run import run_study

    folder = out or Path("runs") / f"study-{name}-{scale}"
    with progress_bars() as report, on_cluster(cluster) as machines:
        options = StudyOptions(
            folder if machines is None else folder.absolute(),
            scale,
            seed,
            device,
            report,
            executor=executor_of(machines),
            reader=reader,
            fetch_weights=fetch_weights,
        )
        result = run_study(name, options)
        page = write_study_page(folder / "report.html", result)
    lines = [result.title, "", *map(text_table, result.tables), f"report     {page}"]
    print_result({**plain(result), "report": str(page)}, as_json, lines)
