"""The verbs on run folders: demo, train, predict, evaluate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from typer import Argument, Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import app
from lightfast.cli.parameters import (
    AsJson,
    AutoModel,
    ClusterAddress,
    Damaged,
    DataArg,
    Device,
    LabelSeparator,
    NearDuplicatesChoice,
    Resume,
    Root,
    RunArg,
    Seed,
    SetOption,
    Size,
)
from lightfast.cli.strokes import train_on_strokes
from lightfast.cli.terminal import on_cluster, parse_seconds, print_result, progress_bars, run_options
from lightfast.models.stroke_files import STROKES

if TYPE_CHECKING:
    from lightfast.cluster.connect import Machines
    from lightfast.evaluate.review import ReviewRule
    from lightfast.runs.options import RunOptions

OutputFormat = Literal["table", "json", "jsonl", "csv", "parquet"]


@app.command(epilog="Example: lightfast demo --quick --out runs/demo")
def demo(
    out: Annotated[
        Path, Option("--out", metavar="RUN", help="Run folder; an earlier demo there is replaced.")
    ] = Path("runs/demo"),
    quick: Annotated[bool, Option("--quick", help="A smaller training: a minute at most.")] = False,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """The whole job on real digits, ending with a report to open.

    Trains on clean digits, damages others, detects the damage, restores, reads again. Nothing is downloaded.
    """
    from lightfast.cli.text.runs import demo_lines
    from lightfast.runs.demo import demo_run

    with progress_bars() as report:
        result = demo_run(run_options(out, seed, device, report), quick=quick)
    print_result(result, as_json, demo_lines(result))


@app.command(epilog="Example: lightfast train photos/ --out runs/photos --budget 5m")
def train(
    data: DataArg,
    out: Annotated[Path, Option("--out", metavar="RUN", help="Run folder to write.")],
    model: AutoModel = "auto",
    settings: SetOption = None,
    budget: Annotated[
        str | None,
        Option("--budget", metavar="TIME", help="Time that --model auto may take: 90s, 5m, 1h. Default: 5m."),
    ] = None,
    taxonomy: Annotated[
        Path | None,
        Option("--taxonomy", metavar="FILE", help="The tree of the labels (YAML): docs/taxonomy.md."),
    ] = None,
    precision: Annotated[
        float | None,
        Option(
            "--precision",
            min=0.01,
            max=1,
            metavar="P",
            help="Several labels a picture: the precision "
            "that each label's threshold is to reach, e.g. 0.9. Default: the best F1.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        Option(
            "--out-of-fold",
            min=2,
            metavar="K",
            help="Also cross-validate with K folds and keep what models "
            "that never saw them say of the training pictures.",
        ),
    ] = None,
    image_size: Size = None,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    near_duplicates: NearDuplicatesChoice = "group",
    resume: Resume = False,
    cluster: ClusterAddress = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a classifier on DATA and write a run folder.

    Photographs are learned on a pretrained network, in the way that reads validation pictures best within the
    budget. What is kept is calibrated; the test pictures are scored once, at the end.
    """
    from lightfast.cli.settings_option import parse_settings
    from lightfast.cli.text.runs import train_lines
    from lightfast.data.taxonomy.taxonomy import load_taxonomy
    from lightfast.runs.fit import TrainOptions
    from lightfast.runs.train import train_run

    if model == STROKES:
        given = (budget, taxonomy, precision, folds, image_size, root, label_separator, cluster)
        options = run_options(out, seed, device, resume=resume, near_duplicates=near_duplicates)
        train_on_strokes(data, settings, options, given, as_json=as_json)
        return
    with progress_bars() as report, on_cluster(cluster) as machines:
        recipe, config = parse_settings(settings or [], model)
        if budget is not None and model != "auto":
            raise SettingsError(
                f"--budget is for --model auto, not for {model}", cure="Leave one of them out."
            )
        train_options = TrainOptions(
            folds,
            parse_seconds("--budget", budget or "5m"),
            load_taxonomy(taxonomy) if taxonomy else None,
            precision,
        )
        options = run_options(
            out,
            seed,
            device,
            report,
            resume=resume,
            image_size=image_size,
            damaged=damaged,
            root=root,
            label_separator=label_separator,
            near_duplicates=near_duplicates,
            cluster=machines,
        )
        if machines is not None:
            options = replace(options, fit=machines.fitting())
        result = train_run(
            data, options, model=model, recipe=recipe, config=config, train_options=train_options
        )
    print_result(result, as_json, train_lines(result))


@app.command(epilog="Example: lightfast predict runs/photos photos/ --top 3 --out tags.csv")
def predict(
    run: Annotated[
        str,
        Argument(
            metavar="RUN", help="A run folder that `train` wrote, an .onnx that `export` wrote, or hf-hub:ID."
        ),
    ],
    paths: Annotated[
        list[str],
        Argument(metavar="PATH...", help="Picture files, folders, tables, archives, addresses, .npz, names."),
    ],
    top: Annotated[
        int, Option("--top", min=1, metavar="K", help="Guesses a picture, the likeliest first.")
    ] = 1,
    form: Annotated[
        OutputFormat | None,
        Option(
            "--format",
            metavar="table|json|jsonl|csv|parquet",
            help="How to write; parquet and jsonl need "
            "--out. Default: a table, or what the ending of FILE says.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        Option(
            "--out",
            metavar="FILE",
            help="Write there instead of to stdout; csv, jsonl and parquet are "
            "written as the pictures are read.",
        ),
    ] = None,
    objects: Annotated[
        bool,
        Option(
            "--objects",
            help="Several things in a picture: look at likely places too and say where what is. "
            "--out is then a folder.",
        ),
    ] = False,
    client: Annotated[
        str | None,
        Option(
            "--client",
            metavar="NAME",
            help="Give the labels the names that the run's taxonomy keeps for this client.",
        ),
    ] = None,
    taxonomy_of: Annotated[
        str | None,
        Option(
            "--taxonomy-of",
            metavar="CLIENT",
            help="RUN is then a YAML file, client: run, and the run of this client reads.",
        ),
    ] = None,
    review_below: Annotated[
        str | None,
        Option(
            "--review-below",
            metavar="precision=P|gap=X",
            help="Mark the pictures that a person should look at, and with --out FILE queue them in "
            "FILE.queue.csv: those below the confidence that proves precision P on the run's validation "
            "pictures, or whose two highest probabilities differ by less than X.",
        ),
    ] = None,
    every_stroke: Annotated[
        bool,
        Option(
            "--every-stroke",
            help="Of drawings given as strokes (.ndjson): one row after every stroke, not one a drawing.",
        ),
    ] = False,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    cluster: ClusterAddress = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Predict pictures, one row a picture.

    Files that cannot be read are named on stderr and counted, never guessed. The network runs in ONNX Runtime
    on the CPU.
    """
    from lightfast.base.plain import as_json as plain

    wanted, rule = output_format(form, out), review_rule(review_below, objects=objects)
    run = _reading_run(run, taxonomy_of)
    _require_alone(objects, cluster)
    with progress_bars() as report, on_cluster(cluster) as machines:
        run_options(out, seed, device).require_out(folder=objects)
        if objects:
            from lightfast.cli.text.runs import objects_lines
            from lightfast.runs.objects import objects_run

            objects_found = objects_run(
                run,
                paths,
                run_options(
                    out, seed, device, report, damaged=damaged, root=root, label_separator=label_separator
                ),
            )
            result, lines = plain(objects_found), objects_lines(objects_found)
        else:
            from lightfast.runs.predict.predict import tag_run
            from lightfast.runs.predict.review import queue_beside
            from lightfast.tagging.rows import RowOptions, rows_text, save_rows

            streamed = out is not None and wanted in ("csv", "jsonl", "parquet")
            kept = wanted if streamed else None
            row_options = RowOptions(kept, top, client, rule, queue_beside(out, rule), every_stroke)
            options = run_options(
                out if streamed else None,
                seed,
                device,
                report,
                damaged=damaged,
                root=root,
                label_separator=label_separator,
                cluster=machines,
            )
            with _reading_on(machines, options) as options:
                result = tag_run(run, paths, options, row_options=row_options)
            if out is not None and not streamed:
                save_rows(out, plain(result), wanted)
            lines = [
                f"{result.n:,} pictures read: {out}" if out else rows_text(result.predictions or (), wanted)
            ]
    print_result(result, as_json or (wanted == "json" and out is None), lines)


def _require_alone(objects: bool, cluster: str | None) -> None:
    if objects and cluster is not None:
        raise SettingsError("`objects` are looked for on this machine alone", cure="Leave out `cluster`.")


def _reading_run(run: str, client: str | None) -> str:
    """`run`, or of the file of runs that it names the client's."""
    if client is None:
        return run
    from lightfast.runs.client_runs import run_of_client

    return run_of_client(run, client)


@contextmanager
def _reading_on(machines: Machines | None, options: RunOptions) -> Iterator[RunOptions]:
    """Blocks that machines have read are kept beside the file that they end in, until that stands."""
    if machines is None or options.out is None:
        yield options
        return
    tagging = machines.tagging(options.out.with_name(f"{options.out.name}.blocks"))
    yield replace(options, tag_files=tagging)
    tagging.clear()


def review_rule(text: str | None, *, objects: bool) -> ReviewRule | None:
    """The rule of --review-below; it does not go with several labels a picture."""
    if text is None:
        return None
    from lightfast.evaluate.review import ReviewRule

    if objects:
        raise SettingsError(
            "--review-below is for one label a picture, --objects finds several",
            cure="Leave one of them out.",
        )
    return ReviewRule.from_text(text)


def output_format(form: OutputFormat | None, out: Path | None) -> str:
    """How predictions are written: as asked, else by the ending of the file, else as a table."""
    if form in ("parquet", "jsonl") and out is None:
        raise SettingsError(f"--format {form} cannot go to the terminal", cure=f"Add --out FILE.{form}.")
    ending = out.suffix.lower().lstrip(".") if out is not None else ""
    if form is None and ending not in (*get_args(OutputFormat), "txt", ""):
        raise SettingsError(
            f"--out {out}",
            expected="a file ending in .csv, .json, .jsonl, .parquet or .txt",
            cure="Or say the --format.",
        )
    return form or (ending if ending in get_args(OutputFormat) else "table")


@app.command(epilog="Example: lightfast evaluate runs/digits mnist-5k --corruptions mnist-c --limit 500")
def evaluate(
    run: RunArg,
    data: DataArg,
    suite: Annotated[
        str | None,
        Option(
            "--corruptions",
            metavar="SUITE",
            help="Also under every corruption of a suite: mnist-c, imagenet-c, cifar10-c, all …",
        ),
    ] = None,
    severity: Annotated[
        list[int] | None,
        Option(
            "--severity",
            min=1,
            max=5,
            metavar="1..5",
            help="With --corruptions: this severity in place of the suite's own; may be repeated.",
        ),
    ] = None,
    limit: Annotated[
        int | None, Option("--limit", min=1, metavar="N", help="With --corruptions: damage N pictures only.")
    ] = None,
    out: Annotated[
        Path | None, Option("--out", metavar="FOLDER", help="Write metrics, predictions and a report there.")
    ] = None,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Score a run on labelled pictures, clean and under damage.

    Every figure has its 95 % interval and its n; pictures that the run was trained on are left out.
    """
    from lightfast.cli.text.runs import evaluate_lines
    from lightfast.runs.evaluate import evaluate_run

    with progress_bars() as report:
        result = evaluate_run(
            run,
            data,
            run_options(
                out, seed, device, report, damaged=damaged, root=root, label_separator=label_separator
            ),
            suite=suite,
            severities=severity,
            limit=limit,
        )
    print_result(result, as_json, evaluate_lines(result, out))
