"""How many planted flaws `curate` finds in photographs, and how many untouched ones it calls flawed.

    LIGHTFAST_DATA=FOLDER python benchmarks/flaws.py

writes benchmarks/results/flaws.json. FOLDER holds `caltech20`, `clothing` and `intel-scenes`.

Of each set PICTURES photographs are drawn at the size at which `curate` looks (longest side 224); PLANTED of
them are damaged in one way at a time and put back among the others. Found: the damaged ones that are called
by the name of their flaw. False: the untouched pictures of the whole draw that are called anything, each of
which may really be dark or blurred; nobody has looked at them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measured import about
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from lightfast.base.files import write_json
from lightfast.base.randomness import generator
from lightfast.corrupt.suite import corrupt_array
from lightfast.curate.flaws import find_flaws, picture_statistics
from lightfast.data.dataset import ImageSpec
from lightfast.data.ingest import load_splits
from lightfast.statistics.intervals import wilson

SEED, PICTURES, PLANTED = 0, 400, 60
SETS = ("caltech20", "clothing", "intel-scenes/train")
OUT = Path(__file__).parent / "results" / "flaws.json"
Pictures = NDArray[np.uint8]


def blurred(sigma: float) -> Callable[[Pictures], Pictures]:
    return lambda images: gaussian_filter(images, (0, sigma, sigma, 0))


def corrupted(name: str, severity: int) -> Callable[[Pictures], Pictures]:
    return lambda images: corrupt_array(images, name, severity, generator(SEED, "flaws", name))


PLANT: dict[str, tuple[str, Callable[[Pictures], Pictures]]] = {
    "blur of 2 pixels": ("blurred", blurred(2)),
    "blur of 4 pixels": ("blurred", blurred(4)),
    "defocus, severity 3": ("blurred", corrupted("defocus_blur", 3)),
    "motion, severity 4": ("blurred", corrupted("motion_blur", 4)),
    "light divided by 4": ("dark", lambda images: images // 4),
    "light divided by 8": ("dark", lambda images: images // 8),
    "white washed to a tenth": ("glaring", lambda images: 229 + images // 10),
    "contrast, severity 5": ("plain", corrupted("contrast", 5)),
}


def share(count: int, n: int) -> dict[str, Any]:
    interval = wilson(count, n)
    return {
        "n": n,
        "count": count,
        "share": round(count / n, 4),
        "interval_95": [round(one, 4) for one in interval],
    }


def measured(folder: Path) -> dict[str, Any]:
    images = load_splits(folder, ImageSpec(largest_side=224)).part("all")
    rows = np.sort(generator(SEED, "flaws", folder.name).permutation(len(images))[:PICTURES])
    pictures = np.ascontiguousarray(images.images[rows])
    kinds = {one.row: one.kind for one in find_flaws(picture_statistics(pictures))}
    result: dict[str, Any] = {"false": share(len(kinds), len(pictures)), "false_rows": {}}
    result["false_rows"] = {images.ids[rows[row]]: kind for row, kind in kinds.items()}
    result["found"] = {}
    for name, (kind, plant) in PLANT.items():
        damaged = pictures.copy()
        damaged[:PLANTED] = plant(pictures[:PLANTED])
        named = {one.row for one in find_flaws(picture_statistics(damaged)) if one.kind == kind}
        result["found"][name] = share(sum(row < PLANTED for row in named), PLANTED)
    return result


def main() -> None:
    folder = os.environ.get("LIGHTFAST_DATA")
    if not folder:
        sys.exit("LIGHTFAST_DATA is not set: it names the folder with the sets")
    sets = {name: measured(Path(folder, name)) for name in SETS}
    facts = about(", ".join(SETS), SEED, command=["python", *sys.argv])
    write_json(
        OUT, {"sets": sets, "pictures": PICTURES, "planted": PLANTED, "seed": SEED, "provenance": facts}
    )
    for name, one in sets.items():
        print(
            name, "false", one["false"]["count"], {key: value["share"] for key, value in one["found"].items()}
        )


if __name__ == "__main__":
    main()
