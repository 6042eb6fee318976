"""`lightfast relabel`: the next version of the data, with what people decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, Damaged, DataArg, Device, LabelSeparator, Root, Seed, Size
from lightfast.cli.terminal import print_result, progress_bars, run_options


@app.command(epilog="Example: lightfast relabel my-pictures/ queue.csv --reviewer ada --out my-pictures-2/")
def relabel(
    data: DataArg,
    decisions: Annotated[
        Path,
        Argument(
            metavar="DECISIONS",
            help="A .jsonl of decisions, or a review queue (.csv, .parquet) whose column decided_label is "
            'filled: with a class, or with "not this".',
        ),
    ],
    out: Annotated[
        Path,
        Option("--out", metavar="FOLDER", help="A new folder for the next version; DATA stays as it is."),
    ],
    without: Annotated[
        list[int] | None,
        Option("--without", min=1, metavar="N", help="Undo: leave decision N (from 1) out. May be repeated."),
    ] = None,
    reviewer: Annotated[
        str | None, Option("--reviewer", metavar="NAME", help="Who filled the queue, where it does not say.")
    ] = None,
    prove: Annotated[
        bool,
        Option(
            "--prove",
            help="Train on the labels before and after, compare both on the test part, and note the outcome "
            "in the ledger.",
        ),
    ] = False,
    run: Annotated[
        str,
        Option(
            "--run",
            metavar="RUN",
            help="With --prove: train the model of this run. Default: a linear head on a frozen backbone "
            "for photographs, the small network for the rest.",
        ),
    ] = "",
    minutes: Annotated[
        float | None,
        Option("--minutes", min=0, metavar="M", help="With --prove: what people spent, for the ledger."),
    ] = None,
    ledger: Annotated[
        Path | None,
        Option("--ledger", metavar="FILE", help="With --prove. Default: ledger.jsonl beside --out."),
    ] = None,
    image_size: Size = None,
    damaged: Damaged = "refuse",
    root: Root = None,
    label_separator: LabelSeparator = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Write the next version of DATA, with what people decided.

    Later decisions win; where two people disagree, both are listed. Pictures known not to be what they were
    called, without another label, are left out and listed. Nothing is deleted or changed.
    """
    from lightfast.base.errors import SettingsError
    from lightfast.base.plain import as_json as plain
    from lightfast.cli.text.relabel import relabel_lines
    from lightfast.runs.relabel import relabel_data
    from lightfast.runs.relabel_proof import ProofOptions

    if not prove and (run or minutes is not None or ledger):
        raise SettingsError("`run`, `minutes` and `ledger` say how a clean-up is proved", cure="Add `prove`.")

    with progress_bars() as report:
        options = run_options(
            out=out,
            image_size=image_size,
            damaged=damaged,
            root=root,
            label_separator=label_separator,
            seed=seed,
            device=device,
            report=report,
        )
        proof = ProofOptions(run, minutes, ledger) if prove else None
        result = relabel_data(
            data, decisions, options, without=tuple(without or ()), reviewer=reviewer, proof=proof
        )
    print_result(plain(result), as_json, relabel_lines(result))
