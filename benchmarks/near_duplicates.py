"""Near duplicates: which altered copies are found, what is joined falsely, pictures of one scene, cost.

    LIGHTFAST_DATA=FOLDER python benchmarks/near_duplicates.py

prints a table and writes benchmarks/results/near-duplicates.json. FOLDER holds `caltech20`, `clothing` and
`intel-scenes`. Pictures are read as `train` reads mixed sizes (96 x 96, centre cropped). The pairs that are
found among the photographs as they are have to be looked at: real sets hold true near duplicates. Seconds are
of the processor, so that other work on the machine counts less.
"""

from __future__ import annotations

import io
import os
import platform
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from measured import about  # noqa: E402
from near_duplicate_pictures import COPIES, SCENES, Alter, scene_pictures  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.base.progress import silent  # noqa: E402
from lightfast.data.decode.decode import decode_bytes, decode_file  # noqa: E402
from lightfast.data.decode.unreadable import UnreadablePicture  # noqa: E402
from lightfast.data.duplicates.hashes import THUMBNAIL_SIDE, candidates  # noqa: E402
from lightfast.data.duplicates.search import near_duplicates  # noqa: E402
from lightfast.data.images import ImageSet  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402
from lightfast.statistics.intervals import wilson  # noqa: E402

SEED, SIDE, COPIED, OF_A_SCENE = 0, 96, 120, 60
SETS = ("caltech20", "clothing", "intel-scenes")
LOOK_ALIKES = (450, 900, 1800, 3600, 7200)
HASHED = (5_000, 20_000, 50_000, 100_000, 200_000)
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


def main() -> None:
    """Measure everything, print it, and write the results."""
    folder = Path(os.environ["LIGHTFAST_DATA"])
    files, images = photographs(folder)
    found = near_duplicates([ImageSet(images)])
    names = [str(path.relative_to(folder)) for path in files]
    told: dict[str, Any] = {
        "command": "LIGHTFAST_DATA=FOLDER python benchmarks/near_duplicates.py",
        "seed": SEED,
        "n": {"photographs": len(files), "copied": COPIED},
        "intervals": "95 %, Wilson",
        "made": about(),
        "machine": {"cpu": cpu_name(), "python": platform.python_version(), "threads": 1},
    }
    told["pairs_among_photographs"] = [[names[row] for row in pair.rows] for pair in found.pairs]
    steps = {
        "recall": lambda: recall(files, images),
        "scenes": scenes,
        "look_alikes": look_alikes,
        "hashed": hashed,
    }
    for name, step in steps.items():
        told[name] = step()
        print(name, *told[name], sep="\n  ", flush=True)
        write_json(OUT, told)


if __name__ == "__main__":
    main()
