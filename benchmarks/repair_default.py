"""What `repair RUN FILE` does by default, on damaged MNIST test digits, as a user would run it.

    LIGHTFAST_DATA=FOLDER python benchmarks/repair_default.py --work FOLDER [--budget 1h] [--n 2000]

FOLDER/run is a run of `lightfast train mnist --model cnn --set epochs=4` (trained first where it is missing)
with its repair kit (likewise; one of another budget is trained anew). `--n` test digits, drawn by seed, are
damaged by each of the fifteen kinds of MNIST-C at its published severity, left clean, and mixed as in the
breakouts of the damaged-digits study. Each folder of pictures is written to an .npz file and repaired by the
verb; its labels are counted afterwards. Written to benchmarks/results/repair-default.json (`-BUDGET` behind
the name where one is given): accuracies with 95 % Wilson intervals, the paired difference (Newcombe), how
often the predictions that no person checks are right (Clopper and Pearson), and the share that goes to a
person.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measured import about
from numpy.typing import NDArray

from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.cli.terminal import parse_seconds
from lightfast.corrupt.suite import SUITES, corrupt
from lightfast.data.images import ImageSet, sample
from lightfast.evaluate.robustness import robust_mean_interval
from lightfast.pages.repair import RepairResult
from lightfast.restore.pairs import DamageMix
from lightfast.runs.options import RunOptions
from lightfast.runs.repair.kit import kit_record, splits_of_run
from lightfast.runs.repair.plan import KitChoice
from lightfast.runs.repair.repair import repair_run
from lightfast.runs.train import train_run
from lightfast.statistics.intervals import clopper_pearson, wilson
from lightfast.train.recipe import Recipe

RESULTS = Path(__file__).parent / "results"
KINDS = {name: own[0] for name, own, _ in SUITES.get("mnist-c").entries}
"""Every kind of MNIST-C and its one severity."""
BREAKOUTS = {
    "50 % shot noise": ("shot_noise",),
    "50 % motion blur": ("motion_blur",),
    "50 % fog": ("fog",),
    "25 % each": ("shot_noise", "motion_blur", "fog"),
}
"""Of the study; the rest of the pictures is clean."""


def folders(digits: ImageSet, seed: int) -> Iterator[tuple[str, ImageSet]]:
    """(name, damaged pictures) of everything that is measured, the fifteen kinds first."""
    for name, severity in KINDS.items():
        yield name, corrupt(digits, name, severity, seed)
    yield "clean", digits
    for name, kinds in BREAKOUTS.items():
        mix = DamageMix(tuple((kind, KINDS[kind]) for kind in kinds))
        drawn = generator(seed, name).permutation(len(digits)) % (len(kinds) + 1) - 1
        mixed = mix.apply(digits.images, drawn, generator(seed, name, "damage"))
        yield name, digits.derived(mixed, step={"verb": "breakout", "seed": seed}, name=name)


def measured(run: Path, images: ImageSet, budget: float | None, out: Path) -> RepairResult:
    """`images` as an .npz file through `repair`."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "pictures.npz"
    np.savez(
        file, images=images.images, labels=images.require_labels(), class_names=np.asarray(images.class_names)
    )
    options = RunOptions(out=out / "repaired", resume=True)
    return repair_run(str(run), str(file), options, kit=KitChoice(budget=budget))


def row(result: RepairResult) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """(the figures of one folder, whether each final prediction is right)."""
    repair = result.report.repair
    test, sure = repair.paired, ~repair.needs_review
    right, n = int(repair.after.correct[sure].sum()), int(sure.sum())
    figures = {
        "n": test.n,
        "before": test.before_accuracy,
        "before_interval": wilson(int(repair.before.correct.sum()), test.n),
        "after": test.after_accuracy,
        "after_interval": wilson(int(repair.after.correct.sum()), test.n),
        "difference": test.difference,
        "difference_interval": test.difference_interval,
        "gained": test.gained,
        "lost": test.lost,
        "p_value": test.p_value,
        "kept": int(repair.kept.sum()),
        "sure": n,
        "sure_right": right / n if n else None,
        "sure_right_interval": clopper_pearson(right, n) if n else None,
        "for_a_person": 1 - n / test.n,
        "found": dict(result.report.damage),
    }
    return figures, repair.after.correct


def main() -> None:
    """Train, damage, repair, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--budget")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started, run = time.perf_counter(), given.work / "run"
    budget = parse_seconds("--budget", given.budget) if given.budget else None
    trained = as_json(train_run("mnist", RunOptions(out=run, resume=True), recipe=Recipe.of(epochs=4)))
    digits = sample(splits_of_run(run, RunOptions()).test, given.n, given.seed)
    rows, right = {}, []
    for name, images in folders(digits, given.seed):
        result = measured(run, images, budget, given.work / "folders" / name.replace(" ", ""))
        rows[name], correct = row(result)
        print(
            f"{name:<16}", " ".join(f"{rows[name][key]:.4f}" for key in ("before", "after", "for_a_person"))
        )
        right.append(correct)
    kinds = list(KINDS)
    mean = np.stack(right[: len(KINDS)]).mean(axis=0)
    content = {
        "reader": {key: trained[key] for key in ("model", "n", "accuracy", "accuracy_interval")},
        "kit": as_json(kit_record(run)),
        "mean_of_15": {
            "before": float(np.mean([rows[kind]["before"] for kind in kinds])),
            "after": float(mean.mean()),
            "after_interval": robust_mean_interval(mean, given.seed),
            "n": given.n,
        },
        "rows": rows,
        "made": about(
            digits.version, given.seed, {"total": time.perf_counter() - started}, ["python", *sys.argv]
        ),
    }
    name = f"repair-default-{given.budget}.json" if given.budget else "repair-default.json"
    write_json(RESULTS / name, as_json(content))
    print("mean of 15 kinds", content["mean_of_15"])


if __name__ == "__main__":
    main()
