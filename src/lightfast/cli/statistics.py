"""The verbs that judge models: crossval, compare, sweep, human."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import (
    AsJson,
    ClusterAddress,
    Damaged,
    DataArg,
    Device,
    Jobs,
    LabelSeparator,
    Model,
    NearDuplicatesChoice,
    Root,
    Seed,
    SetOption,
    Size,
)
from lightfast.cli.terminal import on_cluster, parse_numbers, print_result, progress_bars, run_options

_Over = Literal["train_size", "classes", "imbalance"]


@app.command(epilog="Example: lightfast crossval mnist-5k --model mlp --folds 5 --out runs/digits-crossval")
def crossval(
    data: DataArg,
    model: Model = "cnn",
    folds: Annotated[
        int,
        Option("--folds", min=2, metavar="K", help="Parts; each is read by a model fitted on the others."),
    ] = 5,
    repeats: Annotated[
        int, Option("--repeats", min=1, metavar="R", help="Split the pictures into folds anew R times.")
    ] = 1,
    out: Annotated[
        Path | None, Option("--out", metavar="FOLDER", help="Default: runs/crossval-MODEL.")
    ] = None,
    settings: SetOption = None,
    jobs: Jobs = None,
    image_size: Size = None,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    near_duplicates: NearDuplicatesChoice = "group",
    cluster: ClusterAddress = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Cross-validate a model: predictions of pictures it never saw.

    Folds are stratified and keep exact and near duplicates together. Writes out-of-fold probabilities; the
    same command goes on where it was.
    """
    from lightfast.cli.settings_option import parse_plan
    from lightfast.cli.text.statistics import crossval_lines
    from lightfast.experiments.crossval import FoldOptions
    from lightfast.runs.crossval import crossval_run

    with progress_bars() as report, on_cluster(cluster) as machines:
        folder = out or Path("runs") / f"crossval-{model.replace(':', '-').replace('/', '-')}"
        opened = run_options(
            folder,
            seed,
            device,
            report,
            image_size=image_size,
            damaged=damaged,
            root=root,
            label_separator=label_separator,
            near_duplicates=near_duplicates,
            cluster=machines,
        )
        result = crossval_run(
            data,
            opened,
            plan=parse_plan(settings or [], model),
            fold_options=FoldOptions(folds, repeats, jobs),
        )
    print_result(result, as_json, [*crossval_lines(result), f"report     {folder / 'report.html'}"])


@app.command(epilog="Example: lightfast compare runs/cnn runs/forest mnist-5k --out runs/cnn-or-forest")
def compare(
    words: Annotated[
        list[str],
        Argument(
            metavar="RUN RUN... DATA",
            help="Two or more runs (folders, hf-hub:ID, or prediction files), then "
            "the labelled pictures that all of them read.",
        ),
    ],
    out: Annotated[
        Path | None, Option("--out", metavar="FOLDER", help="Write metrics, predictions and a report there.")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Say which of several models is better, by paired tests.

    Paired tests on the same pictures with Holm's correction, intervals for F1 and AUC,
    and what each model costs.
    """
    from lightfast.cli.text.statistics import compare_lines
    from lightfast.runs.compare import compare_run

    runs, data = split_words(words)
    with progress_bars() as report:
        result = compare_run(runs, data, run_options(out, seed, device, report))
    print_result(
        result, as_json, [*compare_lines(result), *([f"report     {out / 'report.html'}"] if out else [])]
    )


@app.command(epilog="Example: lightfast sweep mnist-5k --over train_size --target 0.98 --model mlp")
def sweep(
    data: DataArg,
    over: Annotated[_Over, Option("--over", metavar="train_size|classes|imbalance", help="What is varied.")],
    model: Model = "cnn",
    values: Annotated[
        str | None,
        Option(
            "--values",
            metavar="A,B,C",
            help="Pictures in all, numbers of classes, or N of ratios 1:N. "
            "Default: a series that fits the data.",
        ),
    ] = None,
    rows: Annotated[
        str | None, Option("--rows", metavar="A,B", help="Over classes: training pictures a class.")
    ] = None,
    repeats: Annotated[
        int, Option("--repeats", min=1, metavar="R", help="Draws of pictures and weights at every level.")
    ] = 3,
    minority: Annotated[
        str | None,
        Option("--minority", metavar="CLASS", help="Over imbalance: the class made rare. Default: the last."),
    ] = None,
    target: Annotated[
        float, Option("--target", metavar="SHARE", help="Over train_size: the accuracy to be reached.")
    ] = 0.95,
    seconds: Annotated[
        float, Option("--seconds-per-label", metavar="S", help="A person's time for one picture.")
    ] = 3.0,
    out: Annotated[Path | None, Option("--out", metavar="FOLDER", help="Default: runs/sweep-OVER.")] = None,
    settings: SetOption = None,
    jobs: Jobs = None,
    image_size: Size = None,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    near_duplicates: NearDuplicatesChoice = "group",
    cluster: ClusterAddress = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure a model with fewer pictures, fewer or rarer classes.

    Intervals, a regression, and how many more pictures a target takes. Killed, the same command goes on where
    it was.
    """
    from lightfast.cli.settings_option import parse_plan
    from lightfast.cli.text.statistics import sweep_lines
    from lightfast.experiments.sweep_plan import SweepOptions
    from lightfast.runs.sweep import sweep_run

    sweep_options = SweepOptions(
        over,
        parse_numbers("--values", values),
        [round(one) for one in parse_numbers("--rows", rows)],
        repeats,
        minority,
        target,
        seconds,
        jobs,
    )
    folder = out or Path("runs") / f"sweep-{over}"
    with progress_bars() as report, on_cluster(cluster) as machines:
        opened = run_options(
            folder,
            seed,
            device,
            report,
            image_size=image_size,
            damaged=damaged,
            root=root,
            label_separator=label_separator,
            near_duplicates=near_duplicates,
            cluster=machines,
        )
        result = sweep_run(data, opened, plan=parse_plan(settings or [], model), sweep_options=sweep_options)
    print_result(result, as_json, [*sweep_lines(result), f"report     {folder / 'report.html'}"])


@app.command(
    epilog="Example: lightfast human mnist-5k --person Ada, and once people have answered: lightfast human "
    "mnist-5k"
)
def human(
    data: DataArg,
    person: Annotated[
        str | None,
        Option("--person", metavar="NAME", help="Ask this person; without it, score what all have answered."),
    ] = None,
    n: Annotated[
        int, Option("--n", min=1, metavar="N", help="Pictures of the sample, the same for everybody.")
    ] = 100,
    run: Annotated[
        str | None, Option("--run", metavar="RUN", help="A run to pair with the people on the same pictures.")
    ] = None,
    out: Annotated[
        Path | None,
        Option("--out", metavar="FOLDER", help="Keeps the answers. Default: RUN/human, or runs/human-DATA."),
    ] = None,
    near_duplicates: NearDuplicatesChoice = "group",
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Test people, blinded, on the test pictures of a model.

    Nobody sees a label or a file name. Answers are only ever added;
    a test that was stopped goes on where it was.
    """
    from lightfast.cli.human_terminal import human_terminal
    from lightfast.cli.text.human import human_lines
    from lightfast.runs.human import human_results

    if person is not None:
        # Progress bars would run through the questions.
        result = human_terminal(
            data, run_options(out, seed, device, near_duplicates=near_duplicates), person=person, n=n, run=run
        )
    else:
        with progress_bars() as report:
            options = run_options(out, seed, device, report, near_duplicates=near_duplicates)
            result = human_results(data, options, run=run)
    print_result(result, as_json, human_lines(result))


def split_words(words: Sequence[str]) -> tuple[list[str], str]:
    """(runs, DATA) of `compare RUN RUN... DATA`: the last word is DATA, unless all are prediction files."""
    files_only = all(word.endswith(".parquet") for word in words)
    return (list(words), "") if files_only else (list(words[:-1]), words[-1])
