"""How many pictures a second each corruption damages on one core.

    python benchmarks/corrupt_speed.py

prints a table and writes benchmarks/results/corrupt_speed.json. Each figure is the median of three runs after
one warm-up, measured in processor time of one thread, so that other work on the machine does not count.
`reference` is the speed of the published per-picture generator at 28 x 28 where it is known.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.datasets import load_digits, load_sample_images  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.corrupt.suite import SUITES, corrupt_array  # noqa: E402

SEED = 0
RUNS = 3
# Pictures a second of google-research/mnist-c's code, one process, 28 x 28 grey.
REFERENCE = {"glass_blur": 82, "motion_blur": 850, "fog": 1000}
OUT = Path(__file__).parent / "results" / "corrupt_speed.json"


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


def picture_sets() -> dict[str, np.ndarray]:
    """2,000 grey digits, 2,000 small colour pieces and 16 large ones of bundled photographs."""
    digits = [
        np.pad(cv2.resize(digit, (20, 20)), 4) for digit in load_digits().images.astype(np.float32) * 16
    ]
    photos = load_sample_images().images
    rng = np.random.default_rng(SEED)

    def pieces(side: int, count: int) -> np.ndarray:
        corners = zip(rng.integers(0, 427 - side, count), rng.integers(0, 640 - side, count), strict=True)
        return np.stack(
            [
                photos[index % 2][top : top + side, left : left + side]
                for index, (top, left) in enumerate(corners)
            ]
        )

    grey = np.resize(np.clip((np.stack(digits) - 90) * 3, 0, 255), (2000, 28, 28)).astype(np.uint8)[..., None]
    return {"28x28 grey": grey, "32x32 colour": pieces(32, 2000), "224x224 colour": pieces(224, 16)}


def measured(images: np.ndarray, name: str, severity: int) -> dict[str, float]:
    """Median, lowest and highest pictures a second."""
    corrupt_array(images[:50], name, severity, np.random.default_rng(SEED))
    speeds = []
    for _ in range(RUNS):
        start = time.process_time()
        corrupt_array(images, name, severity, np.random.default_rng(SEED))
        speeds.append(len(images) / max(time.process_time() - start, 1e-6))
    return {
        "median": round(statistics.median(speeds), 1),
        "lowest": round(min(speeds), 1),
        "highest": round(max(speeds), 1),
    }


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    cv2.setNumThreads(1)
    published = {name: severities[0] for name, severities, _ in SUITES.get("mnist-c").entries}
    kinds = {name: published.get(name, 3) for name, _, _ in SUITES.get("all").entries}
    sets = picture_sets()
    rows = {
        name: {label: measured(images, name, severity) for label, images in sets.items()}
        for name, severity in kinds.items()
    }
    print(
        f"{'pictures a second':18s} severity "
        + " ".join(f"{label:>15s}" for label in sets)
        + "   reference (28x28)"
    )
    for name, row in rows.items():
        known = (
            f"{REFERENCE[name]:8d}, x{row['28x28 grey']['median'] / REFERENCE[name]:.0f}"
            if name in REFERENCE
            else ""
        )
        print(
            f"{name:18s} {kinds[name]:8d} "
            + " ".join(f"{row[label]['median']:15,.0f}" for label in sets)
            + f"   {known}"
        )
    mean = len(published) / sum(1 / rows[name]["28x28 grey"]["median"] for name in published)
    print(f"all 15 of MNIST-C in equal shares, 28x28 grey: {mean:,.0f} pictures a second")
    result = {
        "command": "python benchmarks/corrupt_speed.py",
        "seed": SEED,
        "runs": RUNS,
        "clock": "processor time, one thread",
        "n": {label: len(images) for label, images in sets.items()},
        "machine": {
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "mnist_c_mixture_28x28": round(mean, 1),
        "reference_28x28": REFERENCE,
        "pictures_per_second": {name: {"severity": kinds[name], **row} for name, row in rows.items()},
    }
    write_json(OUT, json.loads(json.dumps(result)))


if __name__ == "__main__":
    main()
