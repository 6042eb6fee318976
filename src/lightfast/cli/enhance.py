"""`lightfast enhance`: learn the picture changes that help a frozen classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, DataArg, Device, NearDuplicatesChoice, Resume, Seed
from lightfast.cli.terminal import parse_numbers, print_result, progress_bars, run_options


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
    strengths: Annotated[
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
    near_duplicates: NearDuplicatesChoice = "group",
    resume: Resume = False,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Learn picture changes that help a frozen classifier.

    They are put before it. Learnt on training pictures, judged on validation pictures: what does not help is
    refused and not kept. The test pictures are read once, at the end, without and with the enhancer. The
    classifier's weights stay bit for bit as they are.
    """
    from lightfast.cli.text.enhance import enhance_lines
    from lightfast.runs.enhance.enhance import enhance_run
    from lightfast.runs.enhance.options import EnhanceOptions

    with progress_bars() as report:
        enhance_options = EnhanceOptions(
            enhancer,
            degrade,
            None if strengths is None else tuple(parse_numbers("--strength", strengths)),
            gate,
            protocol,
            tuple(transfer or ()),
            use,
            tuple(settings or ()),
            limit,
        )
        options = run_options(out, seed, device, report, resume=resume, near_duplicates=near_duplicates)
        result = enhance_run(run, data, options, enhance_options=enhance_options)
    print_result(result, as_json, enhance_lines(result))
