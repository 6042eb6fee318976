"""How fast picture files become arrays, and how much memory a library larger than memory takes.

    python benchmarks/ingest_speed.py --library 20000        the library; leaves nothing behind
    python benchmarks/ingest_speed.py --folder clothing      pictures a second of a folder in LIGHTFAST_DATA

`--library N` writes N different JPEG files of 320 x 256 in four classes into a temporary folder (photographs
of LIGHTFAST_DATA/clothing, or smooth colours where there are none; every file gets squares of its own
colours). Then, each in a process of its own: it reads them at 224 x 224 x 3 (first start), reads them again
(second start), and divides them into train, val and test and goes through all batches of 64 once, adding up
the pixels. `peak_gb` is the most resident memory that the kernel counted (VmHWM, pages of mapped files
included).

`--folder` measures decoding to 224 x 224 x 3 with one and with two threads (median, lowest and highest of
five runs after one), and where the processor time goes; and one photograph of 12 megapixels decoded whole and
with the scaled decoding of JPEG.

Both write their part of benchmarks/results/ingest-speed.json.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measured import about
from PIL import Image

from lightfast.base.files import load_json, write_json
from lightfast.base.randomness import generator
from lightfast.data.dataset import Entry, ImageSpec, Unreadable
from lightfast.data.decode.decode import decode_bytes, decode_file, load_header
from lightfast.data.decode.stream import stream_pictures
from lightfast.data.lists.class_folders import load_class_folders
from lightfast.data.splits import split

SEED, SIDE, BATCH, RUNS = 0, 224, 64, 5
CLASSES = ("east", "north", "south", "west")
LIMIT_GB = 2.0
WANTED = 100_000
OUT = Path(__file__).parent / "results" / "ingest-speed.json"


def peak_gb() -> float:
    """Most resident memory that this process ever had, in GB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e9


def photographs() -> list[np.ndarray]:
    """Up to 60 pictures of 256 x 320 x 3."""
    folder = Path(os.environ.get("LIGHTFAST_DATA", ".")) / "clothing"
    files = sorted(folder.rglob("*.jpg"))[::25][:60]
    if files:
        return [np.asarray(Image.open(file).convert("RGB").resize((320, 256))) for file in files]
    small = generator(SEED, "ingest speed", "pictures").integers(0, 256, (60, 6, 8, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(one).resize((320, 256), Image.Resampling.BICUBIC)) for one in small]


def write_library(root: Path, count: int) -> int:
    """`count` different JPEG files in four class folders; their bytes."""
    base, total = photographs(), 0
    rng = generator(SEED, "ingest speed", "squares")
    for number in range(count):
        pixels = base[number % len(base)].copy()
        pixels[:64, :96] = (
            rng.integers(0, 256, (4, 6, 3), dtype=np.uint8).repeat(16, axis=0).repeat(16, axis=1)
        )
        path = root / CLASSES[number % len(CLASSES)] / f"{number // 1000:03d}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=85)
        total += path.stat().st_size
    return total


def stage(name: str, root: Path) -> dict[str, float]:
    """One start in this process: "read", or "use" (read again, divide, go through all batches)."""
    before, start = peak_gb(), time.perf_counter()
    loaded = load_class_folders(root, ImageSpec((SIDE, SIDE), 3))
    seconds = {"read_seconds": time.perf_counter() - start}
    if name == "use":
        start = time.perf_counter()
        splits = split(loaded.train, val=0.1, test=0.2, seed=SEED)
        seconds["split_seconds"] = time.perf_counter() - start
        start = time.perf_counter()
        total = 0
        rng = generator(SEED, "ingest speed", "order")
        for images in (splits.train, splits.val, splits.test):
            order = rng.permutation(len(images))
            for first in range(0, len(images), BATCH):
                total += int(images.images[order[first : first + BATCH]].sum())
        seconds["batches_seconds"] = time.perf_counter() - start
        seconds["mean_pixel"] = total / (len(loaded.train) * SIDE * SIDE * 3)
    return {
        **{name: round(value, 3) for name, value in seconds.items()},
        "before_gb": round(before, 3),
        "peak_gb": round(peak_gb(), 3),
    }


def in_new_process(name: str, root: Path, cache: Path) -> dict[str, float]:
    """`stage` with a peak of its own."""
    words = [sys.executable, __file__, "--stage", name, "--root", str(root)]
    done = subprocess.run(
        words, check=True, capture_output=True, text=True, env={**os.environ, "LIGHTFAST_CACHE": str(cache)}
    )
    return json.loads(done.stdout)


def library(count: int, folder: Path | None) -> dict[str, Any]:
    """The three starts over `count` files; everything is deleted afterwards."""
    place = Path(tempfile.mkdtemp(prefix="ingest-speed-", dir=folder))
    try:
        start = time.perf_counter()
        nbytes = write_library(place / "library", count)
        written = time.perf_counter() - start
        first, second, use = (
            in_new_process(name, place / "library", place / "cache") for name in ("read", "read", "use")
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)
    pixels = count * SIDE * SIDE * 3 / 1e9
    peak = max(first["peak_gb"], second["peak_gb"], use["peak_gb"])
    return {
        "pictures": count,
        "jpeg_gb": round(nbytes / 1e9, 3),
        "pixels_gb": round(pixels, 3),
        "write_seconds": round(written, 1),
        "first_start": first,
        "second_start": second,
        "split_and_batches": use,
        "peak_gb": peak,
        "limit_gb": LIMIT_GB,
        "pictures_per_second_first_start": round(count / first["read_seconds"], 1),
        **(
            {}
            if count >= WANTED
            else {
                f"extrapolated_peak_gb_for_{WANTED}": round(
                    max(
                        one["before_gb"] + (one["peak_gb"] - one["before_gb"]) * WANTED / count
                        for one in (first, second, use)
                    ),
                    3,
                ),
                "note": f"{count} files were measured; the figure for {WANTED} takes all memory beyond "
                "Python itself as growing with them",
            }
        ),
    }


def speeds(works: dict[str, Callable[[], None]], count: int) -> dict[str, dict[str, float]]:
    """Median, lowest and highest pictures a second by the clock; the works take turns,
    so that other work on the machine meets all.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for run in range(RUNS + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            found[name] += [count / (time.perf_counter() - start)] if run else []
    return {
        name: {
            "median": round(statistics.median(some), 1),
            "lowest": round(min(some), 1),
            "highest": round(max(some), 1),
        }
        for name, some in found.items()
    }


def milliseconds(work: Callable[[], object], count: int) -> float:
    """Processor time a picture, the least of five runs."""
    found = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        found.append((time.process_time() - start) * 1000 / count)
    return round(min(found), 3)


def folder_speed(name: str, most: int) -> dict[str, Any]:
    """Pictures a second of one folder, and the parts of the time."""
    files = sorted((Path(os.environ["LIGHTFAST_DATA"]) / name).rglob("*.jpg"))
    files = files[:: max(1, len(files) // most)][:most]
    entries = [Entry(path, path.name, 0) for path in files]
    opened = [Image.open(io.BytesIO(path.read_bytes())).convert("RGB") for path in files]
    resized = [image.resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in opened]
    count = len(files)

    def streamed(jobs: int) -> None:
        for _, picture in stream_pictures(entries, (SIDE, SIDE), 3, jobs):
            assert not isinstance(picture, Unreadable)

    whole = milliseconds(lambda: [decode_file(path, (SIDE, SIDE), 3) for path in files], count)
    return {
        "folder": name,
        "n": count,
        "median_size": [int(side) for side in np.median([image.size for image in opened], axis=0)],
        "pictures_per_second": {
            **speeds({"1 thread": lambda: streamed(1), "2 threads": lambda: streamed(2)}, count),
            "by processor time, one core": round(1000 / whole, 1),
        },
        "milliseconds_a_picture": {
            "all of it": whole,
            "header": milliseconds(lambda: [load_header(path) for path in files], count),
            "open and decode": milliseconds(
                lambda: [Image.open(io.BytesIO(path.read_bytes())).load() for path in files], count
            ),
            "resize": milliseconds(
                lambda: [image.resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in opened], count
            ),
            "to an array": milliseconds(lambda: [np.array(image) for image in resized], count),
        },
    }


def twelve_megapixels() -> dict[str, Any]:
    """One photograph of 4000 x 3000 to 224 x 224: as `decode_file` does it, and decoded whole."""
    rng = generator(SEED, "ingest speed", "grain")
    large = Image.fromarray(photographs()[7]).resize((4000, 3000), Image.Resampling.BICUBIC)
    grainy = np.clip(
        np.asarray(large).astype(np.int16) + rng.integers(-12, 13, (3000, 4000, 1)), 0, 255
    ).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grainy).save(stream, "JPEG", quality=92)
    data = stream.getvalue()

    def whole() -> np.ndarray:
        box = (500, 0, 3500, 3000)
        return np.asarray(
            Image.open(io.BytesIO(data))
            .convert("RGB")
            .resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
        )

    error = float(np.mean((decode_bytes(data, "photograph", (SIDE, SIDE), 3).astype(float) - whole()) ** 2))
    return {
        "jpeg_mb": round(len(data) / 1e6, 2),
        "decode_file_ms": milliseconds(lambda: decode_bytes(data, "p", (SIDE, SIDE), 3), 1),
        "decoded_whole_ms": milliseconds(whole, 1),
        "psnr_between_them": round(10 * float(np.log10(255**2 / error)), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--library", type=int, metavar="N")
    parser.add_argument("--folder", metavar="NAME")
    parser.add_argument("--most", type=int, default=400, help="pictures of the folder that are used")
    parser.add_argument("--place", type=Path, help="where the temporary library is written")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        print(json.dumps(stage(given.stage, given.root)))
        return
    content = load_json(OUT) if OUT.exists() else {}
    if given.library:
        content["library"] = library(given.library, given.place)
    if given.folder:
        content["decoding"] = {
            **folder_speed(given.folder, given.most),
            "photograph_of_12_megapixels": twelve_megapixels(),
        }
    for part in [part for part, asked in (("library", given.library), ("decoding", given.folder)) if asked]:
        # Speeds by the clock share the cores with whatever else runs.
        data = "files made on the spot" if part == "library" else given.folder
        facts = about(data, SEED, command=["python", *sys.argv])
        content[part] |= {"seed": SEED, "load_average": round(os.getloadavg()[0], 1), "provenance": facts}
    write_json(OUT, content)
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
