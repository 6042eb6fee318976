"""Frames a second of the interactive map while it is moved and zoomed, in a real browser.

    python benchmarks/map_page.py [--points 50000] [--browser /usr/bin/chromium]

Needs the package playwright and a Chromium. Writes a page of so many points (random groups, a small picture
of noise each), drags and zooms on it for some seconds with the mouse, and takes the times between the frames
that the browser grants (requestAnimationFrame) while input comes in. Prints and writes the median, the 95th
percentile and frames a second to benchmarks/results/map_page.json, with the time until the map stands.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measured import about

from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.report.page import Section, write_page
from lightfast.report.picture_map import PictureMap, packed, packed_places, tile_sheets

OUT = Path(__file__).parent / "results" / "map_page.json"
GROUPS = 40
_FRAMES = """() => { window.frames_ = []; let last = performance.now();
const tick = (now) => { window.frames_.push(now - last); last = now; requestAnimationFrame(tick); };
requestAnimationFrame(tick); }"""

_DRAWN = """() => { const map = document.querySelector('.picture-map').pictureMap, times = [];
for (let turn = 0; turn < 60; turn++) { const start = performance.now();
map.painter.draw({ k: map.whole, x: 30 + turn, y: 30, size: 3 }); map.overlay();
times.push(performance.now() - start); } return times; }"""


def page(path: Path, points: int, seed: int) -> Path:
    """A page with a map of random groups."""
    rng = generator(seed, "map page")
    group = rng.integers(0, GROUPS, points)
    places = 6 * rng.normal(size=(GROUPS, 2))[group] + 0.8 * rng.normal(size=(points, 2))
    known = {"name": "", "purity": 0.9, "short": "", "says": ""}
    data: dict[str, Any] = {
        "n": points,
        "xy": packed_places(places),
        "cluster": packed(group),
        "core": packed(rng.random(points) < 0.65, "u1"),
        "label": None,
        "labels": [],
        "clusters": [known] * GROUPS,
        "ids": [f"picture-{row}.jpg" for row in range(points)],
        "contents": "0" * 32 * points,
        "tiles": tile_sheets(rng.integers(0, 256, (points, 24, 24, 3), dtype=np.uint8)),
    }
    return write_page(path, "Map", "", [Section("Map", (PictureMap(data),))], {"seed": seed})


def moved(shown: Any, box: dict[str, float], seconds: float) -> None:
    """Drag in circles, then zoom in and out."""
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    shown.mouse.move(*middle)
    shown.mouse.down()
    end, turn = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        turn += 0.2
        shown.mouse.move(middle[0] + 120 * np.cos(turn), middle[1] + 120 * np.sin(turn))
    shown.mouse.up()
    end, turn = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        turn += 0.2
        shown.mouse.wheel(0, float(-120 * np.sign(np.sin(turn))))


def measured(browser: Any, path: Path, painter: str, seconds: float) -> dict[str, Any]:
    """Times of one painter on one page."""
    shown = browser.new_page(viewport={"width": 1280, "height": 900})
    started = time.perf_counter()
    shown.goto(f"{path.as_uri()}?painter={painter}" if painter else path.as_uri(), timeout=180_000)
    shown.wait_for_function("document.querySelector('.picture-map').pictureMap", timeout=180_000)
    ready = time.perf_counter() - started
    shown.locator(".map-view").scroll_into_view_if_needed()
    shown.wait_for_timeout(1_000)
    shown.evaluate(_FRAMES)
    moved(shown, shown.locator(".map-view").bounding_box(), seconds)
    frames = np.array(shown.evaluate("window.frames_"))[3:]
    own = shown.evaluate(_DRAWN)
    name = shown.evaluate("document.querySelector('.picture-map').dataset.painter")
    shown.close()
    return {
        "painter": name,
        "seconds_to_ready": round(ready, 2),
        "frames": len(frames),
        "frame_ms_median": round(float(np.median(frames)), 2),
        "frame_ms_p95": round(float(np.quantile(frames, 0.95)), 2),
        "frames_a_second": round(1000 / float(frames.mean()), 1),
        "drawing_ms_median": round(float(np.median(own)), 2),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = page(Path(folder, "map.html"), given.points, given.seed)
        browser = playwright.chromium.launch(executable_path=given.browser, args=["--no-sandbox"])
        rows = [measured(browser, path, painter, given.seconds) for painter in ("", "canvas", "webgl")]
        shared = {"points": given.points, "megabytes": round(path.stat().st_size / 2**20, 1)}
        shared |= {"browser": browser.version, "load_average": round(os.getloadavg()[0], 1), "rows": rows}
        browser.close()
    for row in rows:
        print(row)
    command = ["python", "benchmarks/map_page.py", "--points", str(given.points)]
    write_json(OUT, {**shared, **as_json(about("", given.seed, None, command))})


if __name__ == "__main__":
    main()
