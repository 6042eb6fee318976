"""`lightfast enhance`: learn the picture changes that help a frozen classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.lines import columns
from lightfast.cli.parameters import AsJson, DataArg, Device, Resume, Seed
from lightfast.cli.terminal import numbers, run_options, tell, work
from lightfast.pages.enhance import LEAK, _how_to_keep, cure_of, verdict
from lightfast.report.tables import percent, points, share_text
from lightfast.restore.measure import WITH, WITHOUT


@app.command(
    epilog="Example: lightfast enhance runs/scenes scenes/ --out runs/scenes-enhanced --transfer runs/other"
)
def enhance(
    run: Annotated[str, Argument(metavar="RUN", help="The frozen classifier: a run folder, or hf-hub:ID.")],
    data: DataArg,
    out: Annotated[
        Path, Option("--out", metavar="RUN2", help="Run folder to write; it is used like one of `train`.")
    ],
    enhancer: Annotated[
        str,
        Option(
            "--enhancer",
            metavar="unet|paper|own:A-B",
            help="unet: residual, changes the picture no more than it "
            "must. paper: the perturbations paper's U-Net and way. own:A-B: its autoencoders.",
        ),
    ] = "unet",
    degrade: Annotated[
        str | None,
        Option(
            "--degrade",
            metavar="SUITE|none",
            help="Damages to learn and to measure. Default: camera "
            "(paper and own learn clean pictures and are measured under camera).",
        ),
    ] = None,
    strength: Annotated[
        str | None,
        Option(
            "--strength",
            metavar="X,X",
            help="λ of the fidelity term; of several one is chosen on "
            "validation. Default: 0.03,0.3 (paper and own: 0).",
        ),
    ] = None,
    gate: Annotated[
        Literal["clean", "degraded", "off"],
        Option(
            "--gate",
            metavar="clean|degraded|off",
            help="Refuse an enhancer that does "
            "not raise the accuracy on clean, or on degraded validation pictures.",
        ),
    ] = "clean",
    protocol: Annotated[
        Literal["honest", "full"],
        Option(
            "--protocol",
            metavar="honest|full",
            help="full: also train one on the test pictures, to show what that leak is worth; never kept.",
        ),
    ] = "honest",
    transfer: Annotated[
        list[str] | None,
        Option(
            "--transfer",
            metavar="RUN3",
            help="Try it before a classifier that never saw it; may be repeated.",
        ),
    ] = None,
    use: Annotated[
        str | None,
        Option("--use", metavar="RUN4", help="Learn nothing: take the enhancer of RUN4, refused or not."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of the recipe (epochs=10), "
            "enhancer.KEY=VALUE for the network, plan.KEY=VALUE (fidelity, trial_epochs, per_epoch, "
            "clean_share, "
            "reconstruct_epochs); may be repeated.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        Option(
            "--limit",
            min=1,
            metavar="N",
            help="Use at most N pictures of each part (train, val, test), drawn by the seed.",
        ),
    ] = None,
    resume: Resume = False,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Learn picture changes that help a frozen classifier, and put them before it.

    Learnt on training pictures, judged on validation pictures: what does not help is refused and not kept.
    The test pictures are read once, at the end, without and with the enhancer. The classifier's weights stay
    bit for bit as they are.
    """
    from lightfast.runs.enhance import enhance_run
    from lightfast.runs.enhance_options import EnhanceWish

    with work() as report:
        wish = EnhanceWish(
            enhancer,
            degrade,
            None if strength is None else tuple(numbers("--strength", strength)),
            gate,
            protocol,
            tuple(transfer or ()),
            use,
            tuple(settings or ()),
            limit,
        )
        result = enhance_run(run, data, run_options(out, seed, device, report, resume=resume), wish=wish)
    tell(result, as_json, enhance_lines(result))


def enhance_lines(metrics: Mapping[str, Any]) -> list[str]:
    """The verdict, the figures, transfer and leak: for a terminal."""
    tests = {"clean": metrics["paired"], "degraded": metrics["degraded"], **metrics["by_kind"]}
    lines = [
        verdict(metrics).replace("Refused", "REFUSED"),
        *columns(
            ("test pictures", "n", WITHOUT, WITH, "difference"),
            [_row(name, test) for name, test in tests.items() if test],
        ),
        "Accuracy of the same test pictures without and with the enhancer; brackets: 95 % intervals.",
    ]
    if metrics["enhancer"]["strength"] is not None:
        lines.append(
            f"enhancer   {metrics['enhancer']['model']}, λ = {metrics['enhancer']['strength']:g}, "
            f"{metrics['enhancer']['parameters']:,} weights before {metrics['base_model']}"
        )
    for row in metrics["transfer"]:
        told = [
            f"{key} {points(row[key]['difference'])} ({percent(row[f'{key}_kept'], 0)} of the own gain)"
            for key in ("clean", "degraded")
            if row[key]
        ]
        lines.append(f"transfer   {row['name']}: {', '.join(told)}, n = {row['clean']['n']:,}")
    lines += leak_lines(metrics)
    if not metrics["accepted"]:
        lines.append(
            f"not kept   {metrics['run']} holds no checkpoint. {_how_to_keep(metrics)}: {cure_of(metrics)}"
        )
    return [*lines, f"report     {Path(metrics['run'], 'report.html')}"]


def leak_lines(metrics: Mapping[str, Any]) -> list[str]:
    """The figures of the leaking protocol, each marked, the honest one beside it;
    nothing where none was asked for.
    """
    leak = metrics["leak"]
    if leak is None:
        return []
    lines = [f"{leak['said']}."]
    for key in ("clean", "degraded"):
        if leak[key]:
            share = [share_text(test["after_accuracy"]) for test in (leak[key], leak["honest"][key])]
            lines.append(f"{LEAK} {key}: {share[0]}; honest: {share[1]}")
    return lines


def _row(name: str, test: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = test["difference_interval"]
    gap = f"{points(test['difference'])} [{points(low)} to {points(high)}]"
    return (
        name.replace("_", " "),
        f"{test['n']:,}",
        percent(test["before_accuracy"]),
        percent(test["after_accuracy"]),
        gap,
    )
