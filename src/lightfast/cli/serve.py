"""`lightfast serve`: a library over HTTP, with its pages."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from lightfast.cli.groups import app
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import print_result, progress_bars, run_options

if TYPE_CHECKING:
    from lightfast.serve.opening import Opened


@app.command(epilog="Example: lightfast serve photos/")
def serve(
    library: Annotated[
        Path | None,
        Argument(
            metavar="LIBRARY|FOLDER",
            show_default=False,
            help="A library, or a folder of pictures: a library is made for it, and they are added. "
            "Without it, a library of your own.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        Option(
            "--model", metavar="RUN", help="Predict with this run. Default: the library's promoted model."
        ),
    ] = None,
    host: Annotated[
        str,
        Option(
            "--host", metavar="NAME", help="Where to listen. Beyond this machine, users need passwords first."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, Option("--port", min=0, max=65535, metavar="N", help="Where to listen; 0 takes a free one.")
    ] = 8000,
    database: Annotated[
        str | None,
        Option("--database", metavar="URL", help="A PostgreSQL database for a library that is made now."),
    ] = None,
    local_user: Annotated[
        str | None,
        Option(
            "--as", metavar="NAME", help="Your name, as long as nobody has a password. Default: the login."
        ),
    ] = None,
    https: Annotated[
        bool, Option("--https", help="Browsers come through a proxy by https: send cookies in no other way.")
    ] = False,
    hosts: Annotated[
        list[str] | None,
        Option(
            "--allow-host", metavar="NAME", help="Another name that browsers call it by; may be repeated."
        ),
    ] = None,
    workers: Annotated[
        int,
        Option(
            "--workers",
            min=1,
            max=64,
            metavar="N",
            help="So many processes answer; one that dies is started again. They share the cores.",
        ),
    ] = 1,
    demo: Annotated[
        bool, Option("--demo", help="Open a library of real digits with a quick model, to try the pages.")
    ] = False,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Serve a library: pages in the browser, and REST for programs."""
    from lightfast.serve.app import create_app
    from lightfast.serve.listening import EndingServer, address_of, listen
    from lightfast.serve.opening import open_or_create
    from lightfast.serve.settings import ServeSettings, login_name
    from lightfast.serve.workers import prepare_workers, serve_by_workers

    name, others = local_user or login_name(), tuple(hosts or ())
    settings = ServeSettings(host, port, name, model, device, https=https, hosts=others, workers=workers)
    opened = _demo(seed) if demo else open_or_create(library, database)
    try:
        if workers == 1:
            application = create_app(opened.library, settings, opened.pictures)
            answer = EndingServer(application).run
        else:
            prepare_workers(opened.library, settings, opened.pictures)
            answer = partial(serve_by_workers, opened.library.folder, settings)
        with listen(settings) as listening:
            address = address_of(listening)
            result = {"address": address, "folder": str(opened.library.folder), "made": opened.made}
            lines = [f"library    {opened.library.folder}", f"open       {address}", "stop       Ctrl-C"]
            print_result(result, as_json, lines)
            sys.stdout.flush()
            # From here on the socket takes connections; they are answered as soon as the server has started.
            answer([listening])
    finally:
        opened.library.close()


def _demo(seed: int) -> Opened:
    """The library of digits, made where it is not there yet."""
    from lightfast.base.folders import libraries_folder
    from lightfast.runs.demo_library import demo_library
    from lightfast.serve.opening import Opened

    with progress_bars() as report:
        return Opened(
            demo_library(libraries_folder() / "demo-digits", run_options(None, seed, "cpu", report))
        )
