"""Is it looking at the background? What `background` says of planted biases, of none, and of photographs.

    python benchmarks/background.py [--runs runs/background] [--limit 400] [--seed 0]

Shapes on coloured grounds: the colour tells the class, or says nothing, three trainings of the small CNN
each (600 training, 300 test pictures). Photographs: Lite0, its backbone frozen, at 96 pixels on Intel scenes,
and on the first 3,000 training and 1,000 test pictures of cifar10-20k, where they are in the data folder; the
runs, and what was measured of each part, are kept in --runs: a second start measures only what is missing.
Prints and writes benchmarks/results/background.json.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measured import about

from lightfast.base.files import write_json
from lightfast.base.folders import data_folder
from lightfast.base.plain import as_json
from lightfast.data.dataset import LoadedData
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.data.ingest import load_splits
from lightfast.explain.background import check_background
from lightfast.runs.background import background_run
from lightfast.runs.options import RunOptions
from lightfast.runs.train import train_run
from lightfast.studies.registry import kept
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe, Training

OUT = Path(__file__).parent / "results" / "background.json"
SIDE, NAMES = 24, ("disc", "square", "frame", "ring")
COLOURS = np.array([[200, 60, 60], [60, 180, 60], [60, 80, 200], [190, 180, 40]])
CIFAR = "cifar10-20k"


def shapes(n: int, seed: int, biased: bool) -> ImageSet:
    """Dark or bright shapes on coloured grounds; `biased`: the colour of the ground tells the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(NAMES), size=n)
    ground = COLOURS[labels if biased else rng.integers(len(NAMES), size=n)][:, None, None]
    images = ground + rng.normal(0, 12, (n, SIDE, SIDE, 3))
    for image, label in zip(images, labels.tolist(), strict=True):
        down, across = np.mgrid[:SIDE, :SIDE] - (SIDE / 2 + rng.uniform(-2, 2, (2, 1, 1)))
        round_, box = np.hypot(down, across), np.maximum(np.abs(down), np.abs(across))
        far, radius = (round_ if label in (0, 3) else box), SIDE * rng.uniform(0.2, 0.28)
        mask = (far < radius) & ((far > radius / 2) | (label < 2))
        image[mask] = rng.choice([20, 235]) + rng.normal(0, 8, (int(mask.sum()), 3))
    return ImageSet(images.clip(0, 255).astype(np.uint8), NAMES, labels, name="shapes")


def planted(biased: bool, seed: int) -> dict[str, Any]:
    """One training and its check."""
    sides = [shapes(n, 10 * seed + place, biased) for place, n in enumerate((600, 100, 300))]
    recipe = Recipe.of(epochs=6, batch_size=32, learning_rate=4e-3)
    classifier = fit(sides[0], sides[1], model="cnn", recipe=recipe, training=Training(seed=seed))
    check = check_background(classifier, sides[2], seed=seed)
    print(f"planted {biased}, seed {seed}: {check.sentence()}", flush=True)
    return {"biased": biased, "training_seed": seed, **as_json(check)}


def few_of_cifar(runs: Path) -> str:
    """The first 3,000 training and 1,000 test pictures as an `.npz`."""
    path = runs / "cifar10-4k.npz"
    if not path.is_file():
        loaded = load_splits(CIFAR)
        assert loaded.test is not None
        few = loaded.train.take(range(3_000)), loaded.test.take(range(1_000))
        save_npz(path, LoadedData(train=few[0], test=few[1]))
    return str(path)


def photographs(name: str, source: str, runs: Path, limit: int, seed: int) -> dict[str, Any]:
    """A run of Lite0 (trained where it is not there yet), and its check on at most `limit` test pictures."""
    run = runs / name
    if not (run / "checkpoint").is_dir():
        train_run(
            source,
            RunOptions(out=run, seed=seed, image_size=(96, 96), device="cpu", resume=True),
            model="lite0",
        )
    found = background_run(str(run), source, RunOptions(out=runs / f"{name}-check", seed=seed), limit=limit)
    print(f"{name}: {found.sentence}", flush=True)
    return {"name": name, "sentence": found.sentence, **as_json(found.check)}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/background"))
    parser.add_argument("--trainings", type=int, default=3, help="with and without a planted bias, each")
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.runs.mkdir(parents=True, exist_ok=True)
    load, root = os.getloadavg()[0], data_folder()
    told = f"{given.limit}-{given.seed}.json"
    asked = (given.runs, given.limit, given.seed)
    parts = [
        (f"planted-{biased}-{seed}.json", partial(planted, biased, seed))
        for seed in range(given.seed, given.seed + given.trainings)
        for biased in (True, False)
    ]
    if (root / "intel-scenes").is_dir():
        parts.append((f"intel-{told}", partial(photographs, "intel", "intel-scenes", *asked)))
    if (root / f"{CIFAR}.npz").is_file():
        parts.append((f"cifar-{told}", lambda: photographs("cifar", few_of_cifar(given.runs), *asked)))
    words = ["--trainings", str(given.trainings), "--limit", str(given.limit), "--seed", str(given.seed)]
    command = ["python", "benchmarks/background.py", *words]
    found: list[dict[str, Any]] = []
    names = [name for name, _ in parts]
    before = list(filter(lambda name: (given.runs / name).is_file(), names))
    for name, make in parts:
        found.append(kept(given.runs / name, make))
        made = [one for one in found if "biased" in one]
        shown = [one for one in found if "biased" not in one]
        facts: dict[str, Any] = {"threads": 1, "load_average": round(load, 1)}
        facts["provenance"] = about("", given.seed, None, command)
        # Of an earlier start, maybe of other code; and what this one has not come to.
        facts |= {"kept": before, "missing": names[len(found) :]}
        # After every part: what was stopped has what it measured.
        write_json(OUT, {"seed": given.seed, "planted": made, "photographs": shown, **facts})


if __name__ == "__main__":
    main()
