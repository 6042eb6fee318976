"""What each lever of our repair is worth: the table "levers" of `study mnist-c` at a small scale of its own.

    LIGHTFAST_DATA=FOLDER python benchmarks/repair_levers.py --out runs/levers [--seed 0] [--n-train 8000]

On the first `--n-train` training digits of MNIST: a CNN of 5 epochs, then detector and restorers of width 16,
8 epochs of half the digits; rules are fitted and views compared on the next `--n-val`, the levers measured
on `--n` test digits a kind. Trained parts are kept in --out: a second run only measures. Writes
benchmarks/results/repair-levers.json with the processor seconds of the run (one thread).
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import torch
from measured import about

from lightfast.base.files import write_json
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.data.ingest import load_splits
from lightfast.data.splits import Splits
from lightfast.report.tables import markdown_table
from lightfast.restore.pairs import DamageMix
from lightfast.restore.rules import rehearsed
from lightfast.restore.views import REREAD_VIEWS, restored_and_read, with_reread_views
from lightfast.runs.repair.plan import ALIGNED
from lightfast.statistics.intervals import difference_interval
from lightfast.studies.mnist_c.levers import levers_table
from lightfast.studies.mnist_c.networks import MnistCPlan, Parts, mnist_c_plan
from lightfast.studies.registry import StudyOptions
from lightfast.train.recipe import Recipe

OUT = Path(__file__).parent / "results" / "repair-levers.json"


def small_plan(n_train: int, n: int) -> MnistCPlan:
    """Between the quick scale and the paper's."""
    quick, half = mnist_c_plan("quick"), n_train // 2
    recipe = Recipe.of(epochs=8, averaging=0.99, learning_rate=2e-3)
    mend = dataclasses.replace(quick.restorer, config={"width": 16}, recipe=recipe, per_epoch=half)
    look = dataclasses.replace(
        quick.family_detector, recipe=Recipe.of(epochs=4, averaging=0.98), per_epoch=half
    )
    classifier = Recipe.of(epochs=5, averaging=0.99)
    return dataclasses.replace(
        quick, data="mnist", held_out=n, classifier=classifier, family_detector=look, family_restorer=mend
    )


def views_by_kind(parts: Parts, digits: ImageSet, seed: int) -> list[dict[str, Any]]:
    """Of every kind, and of all together, what re-readings of `digits` are right over one view and over
    shifted ones, every picture restored, no rules.
    """
    mix = DamageMix.of_suite("mnist-c")
    plan = dataclasses.replace(parts.plan.family_restorer, model=ALIGNED)
    restorer = parts.restorer(mix, "restorer-all", plan)
    degraded, labels, kinds = rehearsed(digits, mix, generator(seed, "views"))
    one, five = (
        restored_and_read(parts.classifier, with_reread_views(restorer, views), degraded)[1].argmax(axis=1)
        == labels
        for views in REREAD_VIEWS
    )
    rows = []
    for name in ("all", *mix.kinds):
        here = (kinds == name) | (name == "all")
        gained, lost = int((five & ~one & here).sum()), int((one & ~five & here).sum())
        gain = {
            "difference": (gained - lost) / int(here.sum()),
            "difference_interval": list(difference_interval(one[here], five[here])),
        }
        shares = {"one": float(one[here].mean()), "shift": float(five[here].mean())}
        rows.append({"name": name, "n": int(here.sum()), **shares, "gained": gained, "lost": lost, **gain})
    return rows


def main() -> None:
    """Train, measure, print, write."""
    parser = argparse.ArgumentParser(description="What each lever of our repair is worth.")
    parser.add_argument("--out", type=Path, default=Path("runs/levers"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-train", type=int, default=8000)
    parser.add_argument("--n-val", type=int, default=300)
    parser.add_argument("--n", type=int, default=600)
    parser.add_argument("--views-only", action="store_true", help="not the table of all levers")
    given = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    plan = small_plan(given.n_train, given.n)
    loaded = load_splits("mnist")
    assert loaded.test is not None
    train, edge = loaded.train, given.n_train + given.n_val
    splits = Splits(train.take(range(given.n_train)), train.take(range(given.n_train, edge)), loaded.test)
    parts = Parts(StudyOptions(given.out, "quick", given.seed), plan, splits)
    table, rows = (None, []) if given.views_only else levers_table(parts)
    views = views_by_kind(parts, splits.val, given.seed)
    seconds = {"processor": time.process_time() - started}
    n = given.n if table else views[0]["n"]
    facts = about(
        splits.train.version, given.seed, seconds, ["python", *sys.argv], n=n, clock="processor time"
    )
    counts = {"n_train": given.n_train, "n_val": given.n_val, "n": given.n if table else None}
    notes = table.notes if table else ("Only the views were measured (--views-only), on validation digits.",)
    write_json(OUT, {**counts, "levers": rows, "views": views, "notes": notes, "provenance": facts})
    print(markdown_table(table) if table else "", *views, sep="\n")


if __name__ == "__main__":
    main()
