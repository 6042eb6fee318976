"""The command line: one command a verb — parse, call, print. Heavy libraries are imported inside the commands."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Argument, Option

from lightfast import __version__
from lightfast.base.errors import LightfastError, SettingsError
from lightfast.base.progress import Reporter, silent

if TYPE_CHECKING:
    from lightfast.runs.folder import RunOptions

DEBUG = "LIGHTFAST_DEBUG"
_INTERRUPTED = 130  # what typer makes of Ctrl-C
_GO_ON = {"train": "go on with --resume", "repair": "go on with --resume",
          "study": "the same command goes on where it was", "data fetch": "the same command goes on where it was"}

DataArg = Annotated[str, Argument(metavar="DATA", help="A folder of class folders, a manifest, an .npz, or a name of `data list`.")]
RunArg = Annotated[str, Argument(metavar="RUN", help="A run folder that `train` wrote, or hf-hub:ID.")]
Seed = Annotated[int, Option("--seed", min=0, metavar="N", help="Fixes all randomness: the same seed gives the same numbers.")]
Device = Annotated[Literal["auto", "cpu", "cuda"],
                   Option("--device", metavar="auto|cpu|cuda", help="Where to compute; auto takes CUDA where it is.")]
Scale = Literal["quick", "paper"]
Part = Literal["all", "train", "val", "test"]
Format = Literal["table", "json", "csv", "parquet"]
AsJson = Annotated[bool, Option("--json", help="One JSON object on stdout, everything else on stderr.")]
Resume = Annotated[bool, Option("--resume", help="Go on where the same command was stopped.")]
Limit = Annotated[int | None, Option("--limit", min=1, metavar="N", help="Use at most N pictures, drawn by the seed.")]
Size = Annotated[str | None, Option("--image-size", metavar="HxW", help="Bring every picture to this size, e.g. 28x28 or 96.")]

app = typer.Typer(
    name="lightfast", no_args_is_help=True, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: lightfast demo --quick. Exit codes: 0 done, 2 bad input (one line names the cure), 1 failed.",
)  # fmt: skip
data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Data sets: list, fetch, check.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv` when None); returns the exit code: 0 done, 2 bad input, 1 failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(words, prog_name="lightfast", standalone_mode=False) or 0
        sys.stdout.flush()
    except LightfastError as error:
        return _failed(str(error), error.exit_code)
    except typer.TyperException as error:
        message = error.format_message().removesuffix(".")
        if message.startswith("Usage:"):
            # A group without a command: its help, as it is.
            print(message, file=sys.stderr)
            return error.exit_code
        return _failed(f"{message}{'.' * (message[-1:] != '?')} See: lightfast {_command(words)}--help", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the pipe (head) has left; the flush at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001  the outermost door: one line for people, the traceback for developers
        return _failed(f"{type(error).__name__}: {error} (run with {DEBUG}=1 for the traceback)", 1)
    if code == _INTERRUPTED:
        how = _GO_ON.get(_command(words).strip())
        return _failed(f"stopped; {how}" if how else "stopped", 1)
    return code


def _version(wanted: bool) -> None:
    if wanted:
        print(f"lightfast {__version__}")
        raise typer.Exit


@app.callback()
def _lightfast(
    version: Annotated[bool, Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)] = False,
) -> None:
    """Image classifiers that keep their sight: train on your pictures, measure them under damage, repair, name the doubtful ones."""


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

    with _work() as report:
        result = demo_run(_options(out, seed, device, report), quick=quick)
    _tell(result, as_json, demo_lines(result))


@data_app.command("list", epilog="Example: lightfast data list")
def data_list(as_json: AsJson = False, seed: Seed = 0, device: Device = "auto") -> None:
    """List the data sets that can be named as DATA.

    And whether they are here; the environment variable LIGHTFAST_DATA names the folder that keeps them.
    """
    from lightfast.runs.lists import data_set_lines, data_sets

    result = data_sets()
    _tell(result, as_json, data_set_lines(result))


@data_app.command("fetch", epilog="Example: lightfast data fetch svhn (an interrupted download goes on where it was)")
def data_fetch(
    name: Annotated[str, Argument(metavar="NAME", help="A name of `data list`, or quickdraw:CATEGORY,CATEGORY.")],
    as_json: AsJson = False, seed: Seed = 0, device: Device = "auto",
) -> None:  # fmt: skip
    """Download a data set from its official address.

    Its checksum is checked where one is published; it is kept as NAME.npz in the data folder.
    """
    from lightfast.data.catalogue import entry_of, fetch, load_dataset

    with _work() as report:
        embedded = entry_of(name).embedded
        path = None if embedded else fetch(name, report=report)
        counts = {part: len(images) for part, images in load_dataset(name, report=report).parts.items()}
    where = "comes with an installed package" if path is None else f"is in {path}"
    lines = [f"{name} {where}: {', '.join(f'{part} {count:,}' for part, count in counts.items())} pictures"]
    _tell({"name": name, "path": path and str(path), "parts": counts}, as_json, lines)


@data_app.command("check", epilog="Example: lightfast data check my-pictures/")
def data_check(data: DataArg, as_json: AsJson = False, seed: Seed = 0, device: Device = "auto") -> None:
    """Say what DATA holds and what is wrong with it.

    Unreadable files, uneven classes, exact duplicates, identical pictures with different labels, training pictures in the test part.
    """
    from lightfast.data.check import check
    from lightfast.runs.lines import check_lines

    with _work() as report:
        found = check(data, report=report)
    _tell(found.as_json(), as_json, check_lines(found))


@app.command(epilog="Example: lightfast train mnist-5k --out runs/digits --set epochs=5 --set model.dropout=0.2")
def train(
    data: DataArg, out: Annotated[Path, Option("--out", metavar="RUN", help="Run folder to write.")],
    model: Annotated[str, Option("--model", metavar="NAME", help="cnn, mlp, resnet9, random-forest, timm:NAME …")] = "cnn",
    settings: Annotated[list[str] | None, Option("--set", metavar="KEY=VALUE", help="A setting of the recipe, or model.KEY=VALUE for "
                                                 "the network; may be repeated.")] = None,
    image_size: Size = None, resume: Resume = False, seed: Seed = 0, device: Device = "auto", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Train a classifier on DATA and write a run folder.

    The best epoch on validation pictures is kept and calibrated; the test pictures are scored once, at the end.
    """
    from lightfast.runs.lines import run_lines
    from lightfast.runs.set_option import parse_settings
    from lightfast.runs.train import train_run

    with _work() as report:
        recipe, config = parse_settings(settings or [], model)
        options = _options(out, seed, device, report, resume=resume, image_size=image_size)
        result = train_run(data, options, model=model, recipe=recipe, config=config)
    _tell(result, as_json, run_lines(result, out))


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
    with _work() as report:
        predictions, unreadable = predict_run(run, paths, _options(None, seed, device, report))
    result = predictions_json(predictions, unreadable, top)
    if out is not None:
        save_predictions(out, predictions, result, top, form)
    text = f"{len(predictions):,} pictures read: {out}" if out else predictions_text(predictions, top, form)
    _tell(result, as_json or (form == "json" and out is None), [text])


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

    with _work() as report:
        result = evaluate_run(run, data, _options(out, seed, device, report), suite=suite, severities=severity, limit=limit)
    _tell(result, as_json, run_lines(result, out))


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
        _tell(corruptions(), as_json, corruption_lines())
        return
    if data is None:
        raise SettingsError("corrupt needs pictures", cure="lightfast corrupt DATA --name fog --severity 3 --out FOLDER")
    with _work() as report:
        options = _options(out, seed, device, report, image_size=image_size)
        result = corrupt_run(data, jobs_of(name, severity, suite), options, many=suite is not None, part=part, limit=limit)
    _tell(result, as_json, [f"{row['n']:,} pictures, {row['corruption']} {row['severity']}: {row['path']}" for row in result["written"]])


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

    with _work() as report:
        result = repair_run(run, data, _options(out, seed, device, report, resume=resume), suite=suite, damage=damage, limit=limit)
    _tell(result, as_json, run_lines(result, result["out"]))


@app.command(epilog="Example: lightfast study mnist-c --scale quick")
def study(
    name: Annotated[str, Argument(metavar="NAME", help="mnist-c or svhn.")],
    scale: Annotated[Scale, Option("--scale", metavar="quick|paper", help="quick: minutes; paper: the figures to quote.")] = "quick",
    out: Annotated[Path | None, Option("--out", metavar="FOLDER", help="Default: runs/study-NAME-SCALE.")] = None,
    seed: Seed = 0, device: Device = "auto", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Run a published study: its figures beside ours.

    With intervals. Trained parts are kept in --out: a study that was stopped goes on where it was.
    """
    from lightfast.report.tables import text_table
    from lightfast.studies.registry import StudyOptions, find_study

    with _work() as report:
        found = find_study(name)
        result = found.run(StudyOptions(out or Path("runs") / f"study-{name}-{scale}", scale, seed, device, report))
    content = {"title": result.title, "seed": seed, "scale": scale, "figures": result.figures, "notes": result.notes,
               "seconds": result.seconds}
    _tell(content, as_json, [result.title, "", *map(text_table, result.tables)])


app.add_typer(data_app, name="data")


# ---- what the commands share


def _options(
    out: Path | None, seed: int, device: str, report: Reporter, *, resume: bool = False, image_size: str | None = None
) -> RunOptions:
    from lightfast.runs.folder import RunOptions

    return RunOptions(out=out, seed=seed, device=device, resume=resume, image_size=_size(image_size), report=report,
                      command=shlex.join(["lightfast", *sys.argv[1:]]))


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdigit() and int(side) > 0 for side in sides):
        expected = "HEIGHTxWIDTH in pixels, or one number for a square"
        raise SettingsError("--image-size", expected=expected, got=text, cure="E.g. --image-size 32x32.")
    return int(sides[0]), int(sides[-1])


# ---- what people see


@contextlib.contextmanager
def _work() -> Iterator[Reporter]:
    """Progress bars with the time left on a terminal's stderr, silence elsewhere. What libraries print meanwhile goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        if not sys.stderr.isatty():
            yield silent
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

        # Narrow, so that 80 columns hold the time left and the figures of the last epoch.
        columns = (TextColumn("{task.description:<11}"), BarColumn(10), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("left"),
                   TextColumn("{task.fields[detail]}"))
        with Progress(*columns, console=Console(stderr=True)) as bars:
            tasks: dict[str, TaskID] = {}

            def report(label: str, done: int, total: int, detail: str = "") -> None:
                if label not in tasks or (bars.tasks[tasks[label]].finished and done < total):
                    tasks[label] = bars.add_task(label, total=total or None, detail=detail)
                bars.update(tasks[label], completed=done, total=total or None)
                if detail:
                    bars.update(tasks[label], detail=detail)

            yield report


def _tell(result: Mapping[str, Any], as_json: bool, lines: Iterable[str]) -> None:
    """The result as one JSON object, or `lines` for people; what could not be read and what was done on the way goes to stderr."""
    from lightfast.runs.lines import unreadable_lines

    if as_json:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))
    else:
        print(*lines, sep="\n")
        print(*(f"note: {note}\n" for note in result.get("notes", ())), sep="", end="", file=sys.stderr)
    if "warnings" not in result:
        print(*(f"{line}\n" for line in unreadable_lines(result.get("unreadable", ()))), sep="", end="", file=sys.stderr)


def _failed(message: str, code: int) -> int:
    if os.environ.get(DEBUG):
        traceback.print_exc()
    print(f"lightfast: {' '.join(message.split())}", file=sys.stderr)
    return code


def _command(words: Sequence[str]) -> str:
    """The command that `words` begin with, for a hint: "train ", "data fetch ", or nothing."""
    known = {info.callback.__name__ for info in app.registered_commands if info.callback}
    first = " ".join(words[:2]) if words[:1] == ["data"] else "".join(words[:1])
    return f"{first} " if first.split(" ")[0] in {*known, "data"} and "-" not in first else ""


if __name__ == "__main__":
    sys.exit(main())
