"""Near duplicates: which altered copies are found, what is joined falsely, pictures of one scene, cost.

    LIGHTFAST_DATA=FOLDER python benchmarks/near_duplicates.py

prints a table and writes benchmarks/results/near-duplicates.json. FOLDER holds `caltech20`, `clothing`,
`intel-scenes` and `cifar10-20k.npz`. With --only some steps are measured anew, the others stay as they were
written. Pictures are read as `train` reads mixed sizes (96 x 96, centre cropped). The pairs that are found
among the photographs as they are have to be looked at: real sets hold true near duplicates. What a picture
costs by their number is measured on real ones of 32 x 32 (CIFAR-10), and on blends of a cut-out of one
photograph with a cut-out of another, of which none is a copy. Seconds are of the processor, so that other
work on the machine counts less.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from measured import about, commit  # noqa: E402
from near_duplicate_pictures import COPIES, SCENES, Alter, scene_pictures  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.base.progress import silent  # noqa: E402
from lightfast.data.decode.decode import decode_bytes, decode_file  # noqa: E402
from lightfast.data.decode.unreadable import UnreadablePicture  # noqa: E402
from lightfast.data.duplicates.closer import look_closer  # noqa: E402
from lightfast.data.duplicates.hashes import THUMBNAIL_SIDE, candidates  # noqa: E402
from lightfast.data.duplicates.looks import make_looks  # noqa: E402
from lightfast.data.duplicates.search import near_duplicates  # noqa: E402
from lightfast.data.images import ImageSet  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402
from lightfast.statistics.intervals import wilson  # noqa: E402

SEED, SIDE, COPIED, OF_A_SCENE = 0, 96, 120, 60
SETS = ("caltech20", "clothing", "intel-scenes")
LOOK_ALIKES = (450, 900, 1800, 3600, 7200)
HASHED = (5_000, 20_000, 50_000, 100_000, 200_000)
SMALL = (1_250, 5_000, 10_000, 20_000)
BLENDED, BLEND_SIDE, BLEND = (10_000, 50_000, 200_000), 64, 0.6
OUT = Path(__file__).parent / "results" / "near-duplicates.json"


def photographs(folder: Path) -> tuple[list[Path], NDArray[np.uint8]]:
    """Every readable file of the sets, and its picture."""
    files, images = [], []
    for path in sorted(path for name in SETS for path in (folder / name).rglob("*.jpg")):
        try:
            images.append(decode_file(path, (SIDE, SIDE), 3))
        except UnreadablePicture:
            continue
        files.append(path)
    return files, np.stack(images)


def altered(path: Path, alter: Alter, row: int) -> NDArray[np.uint8]:
    """A copy of one file, through a JPEG file."""
    buffer = io.BytesIO()
    with Image.open(path) as opened:
        alter(opened.convert("RGB"), np.random.default_rng([SEED, row])).save(buffer, "JPEG", quality=85)
    return decode_bytes(buffer.getvalue(), path.name, (SIDE, SIDE), 3)


def recall(files: list[Path], images: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Copies found by kind, and different pictures joined on the way."""
    rows = np.random.default_rng(SEED).choice(len(files), COPIED, replace=False)
    told = []
    for kind, alter in COPIES.items():
        copies = np.stack([altered(files[row], alter, int(row)) for row in rows])
        numbers = near_duplicates([ImageSet(np.concatenate([images[rows], copies]))]).numbers(2 * COPIED)
        found = int((numbers[:COPIED] == numbers[COPIED:]).sum())
        told.append({"kind": kind, "found": found, "n": COPIED, "interval": list(wilson(found, COPIED))})
    return told


def scenes() -> list[dict[str, Any]]:
    """Of different pictures of one scene under two labels: how many were joined, and across labels."""
    told = []
    for name, draw in SCENES.items():
        images, labels = scene_pictures(draw, OF_A_SCENE, SEED)
        found = near_duplicates([ImageSet(images, ("no", "yes"), labels)])
        across = sum(len({int(labels[row]) for row in group}) > 1 for group in found.groups)
        joined, largest = sum(map(len, found.groups)), max(map(len, found.groups), default=0)
        told.append({"scene": name, "n": OF_A_SCENE, "joined": joined, "largest": largest, "across": across})
    return told


def look_alikes() -> list[dict[str, Any]]:
    """Seconds for many different pictures of one camera."""
    told = []
    for count in LOOK_ALIKES:
        images, labels = scene_pictures(SCENES["fixed camera"], count, SEED)
        started = time.process_time()
        near_duplicates([ImageSet(images, ("no", "yes"), labels)])
        told.append({"n": count, "seconds": round(time.process_time() - started, 2)})
    return told


def hashed() -> list[dict[str, Any]]:
    """Milliseconds a picture of hashing and looking up: thumbnails with the spectrum of photographs (1/f)."""
    told = []
    frequency = np.hypot(np.fft.fftfreq(THUMBNAIL_SIDE)[:, None], np.fft.rfftfreq(THUMBNAIL_SIDE)[None])
    weight = 1 / np.maximum(frequency, 1 / THUMBNAIL_SIDE) ** 1.5
    for count in HASHED:
        rng, thumbs = np.random.default_rng(SEED), np.empty((count, *weight.shape[:1] * 2), dtype=np.uint8)
        for start in range(0, count, 1000):
            noise = rng.normal(size=(1000, THUMBNAIL_SIDE, THUMBNAIL_SIDE))
            pixels = np.fft.irfft2(np.fft.rfft2(noise) * weight, s=noise.shape[1:])
            scale = pixels.std(axis=(1, 2), keepdims=True)
            thumbs[start : start + 1000] = np.clip(128 + 50 * pixels / scale, 0, 255)
        started = time.process_time()
        found = len(candidates(thumbs, silent))
        spent = time.process_time() - started
        told.append(
            {"n": count, "milliseconds_a_picture": round(1000 * spent / count, 3), "candidates": found}
        )
    return told


def stages(images: NDArray[np.uint8]) -> dict[str, Any]:
    """Milliseconds a picture of each stage of a search, pairs that were proposed, and pictures cut short."""
    times = [time.process_time()]
    looks = make_looks([ImageSet(images)], np.arange(len(images)), silent)
    times.append(time.process_time())
    proposed = candidates(looks.thumbs, silent, looks.owners)
    times.append(time.process_time())
    closer = look_closer(looks, proposed, silent)
    times.append(time.process_time())
    spent = [round(1000 * seconds / len(images), 3) for seconds in np.diff(times).tolist()]
    return {
        "n": len(images),
        "milliseconds_a_picture": dict(zip(("shrink", "propose", "look_closer"), spent, strict=True)),
        "total": round(sum(spent), 3),
        "candidates": len(proposed),
        "look_alikes": len(closer.alike),
        "cut": closer.cut,
    }


def small_pictures(folder: Path) -> list[dict[str, Any]]:
    """By number of real pictures of 32 x 32."""
    with np.load(folder / "cifar10-20k.npz") as held:
        images = np.concatenate([held["train_images"], held["test_images"]])
    drawn = np.random.default_rng(SEED).permutation(len(images))
    return [stages(images[np.sort(drawn[:count])]) for count in SMALL]


def cut_out(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half of a picture's area or more, mirrored or not."""
    side = int(rng.integers(round(0.7 * SIDE), SIDE + 1))
    top, left = rng.integers(0, SIDE - side + 1, 2)
    part = Image.fromarray(image[top : top + side, left : left + side])
    small = np.asarray(part.resize((BLEND_SIDE, BLEND_SIDE), Image.Resampling.BILINEAR))
    return small[:, ::-1] if rng.random() < 0.5 else small


def blends(images: NDArray[np.uint8], most: int) -> list[dict[str, Any]]:
    """By number of pictures that are blended of two real ones, on disk while they are searched."""
    rng, told = np.random.default_rng(SEED), []
    counts = [count for count in BLENDED if count <= most]
    with tempfile.TemporaryDirectory() as name:
        shape = (max(counts), BLEND_SIDE, BLEND_SIDE, 3)
        made = np.lib.format.open_memmap(Path(name) / "blends.npy", "w+", np.uint8, shape)
        for row in range(len(made)):
            one, other = (cut_out(images[at], rng) for at in rng.choice(len(images), 2, replace=False))
            made[row] = BLEND * one + (1 - BLEND) * other
        for count in counts:
            told.append(stages(made[:count]))
            print(told[-1], flush=True)
    return told


def main() -> None:
    """Measure everything, print it, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="STEP")
    parser.add_argument("--most", type=int, default=max(BLENDED), help="blends at most")
    given = parser.parse_args()
    only = given.only
    folder = Path(os.environ["LIGHTFAST_DATA"])
    files, images = photographs(folder)
    steps: dict[str, Callable[[], Any]] = {
        "pairs_among_photographs": lambda: pairs(files, images, folder),
        "recall": lambda: recall(files, images),
        "scenes": scenes,
        "look_alikes": look_alikes,
        "hashed": hashed,
        "small_pictures": lambda: small_pictures(folder),
        "blends": lambda: blends(images, given.most),
    }
    told: dict[str, Any] = json.loads(OUT.read_text(encoding="utf-8")) if only else {}
    words = ["LIGHTFAST_DATA=FOLDER", "python", "benchmarks/near_duplicates.py", *sys.argv[1:]]
    told.setdefault("command", " ".join(words))
    told |= {
        "seed": SEED,
        "n": {"photographs": len(files), "copied": COPIED},
        "intervals": "95 %, Wilson",
        "machine": {"cpu": cpu_name(), "python": platform.python_version(), "threads": 1},
        "made": about("", SEED, None, words, clock="processor time, one thread"),
    }
    for name in only or steps:
        told[name] = steps[name]()
        told.setdefault("steps_made_at", {})[name] = [*sys.argv[1:], commit()]
        print(name, *told[name], sep="\n  ", flush=True)
        write_json(OUT, told)


def pairs(files: list[Path], images: NDArray[np.uint8], folder: Path) -> list[list[str]]:
    """The pairs that join groups among the photographs as they are."""
    names = [str(path.relative_to(folder)) for path in files]
    found = near_duplicates([ImageSet(images)])
    return [[names[row] for row in pair.rows] for pair in found.pairs]


if __name__ == "__main__":
    main()
