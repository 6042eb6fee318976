"""`lightfast corrupt`, `repair`: pictures damaged on purpose, and damaged ones repaired."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import app
from lightfast.cli.parameters import (
    AsJson,
    Damaged,
    DataArg,
    Device,
    LabelSeparator,
    Limit,
    PartChoice,
    Resume,
    Root,
    RunArg,
    Seed,
    Size,
)
from lightfast.cli.terminal import parse_seconds, print_result, progress_bars, run_options


@app.command(
    epilog="Example: lightfast corrupt mnist-5k --name fog --severity 3 --out foggy.npz. All names: "
    "lightfast corrupt --list"
)
def corrupt(
    data: Annotated[
        str | None, Argument(metavar="DATA", show_default=False, help="What to damage, as for `train`.")
    ] = None,
    name: Annotated[str | None, Option("--name", metavar="NAME", help="One corruption.")] = None,
    suite: Annotated[
        str | None, Option("--suite", metavar="SUITE", help="All of a suite, into OUT/NAME-SEVERITY.")
    ] = None,
    severity: Annotated[
        int | None,
        Option(
            "--severity",
            min=1,
            max=5,
            metavar="1..5",
            help="1 mild, 5 strong. Default: 3, or the suite's own.",
        ),
    ] = None,
    out: Annotated[
        Path | None, Option("--out", metavar="FOLDER", help="A new folder of class folders, or NAME.npz.")
    ] = None,
    part: Annotated[
        PartChoice, Option("--part", metavar="all|train|val|test", help="Only this official part.")
    ] = "all",
    listing: Annotated[bool, Option("--list", help="List corruptions and suites.")] = False,
    limit: Limit = None,
    image_size: Size = None,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Damage pictures by a named corruption, or by a suite.

    Writes class folders or an .npz; labels stay, the same seed gives the same bytes.
    """
    from lightfast.cli.text.lists import corruption_lines, corruptions
    from lightfast.runs.corrupt import corrupt_run, jobs_of

    if listing:
        print_result(corruptions(), as_json, corruption_lines())
        return
    if data is None:
        raise SettingsError(
            "corrupt needs pictures", cure="lightfast corrupt DATA --name fog --severity 3 --out FOLDER"
        )
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
        result = corrupt_run(
            data, jobs_of(name, severity, suite), options, many=suite is not None, part=part, limit=limit
        )
    lines = [f"{one.n:,} pictures, {one.corruption} {one.severity}: {one.path}" for one in result.written]
    print_result(result, as_json, lines)


@app.command(epilog="Example: lightfast repair runs/digits scans/ --suite mnist-c")
def repair(
    run: RunArg,
    data: DataArg,
    suite: Annotated[
        str | None,
        Option(
            "--suite",
            metavar="SUITE",
            help="Damages that detector and restorer learn. Default: those of "
            "the kit that RUN has, else mnist-c.",
        ),
    ] = None,
    restorer: Annotated[
        str | None,
        Option(
            "--restorer",
            metavar="NAME",
            help="aligned-unet (ours, puts the picture straight first), unet (ours, without that) or "
            "autoencoder (the damaged-digits paper's), sparse-autoencoder, contractive-autoencoder or "
            "stacked-autoencoder (50 epochs each). Default: that of the kit that RUN has, "
            "else aligned-unet where SUITE moves or turns pictures, else unet.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        Option(
            "--budget",
            metavar="TIME",
            help="Time that training a kit may take: 90s, 10m, 1h. Default: any kit that RUN has, else 10m.",
        ),
    ] = None,
    views: Annotated[
        str | None,
        Option(
            "--views",
            metavar="one|shift|auto",
            help="What re-readings are averaged over: the picture, or it moved by a pixel in four directions "
            "as well (five times the work); auto: shift where validation pictures show that it reads more "
            "rightly. Default: as the kit of RUN has it, else one.",
        ),
    ] = None,
    damage: Annotated[
        str | None, Option("--damage", metavar="SUITE", help="Damage DATA first, to see what repair does.")
    ] = None,
    out: Annotated[
        Path | None,
        Option(
            "--out",
            metavar="FOLDER",
            help="Write results there. Default: RUN/repaired; hf-hub:ID needs it, and keeps its detector and "
            "restorer in FOLDER/repair.",
        ),
    ] = None,
    kit_folder: Annotated[
        Path | None,
        Option(
            "--kit",
            metavar="FOLDER",
            help="Of hf-hub:ID: keep detector and restorer in FOLDER/repair and find them there again, "
            "whatever --out is.",
        ),
    ] = None,
    learn_on: Annotated[
        str | None,
        Option(
            "--learn-on",
            metavar="DATA2",
            help="Of hf-hub:ID: labelled pictures that detector and restorer learn on. Default: the train "
            "and val parts of DATA.",
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        Option(
            "--answers",
            metavar="FILE",
            help="A queue.csv in whose column decided_label people have written: applied to the result, kept "
            "in decisions.jsonl.",
        ),
    ] = None,
    reviewer: Annotated[
        str | None,
        Option("--reviewer", metavar="NAME", help="Who gave the --answers, unless the file says it."),
    ] = None,
    resume: Resume = False,
    limit: Limit = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Detect damage, restore the pictures, predict again.

    What is restored and kept is decided without labels; where DATA has labels they only score the predictions
    before and after. Doubtful pictures stand in queue.csv; once people have filled it, --answers takes it up.
    """
    from lightfast.cli.text.repair import repair_lines
    from lightfast.runs.repair.options import RepairOptions
    from lightfast.runs.repair.plan import KitChoice
    from lightfast.runs.repair.repair import repair_run

    with progress_bars() as report:
        result = repair_run(
            run,
            data,
            run_options(out, seed, device, report, resume=resume),
            kit=KitChoice(suite, restorer, parse_seconds("--budget", budget) if budget else None, views),
            repair_options=RepairOptions(damage, limit, kit_folder, learn_on, answers, reviewer),
        )
    print_result(result, as_json, repair_lines(result))
