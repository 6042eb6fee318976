"""How quick the pages are, in a real browser over a server on loopback.

    python benchmarks/pages.py [--pictures 600] [--grid 100000] [--browser /usr/bin/chromium] [--out FILE]

Needs a Chromium. One browser, and for each part a server process over a library of its own, all on this
machine. Measured are: from a key to the next
picture on the screen and to its decision in the database (acknowledged, SQLite with synchronous=FULL);
pictures a minute of a scripted reviewer who thinks for 300 ms before every key (one picture at a time), and
for 300 ms a row that is looked at and before every key (many at a time, one in twenty is taken out of the
choice); a grid of so many pictures: from opening the page to the first picture, the most nodes alive at once
in the whole page, and the longest time in which the middle of the view has no tile, and no picture in it,
while somebody reads along (some 1,600 pixels a second) and races to the end. benchmarks/map_page.py measures
the map, which is the same on a page. Writes benchmarks/results/pages.json.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from measured import about
from PIL import Image
from sqlalchemy import insert, select

from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.library.add import add_pictures
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import create_library
from lightfast.library.review.lease import enqueue
from lightfast.library.schema import assets, tags
from lightfast.library.store import now

OUT = Path(__file__).parent / "results" / "pages.json"
NAMES = [f"label {number:02d}" for number in range(12)]
THOUGHT = 0.3
# Pictures are backgrounds of their tiles: which of them have come is what the browser says of its requests.
_COME = """window.come_ = new Set(); new PerformanceObserver((list) => { for (const one of list.getEntries())
if (one.responseStatus === 200 && one.name.includes('/view/')) window.come_.add(one.name); })
.observe({ type: 'resource', buffered: true });"""
_SCROLLED = """() => { const root = document.getElementById('grid'), box = root.getBoundingClientRect();
window.nodes_ = 0; window.blank_ = { tile: [], picture: [] }; const since = {}; const look = (now) => {
window.nodes_ = Math.max(window.nodes_, document.querySelectorAll('*').length);
const tile = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)?.closest('.tile');
const source = tile?.style.backgroundImage.slice(5, -2);
const there = { tile, picture: source && window.come_.has(location.origin + source) };
for (const kind of ['tile', 'picture']) { if (!there[kind]) { since[kind] ??= now; continue; }
if (since[kind] !== undefined) window.blank_[kind].push(now - since[kind]); delete since[kind]; }
requestAnimationFrame(look); }; requestAnimationFrame(look); }"""
# Pixels a turn of the wheel and milliseconds between two: reading along, and racing to the end.
_TURNS = {"reading": (100, 60, 80), "racing": (2_000, 16, 80)}


def filled(folder: Path, pictures: int, rows: int, seed: int) -> Path:
    """A library of `pictures` of noise that all wait, and rows up to `rows` that share their pixels."""
    rng = generator(seed, "pages")
    (folder / "pictures").mkdir(parents=True)
    for number in range(pictures):
        pixels = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((640, 480)).save(folder / "pictures" / f"{number:05d}.jpg")
    library = create_library(folder / "library")
    add_pictures(library, [str(folder / "pictures")])
    with library.store.write() as connection:
        found = connection.execute(select(assets.c.id, assets.c.content).order_by(assets.c.id)).all()
        numbers = list(label_numbers(connection, NAMES).values())
        shared = {"machine_state": "suggested", "state": "suggested", "rule": "gap 0.5", "updated_at": now()}
        said = [
            {"asset_id": row.id, "label_id": numbers[row.id % 12], "score": p, "probability": p, **shared}
            for row, p in zip(found, rng.random(pictures).tolist(), strict=True)
        ]
        connection.execute(insert(tags), said)
        enqueue(
            connection,
            [
                {"asset_id": one["asset_id"], "label_id": one["label_id"], "source": "tag"}
                | {"reason": "a benchmark", "uncertainty": 1 - one["score"]}
                for one in said
            ],
        )
        same = [found[at % pictures].content for at in range(max(0, rows - pictures))]
        more = {"bytes": 1, "width": 640, "height": 480, "format": "JPEG", "added_at": now()}
        if same:
            connection.execute(
                insert(assets),
                [{"sha256": f"{at:064}", "content": content, **more} for at, content in enumerate(same)],
            )
    library.close()
    return folder / "library"


@contextmanager
def serving(library: Path) -> Iterator[str]:
    """The address of a server in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "lightfast.cli", "serve", str(library), "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait(address)
            yield address
        finally:
            process.terminate()


def _wait(address: str) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{address}/healthz", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{address} did not start")


def spread(times: list[float]) -> dict[str, float]:
    """Milliseconds as n, median and 95th percentile."""
    values = np.array(times)
    return {
        "n": len(values),
        "ms_p50": round(float(np.median(values)), 1),
        "ms_p95": round(float(np.quantile(values, 0.95)), 1),
    }


def _decided(page: Any) -> int:
    return int(page.locator("#decided").inner_text().replace(",", ""))


def one_by_one(page: Any, address: str, count: int) -> dict[str, Any]:
    """Single pictures: accept, or give a label by its digit, after a thought."""
    page.goto(f"{address}/review")
    page.wait_for_selector("#one img")
    page.wait_for_timeout(1_000)
    started = time.perf_counter()
    for number in range(count):
        time.sleep(THOUGHT)
        page.keyboard.press("Space" if number % 3 else str(number % 10))
    minutes = (time.perf_counter() - started) / 60
    page.wait_for_timeout(500)
    times = {
        name: spread(page.evaluate(f"performance.getEntriesByName('{name}').map((one) => one.duration)"))
        for name in ("shown", "decision")
    }
    return {"pictures_a_minute": round(_decided(page) / minutes, 1), **times}


def many_at_once(page: Any, address: str, screens: int, seed: int) -> dict[str, Any]:
    """Whole screens while pictures wait: look at every row, take one in twenty out, accept the others."""
    rng = generator(seed, "reviewer")
    page.goto(f"{address}/review?many#many")
    page.wait_for_selector(".cell img")
    page.wait_for_timeout(1_000)
    before, started = _decided(page), time.perf_counter()
    for _ in range(screens):
        cells, rows = page.evaluate(
            "() => { const all = [...document.querySelectorAll('.cell')].filter((one) => one.firstChild); "
            "return [all.length, new Set(all.map((one) => one.offsetTop)).size]; }"
        )
        if not cells:
            break
        time.sleep(THOUGHT * rows)
        page.keyboard.press("a")
        for cell in np.flatnonzero(rng.random(cells) < 0.05).tolist():
            time.sleep(THOUGHT)
            page.locator(f"#cell-{cell}").click()
        time.sleep(THOUGHT)
        page.keyboard.press("Space")
    minutes = (time.perf_counter() - started) / 60
    page.wait_for_timeout(500)
    return {"pictures_a_minute": round((_decided(page) - before) / minutes, 1)}


def big_grid(page: Any, address: str) -> dict[str, Any]:
    """The library page: first picture, nodes, blanks while it is scrolled."""
    page.add_init_script(_COME)
    started = time.perf_counter()
    page.goto(f"{address}/library", wait_until="commit")
    # The policy of the pages forbids the browser's own way of waiting for an expression.
    while not page.evaluate("window.come_?.size"):
        page.wait_for_timeout(5)
    first = time.perf_counter() - started
    page.wait_for_timeout(1_500)
    box = page.locator("#grid").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    blanks, nodes = {}, 0
    for name, (pixels, pause, turns) in _TURNS.items():
        page.evaluate(_SCROLLED)
        for _ in range(turns):
            page.mouse.wheel(0, pixels)
            page.wait_for_timeout(pause)
        page.wait_for_timeout(1_500)
        found, most = page.evaluate("[window.blank_, window.nodes_]")
        nodes = max(nodes, most)
        blanks |= {f"{name}_no_{kind}_ms": round(max(times, default=0.0), 1) for kind, times in found.items()}
    return {
        "pictures": page.locator("#count").inner_text(),
        "first_picture_seconds": round(first, 3),
        "tiles_alive": page.locator(".tile").count(),
        "most_nodes_alive": nodes,
        **blanks,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--screens", type=int, default=10)
    parser.add_argument("--grid", type=int, default=100_000)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    # What one part decides would be missing in the next: each has pictures of its own.
    parts: dict[str, tuple[int, Callable[[Any, str], dict[str, Any]]]] = {
        "one": (0, lambda page, address: one_by_one(page, address, given.keys)),
        "many": (0, lambda page, address: many_at_once(page, address, given.screens, given.seed)),
        "grid": (given.grid, big_grid),
    }
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.browser, args=["--no-sandbox"])
        found: dict[str, Any] = {"browser": browser.version, "load_average": round(os.getloadavg()[0], 1)}
        for name, (rows, part) in parts.items():
            library = filled(Path(folder) / name, given.pictures, rows, given.seed)
            with serving(library) as address:
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                found[name] = part(page, address)
                page.close()
        browser.close()
    for name, value in found.items():
        print(name, value)
    command = ["python", "benchmarks/pages.py", "--pictures", str(given.pictures), "--grid", str(given.grid)]
    write_json(
        given.out, {**found, **as_json(about("", given.seed, None, command, spread="95th percentile"))}
    )


if __name__ == "__main__":
    main()
