"""Take the pictures of docs/pages.md, and with --all FOLDER every page in every dress, to be looked at.

    python docs/screenshots.py [--library FOLDER] [--all FOLDER] [--browser /usr/bin/chromium]

Makes the library of digits of `lightfast serve --demo` in a temporary folder, or takes the library named, and
serves it from this process.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from lightfast.library.library import Library, create_library
from lightfast.runs.demo_library import demo_library
from lightfast.runs.options import RunOptions
from lightfast.serve.app import create_app
from lightfast.serve.listening import EndingServer, address_of, listen
from lightfast.serve.settings import ServeSettings

HERE = Path(__file__).parent
PATHS = (
    "/",
    "/review",
    "/review#many",
    "/library",
    "/assets/3",
    "/map",
    "/labels",
    "/models",
    "/jobs",
    "/draw",
    "/human",
    "/people",
)
DRESSES = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}


@contextmanager
def served(library: Library) -> Iterator[str]:
    """The address of a server in a thread."""
    settings = ServeSettings(port=0, local_user="ada", work=False)
    app = create_app(library, settings)
    with listen(settings) as listening:
        server = EndingServer(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield address_of(listening)
        server.should_exit = True
        thread.join(30)


def taken(page: Any, address: str, path: str) -> bytes:
    """A PNG of a page that has come to rest."""
    page.goto("about:blank")
    page.goto(address + path)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(400)
    return page.screenshot()


def every_page(browser: Any, address: str, folder: Path, kind: str) -> None:
    """All pages in all dresses."""
    folder.mkdir(parents=True, exist_ok=True)
    for dress, options in DRESSES.items():
        page = browser.new_context(**options).new_page()
        for path in PATHS:
            name = path.strip("/").replace("/", "-").replace("#", "-") or "start"
            (folder / f"{kind}-{name}-{dress}.png").write_bytes(taken(page, address, path))
        page.context.close()


def for_docs(browser: Any, address: str) -> None:
    """The three pictures of docs/pages.md."""
    page = browser.new_context(**DRESSES["light"]).new_page()
    shots = {"review": taken(page, address, "/review"), "library": taken(page, address, "/library")}
    taken(page, address, "/review#many")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    shots["many"] = page.screenshot()
    for name, shot in shots.items():
        path = HERE / f"pages-{name}.webp"
        Image.open(io.BytesIO(shot)).save(path, quality=82, method=6)
        print(f"{path.name} {path.stat().st_size / 1024:.0f} kB")


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--all", type=Path)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.browser, args=["--no-sandbox"])
        full = (
            create_library(given.library)
            if given.library
            else demo_library(Path(folder, "digits"), RunOptions())
        )
        with served(full) as address:
            if given.all is None:
                for_docs(browser, address)
            else:
                every_page(browser, address, given.all, "full")
        full.close()
        if given.all is not None:
            bare = create_library(Path(folder, "empty"))
            with served(bare) as address:
                every_page(browser, address, given.all, "empty")
            bare.close()
        browser.close()


if __name__ == "__main__":
    main()
