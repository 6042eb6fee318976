"""The verbs on run folders: demo, train, predict, evaluate, corrupt, repair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, DataArg, Device, Format, Limit, Model, Part, Resume, RunArg, Seed, Settings, Size
from lightfast.cli.terminal import run_options, tell, work


@app.command(epilog="Example: lightfast demo --quick --out runs/demo")
def demo(
    out: Annotated[Path, Option("--out", metavar="RUN", help="Run folder; an earlier demo there is replaced.")] = Path("runs/demo"),
    quick: Annotated[bool, Option("--quick", help="A smaller training: a minute at most.")] = False,
    seed: Seed = 0, device: Device = "auto", as_json: AsJson = False,
) -> None:  # fmt: skip
    """The whole job on real digits, ending with a report to open.

    Trains on clean digits, damages others, detects the damage, restores, reads again. Nothing is downloaded.
    """
    from lightfast.runs.demo import demo_run
    from lightfast.runs.lines import demo_lines

    with work() as report:
        result = demo_run(run_options(out, seed, device, report), quick=quick)
    tell(result, as_json, demo_lines(result))


@app.command(epilog="Example: lightfast train mnist-5k --out runs/digits --set epochs=5 --set model.dropout=0.2")
def train(
    data: DataArg, out: Annotated[Path, Option("--out", metavar="RUN", help="Run folder to write.")],
    model: Model = "cnn", settings: Settings = None,
    folds: Annotated[int | None, Option("--out-of-fold", min=2, metavar="K", help="Also cross-validate with K folds and keep what models "
                                        "that never saw them say of the training pictures.")] = None,
    image_size: Size = None, resume: Resume = False, seed: Seed = 0, device: Device = "auto", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Train a classifier on DATA and write a run folder.

    The best epoch on validation pictures is kept and calibrated; the test pictures are scored once, at the end.
    """
    from lightfast.runs.lines import run_lines
    from lightfast.runs.set_option import parse_settings
    from lightfast.runs.train import train_run

    with work() as report:
        recipe, config = parse_settings(settings or [], model)
        options = run_options(out, seed, device, report, resume=resume, image_size=image_size)
        result = train_run(data, options, model=model, recipe=recipe, config=config, folds=folds)
    tell(result, as_json, run_lines(result, out))


@app.command(epilog="Example: lightfast predict runs/digits scans/ --top 3 --format csv --out labels.csv")
def predict(
    run: RunArg, paths: Annotated[list[str], Argument(metavar="PATH...", help="Picture files, folders, .npz files, names.")],
    top: Annotated[int, Option("--top", min=1, metavar="K", help="Guesses a picture, the likeliest first.")] = 1,
    form: Annotated[Format, Option("--format", metavar="table|json|csv|parquet", help="How to write; parquet needs --out.")] = "table",
    out: Annotated[Path | None, Option("--out", metavar="FILE", help="Write there instead of to stdout.")] = None,
    seed: Seed = 0, device: Device = "auto", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Read pictures, one row a picture.

    Files that cannot be read are named on stderr and counted, never guessed.
    """
    from lightfast.runs.evaluate import predict_run
    from lightfast.runs.lines import predictions_json, predictions_text, save_predictions

    if form == "parquet" and out is None:
        raise SettingsError("--format parquet cannot go to the terminal", cure="Add --out FILE.parquet.")
    with work() as report:
        predictions, unreadable = predict_run(run, paths, run_options(None, seed, device, report))
    result = predictions_json(predictions, unreadable, top)
    if out is not None:
        save_predictions(out, predictions, result, top, form)
    text = f"{len(predictions):,} pictures read: {out}" if out else predictions_text(predictions, top, form)
    tell(result, as_json or (form == "json" and out is None), [text])


@app.command(epilog="Example: lightfast evaluate runs/digits mnist-5k --corruptions mnist-c --limit 500")
def evaluate(
    run: RunArg, data: DataArg,
    suite: Annotated[str | None, Option("--corruptions", metavar="SUITE", help="Also under every corruption of a suite: mnist-c, "
                                        "imagenet-c, cifar10-c, all …")] = None,
    severity: Annotated[list[int] | None, Option("--severity", min=1, max=5, metavar="1..5", help="With --corruptions: this severity "
                                                 "in place of the suite's own; may be repeated.")] = None,
    limit: Annotated[int | None, Option("--limit", min=1, metavar="N", help="With --corruptions: damage N pictures only.")] = None,
    out: Annotated[Path | None, Option("--out", metavar="FOLDER", help="Write metrics, predictions and a report there.")] = None,
    seed: Seed = 0, device: Device = "auto", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Score a run on labelled pictures, clean and under damage.

    Every figure has its 95 % interval and its n; pictures that the run was trained on are left out.
    """
    from lightfast.runs.evaluate import evaluate_run
    from lightfast.runs.lines import run_lines

    with work() as report:
        result = evaluate_run(run, data, run_options(out, seed, device, report), suite=suite, severities=severity, limit=limit)
    tell(result, as_json, run_lines(result, out))


@app.command(epilog="Example: lightfast corrupt mnist-5k --name fog --severity 3 --out foggy.npz. All names: lightfast corrupt --list")
def corrupt(
    data: Annotated[str | None, Argument(metavar="DATA", show_default=False, help="What to damage, as for `train`.")] = None,
    name: Annotated[str | None, Option("--name", metavar="NAME", help="One corruption.")] = None,
    suite: Annotated[str | None, Option("--suite", metavar="SUITE", help="All of a suite, into OUT/NAME-SEVERITY.")] = None,
    severity: Annotated[int | None, Option("--severity", min=1, max=5, metavar="1..5", help="1 mild, 5 strong. Default: 3, or "
                                           "the suite's own.")] = None,
    out: Annotated[Path | None, Option("--out", metavar="FOLDER", help="A new folder of class folders, or NAME.npz.")] = None,
    part: Annotated[Part, Option("--part", metavar="all|train|val|test", help="Only this official part.")] = "all",
    listing: Annotated[bool, Option("--list", help="List corruptions and suites.")] = False,
    limit: Limit = None, image_size: Size = None, seed: Seed = 0, device: Device = "auto", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Damage pictures by a named corruption, or by a suite.

    Writes class folders or an .npz; labels stay, the same seed gives the same bytes.
    """
    from lightfast.runs.corrupt import corrupt_run, jobs_of
    from lightfast.runs.lists import corruption_lines, corruptions

    if listing:
        tell(corruptions(), as_json, corruption_lines())
        return
    if data is None:
        raise SettingsError("corrupt needs pictures", cure="lightfast corrupt DATA --name fog --severity 3 --out FOLDER")
    with work() as report:
        options = run_options(out, seed, device, report, image_size=image_size)
        result = corrupt_run(data, jobs_of(name, severity, suite), options, many=suite is not None, part=part, limit=limit)
    tell(result, as_json, [f"{row['n']:,} pictures, {row['corruption']} {row['severity']}: {row['path']}" for row in result["written"]])


@app.command(epilog="Example: lightfast repair runs/digits scans/ --suite mnist-c")
def repair(
    run: RunArg, data: DataArg,
    suite: Annotated[str | None, Option("--suite", metavar="SUITE", help="Damages that detector and restorer learn. Default: those of "
                                        "the kit that RUN has, else mnist-c.")] = None,
    damage: Annotated[str | None, Option("--damage", metavar="SUITE", help="Damage DATA first, to see what repair does.")] = None,
    out: Annotated[Path | None, Option("--out", metavar="FOLDER", help="Write results there.")] = None,
    resume: Resume = False, limit: Limit = None, seed: Seed = 0, device: Device = "auto", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Detect damage, restore the pictures, read them again.

    What is restored and kept is decided without labels; where DATA has labels they only score the readings before and after.
    """
    from lightfast.runs.lines import run_lines
    from lightfast.runs.repair import repair_run

    with work() as report:
        result = repair_run(run, data, run_options(out, seed, device, report, resume=resume), suite=suite, damage=damage, limit=limit)
    tell(result, as_json, run_lines(result, result["out"]))
