"""How many pictures a second each corruption damages on one core.

    python -m benchmarks corrupt_speed
    python benchmarks/corrupt_speed.py [--peer PYTHON]

prints a table and writes benchmarks/results/corrupt_speed.json. Each figure is the median of the rounds after
one warm-up, measured in processor time of one thread, so that other work on the machine counts little. With
--peer (an interpreter that has `imagecorruptions`) every round measures ours, then the peer's on the same
224-pixel pictures; a ratio is of one round. `reference` is the speed of the published per-picture generator
at 28 x 28 where it is known.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from measured import about  # noqa: E402
from sklearn.datasets import load_digits, load_sample_images  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.corrupt.suite import SUITES, corrupt_array  # noqa: E402

SEED = 0
ROUNDS = 5
PEER_KINDS = [
    name for suite in ("imagenet-c", "imagenet-c-extra") for name, _, _ in SUITES.get(suite).entries
]
LARGE = "224x224 colour"
# Pictures a second of google-research/mnist-c's code, one process, 28 x 28 grey.
REFERENCE = {"glass_blur": 82, "motion_blur": 850, "fog": 1000}
OUT = Path(__file__).parent / "results" / "corrupt_speed.json"


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


def speed(images: np.ndarray, name: str, severity: int) -> float:
    """Pictures a second of one run, after one of few pictures to warm up."""
    corrupt_array(images[:50], name, severity, np.random.default_rng(SEED))
    start = time.process_time()
    corrupt_array(images, name, severity, np.random.default_rng(SEED))
    return len(images) / max(time.process_time() - start, 1e-6)


def of_peer(python: str, images: np.ndarray, severities: dict[str, int]) -> dict[str, float]:
    """Pictures a second of the peer, by kind."""
    with tempfile.TemporaryDirectory() as folder:
        pictures, wanted = Path(folder) / "pictures.npy", Path(folder) / "severities.json"
        np.save(pictures, images)
        wanted.write_text(json.dumps(severities))
        script = Path(__file__).with_name("corrupt_peer.py")
        words = [python, str(script), str(pictures), str(wanted)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=1800, check=True)
    return {name: 1 / seconds for name, seconds in json.loads(done.stdout).items()}


def spread(values: list[float], digits: int = 1) -> dict[str, float]:
    """Median, lowest and highest."""
    found = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def rounds_of(
    sets: dict[str, np.ndarray], kinds: dict[str, int], peer: str | None, rounds: int
) -> tuple[dict[str, dict[str, list[float]]], dict[str, list[float]]]:
    """(pictures a second by kind and set, those of the peer by kind), a number a round."""
    ours: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    theirs: dict[str, list[float]] = defaultdict(list)
    wanted = {name: kinds[name] for name in PEER_KINDS}
    for _ in range(rounds):
        for name, severity in kinds.items():
            for label, images in sets.items():
                ours[name][label].append(speed(images, name, severity))
        for name, value in (of_peer(peer, sets[LARGE][:4], wanted) if peer else {}).items():
            theirs[name].append(value)
    return ours, theirs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", help="an interpreter with imagecorruptions (benchmarks/peers.txt)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    published = {name: severities[0] for name, severities, _ in SUITES.get("mnist-c").entries}
    kinds = {name: published.get(name, 3) for name, _, _ in SUITES.get("all").entries}
    sets = picture_sets()
    ours, theirs = rounds_of(sets, kinds, given.peer, given.rounds)
    rows = {name: {label: spread(values) for label, values in found.items()} for name, found in ours.items()}
    ratios = {
        name: {
            "severity": kinds[name],
            "peer": spread(values),
            "times": spread([a / b for a, b in zip(ours[name][LARGE], values, strict=True)], 2),
        }
        for name, values in theirs.items()
    }
    show(rows, kinds, ratios)
    mean = len(published) / sum(1 / rows[name]["28x28 grey"]["median"] for name in published)
    print(f"all 15 of MNIST-C in equal shares, 28x28 grey: {mean:,.0f} pictures a second")
    result = {
        "n": {label: len(images) for label, images in sets.items()},
        "rounds": given.rounds,
        "spread": "median, lowest and highest of the rounds",
        "mnist_c_mixture_28x28": round(mean, 1),
        "reference_28x28": REFERENCE,
        "pictures_per_second": {name: {"severity": kinds[name], **row} for name, row in rows.items()},
        "made": about("digits and photographs of scikit-learn", SEED, clock="processor time, one thread"),
    }
    if ratios:
        median = statistics.median(row["times"]["median"] for row in ratios.values())
        result["beside_imagecorruptions_224"] = {
            "peer": "imagecorruptions 1.1.2",
            "median": round(median, 2),
            "rows": ratios,
        }
    write_json(OUT, result)


def show(rows: dict, kinds: dict[str, int], ratios: dict) -> None:
    """The table."""
    labels = list(next(iter(rows.values())))
    print(
        f"{'pictures a second':18s} severity "
        + " ".join(f"{label:>15s}" for label in labels)
        + "   times the peer"
    )
    for name, row in rows.items():
        beside = f"{ratios[name]['times']['median']:8.2f}" if name in ratios else ""
        print(
            f"{name:18s} {kinds[name]:8d} "
            + " ".join(f"{row[label]['median']:15,.0f}" for label in labels)
            + f"   {beside}"
        )


if __name__ == "__main__":
    main()
