"""How much damage inside picture files is found, how many good photographs are called damaged, what it costs.

    LIGHTFAST_DATA=FOLDER python benchmarks/rotted.py

writes benchmarks/results/rotted.json. FOLDER holds `clothing`, `caltech20`, `intel-scenes` and `smiles`.

False alarms are counted over every JPEG of the four folders as it is, and over photographs of the first three
written anew in other ways. Damage is done to the compressed data of photographs (JPEG: behind the first scan
header; WebP: in the last three quarters of the file): 512 bytes (at most a quarter of the data) overwritten
at random, cut out, or set to zero, and one bit flipped. A damaged file is found when reading refuses it. The
share of flipped bits is also given of those that were named or are seen: that change the picture by more than
two grey levels on average.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from measured import about
from PIL import Image

from lightfast.base.files import write_json
from lightfast.base.randomness import generator
from lightfast.data.decode import decode as decoding
from lightfast.data.decode.decode import UnreadablePicture, decode_bytes
from lightfast.statistics.intervals import wilson

SEED, RUNS, SIDE, LONGEST, BYTES, SEEN = 0, 5, 224, 256, 512, 2.0
FOLDERS = ("clothing", "caltech20", "intel-scenes", "smiles")
OUT = Path(__file__).parent / "results" / "rotted.json"
Rng = np.random.Generator


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def glass(image: Image.Image) -> Image.Image:
    rows, columns = np.mgrid[: image.height, : image.width]
    clear = image.copy()
    clear.putalpha(Image.fromarray(np.clip(np.hypot(rows, columns) * 2, 0, 255).astype(np.uint8)))
    return clear


WRITTEN: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda image: saved(image, "JPEG", quality=85),
    "jpeg, optimised tables": lambda image: saved(image, "JPEG", quality=85, optimize=True),
    "jpeg, progressive": lambda image: saved(image, "JPEG", quality=85, progressive=True),
    "jpeg, restart marks": lambda image: saved(image, "JPEG", quality=85, restart_marker_rows=1),
    "webp": lambda image: saved(image, "WEBP", quality=80),
    "webp, lossless": lambda image: saved(image, "WEBP", lossless=True, method=1),
    "webp, transparent": lambda image: saved(glass(image), "WEBP", quality=80),
    "webp, animated": lambda image: saved(
        image, "WEBP", quality=80, save_all=True, append_images=[image.rotate(10), image.rotate(50)]
    ),
}


def span(content: bytes) -> tuple[int, int]:
    """Where the compressed data are."""
    start = content.find(b"\xff\xda")
    return (start + 14, len(content) - 2) if content[:2] == b"\xff\xd8" else (len(content) // 4, len(content))


def rotten(content: bytes, kind: str, rng: Rng) -> bytes:
    start, end = span(content)
    length = 1 if kind == "one bit flipped" else min(BYTES, (end - start) // 4)
    at = int(rng.integers(start, end - length))
    put = {
        "overwritten": rng.integers(0, 256, length, dtype=np.uint8).tobytes(),
        "cut out": b"",
        "zeros": bytes(length),
        "one bit flipped": bytes([content[at] ^ 1 << int(rng.integers(8))]),
    }[kind]
    return content[:at] + put + content[at + length :]


def read(content: bytes) -> str:
    """The reason why it is refused, or ""."""
    try:
        decode_bytes(content, "a", (32, 32), 3)
    except UnreadablePicture as error:
        return error.reason
    return ""


def share(count: int, n: int) -> dict[str, Any]:
    interval = [round(one, 4) for one in (wilson(count, n).low, wilson(count, n).high)]
    return {"n": n, "count": count, "share": round(count / n, 4) if n else None, "interval_95": interval}


def seen(whole: bytes, damaged: bytes) -> bool:
    """Whether something is seen to be wrong: the pictures differ by more than SEEN grey levels on average."""
    try:
        grey = [np.asarray(Image.open(io.BytesIO(one)).convert("L"), float) for one in (whole, damaged)]
    except Exception:  # noqa: BLE001 - what no longer decodes is seen
        return True
    return grey[0].shape != grey[1].shape or float(np.abs(grey[0] - grey[1]).mean()) > SEEN


def photographs(files: Iterable[Path]) -> list[Image.Image]:
    images = [Image.open(path).convert("RGB") for path in files]
    for image in images:
        image.thumbnail((LONGEST, LONGEST))
    return images


def found(images: list[Image.Image]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, write in WRITTEN.items():
        contents = [write(image) for image in images]
        result[name] = {}
        for kind in ("overwritten", "cut out", "zeros", "one bit flipped"):
            rng = generator(SEED, "rotted", name, kind)
            pairs = [(one, rotten(one, kind, rng)) for one in contents]
            named = [bool(read(damaged)) for _, damaged in pairs]
            result[name][kind] = share(sum(named), len(named))
            if kind == "one bit flipped":
                visible = [hit for hit, pair in zip(named, pairs, strict=True) if hit or seen(*pair)]
                result[name]["one bit flipped, to be seen or named"] = share(sum(visible), len(visible))
    return result


def false_alarms(files: dict[str, list[Path]], images: list[Image.Image]) -> dict[str, Any]:
    alarms = {name: [read(path.read_bytes()) for path in some] for name, some in files.items()}
    alarms |= {f"written as {name}": [read(write(one)) for one in images] for name, write in WRITTEN.items()}
    result: dict[str, Any] = {name: share(sum(map(bool, some)), len(some)) for name, some in alarms.items()}
    total = [reason for some in alarms.values() for reason in some]
    return {**result, "all": share(sum(map(bool, total)), len(total)), "reasons": sorted({*total} - {""})}


def seconds(contents: list[bytes]) -> float:
    best = np.inf
    for _ in range(RUNS):
        start = time.process_time()
        for content in contents:
            decode_bytes(content, "a", (SIDE, SIDE), 3)
        best = min(best, time.process_time() - start)
    return best / len(contents)


def cost(images: list[Image.Image]) -> dict[str, Any]:
    """Processor time a picture at 224 x 224, least of five runs, with and without the look for damage."""
    result: dict[str, Any] = {}
    large = images[0].resize((4000, 3000), Image.Resampling.BICUBIC)
    made = {name: [write(one) for one in images] for name, write in WRITTEN.items()}
    made["png"] = [saved(one, "PNG") for one in images]
    made["jpeg of 12 megapixels"] = [saved(large, "JPEG", quality=92)]
    examine = dict(decoding._EXAMINE)
    for name, contents in made.items():
        looked = seconds(contents)
        decoding._EXAMINE.clear()
        plain = seconds(contents)
        decoding._EXAMINE.update(examine)
        added = round(looked / plain - 1, 3)
        result[name] = {"n": len(contents), "ms": round(looked * 1e3, 3), "ms_without": round(plain * 1e3, 3)}
        result[name]["share_added"] = added
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=400, help="photographs that are written anew and damaged")
    given = parser.parse_args()
    root = Path(os.environ["LIGHTFAST_DATA"])
    files = {name: sorted((root / name).rglob("*.jpg")) for name in FOLDERS}
    pool = [path for name in FOLDERS[:3] for path in files[name]]
    order = generator(SEED, "rotted", "files").permutation(len(pool))[: given.most]
    images = photographs(pool[index] for index in order)
    content = {
        "found": found(images),
        "false_alarms": false_alarms(files, images),
        "cost": cost(images[:100]),
        "seed": SEED,
        "load_average": round(os.getloadavg()[0], 1),
        "provenance": about(", ".join(FOLDERS), SEED, command=["python", *sys.argv]),
    }
    write_json(OUT, content)
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
