"""`lightfast library retrain|models|promote|rollback`: the library's own models."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import library_app
from lightfast.cli.library import Background, LibraryArg, in_background, number_of_user, opened
from lightfast.cli.parameters import AsJson, AutoModel, Device, NearDuplicatesChoice, Seed, SetOption, Size
from lightfast.cli.terminal import parse_seconds, print_result, progress_bars, run_options


@library_app.command("retrain", epilog="Example: lightfast library retrain archive/ --budget 5m")
def library_retrain(
    library: LibraryArg,
    model: AutoModel = "auto",
    settings: SetOption = None,
    budget: Annotated[
        str | None,
        Option("--budget", metavar="TIME", help="Time that --model auto may take: 90s, 5m, 1h. Default: 5m."),
    ] = None,
    margin: Annotated[
        float,
        Option(
            "--margin",
            min=0,
            max=0.99,
            metavar="X",
            help="The new model is used where the interval of its gain does not reach below -X.",
        ),
    ] = 0.02,
    promote: Annotated[
        bool,
        Option("--promote/--no-promote", help="Use the new model where it is not worse, or only keep it."),
    ] = True,
    image_size: Size = None,
    near_duplicates: NearDuplicatesChoice = "group",
    background: Background = False,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train the next model on what people confirmed, and use it if not worse.

    It is compared with the present one on an untouched part of the pictures, which no training of the library
    sees. What the decisions cost and what they brought is written into the library's ledger.
    """
    from lightfast.cli.settings_option import parse_settings
    from lightfast.cli.text.library_models import retrain_lines
    from lightfast.runs.fit import TrainOptions
    from lightfast.runs.library.pile import RetrainOptions
    from lightfast.runs.library.retrain import retrain_library

    if background:
        if settings or budget or image_size or near_duplicates != "group":
            raise SettingsError(
                "--background", expected="--model, --margin, --promote and --seed alone with it"
            )
        arguments = {"model": model, "margin": margin, "promote": promote, "seed": seed, "device": device}
        in_background(library, "retrain", arguments, as_json)
        return
    with progress_bars() as report, opened(library) as held:
        recipe, config = parse_settings(settings or [], model)
        if budget is not None and model != "auto":
            raise SettingsError(
                f"--budget is for --model auto, not for {model}", cure="Leave one of them out."
            )
        train_options = TrainOptions(budget=parse_seconds("--budget", budget or "5m"))
        wanted = RetrainOptions(
            model,
            recipe,
            config,
            train_options,
            margin=margin,
            promote=promote,
            by=held.store.act(number_of_user),
        )
        options = run_options(
            None, seed, device, report, image_size=image_size, near_duplicates=near_duplicates
        )
        result = retrain_library(held, options, wanted)
    print_result(result, as_json, retrain_lines(result))


@library_app.command("models", epilog="Example: lightfast library models archive/")
def library_models(
    library: LibraryArg, as_json: AsJson = False, seed: Seed = 0, device: Device = "auto"
) -> None:
    """List the library's models, and what each retraining cost and brought."""
    from lightfast.cli.text.library_models import model_lines
    from lightfast.library.ledger import read_ledger
    from lightfast.library.promote import list_models

    with opened(library) as held:
        models, entries = list_models(held.store), read_ledger(held.store)
    print_result({"models": models, "ledger": entries}, as_json, model_lines(models, entries))


@library_app.command("promote", epilog="Example: lightfast library promote archive/ retrain-0002")
def library_promote(
    library: LibraryArg,
    model: Annotated[
        str, Argument(metavar="MODEL", help="The name or the number of a model that `library models` lists.")
    ],
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Use a model from now on, whatever the comparison said."""
    from lightfast.library.promote import promote_model

    with opened(library) as held:
        result = promote_model(held.store, model, held.store.act(number_of_user))
    print_result(result, as_json, [f"in use     {result.name} ({result.run})"])


@library_app.command("rollback", epilog="Example: lightfast library rollback archive/")
def library_rollback(
    library: LibraryArg, as_json: AsJson = False, seed: Seed = 0, device: Device = "auto"
) -> None:
    """Use the model again that was in use before the present one."""
    from lightfast.library.promote import rollback_model

    with opened(library) as held:
        result = rollback_model(held.store, held.store.act(number_of_user))
    print_result(result, as_json, [f"in use     {result.name} ({result.run})"])
