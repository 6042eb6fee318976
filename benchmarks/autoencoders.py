"""The tables "four kinds of autoencoder" and "readers made sturdier" of `study mnist-c`, at a scale of their
own between `quick` and `paper`, on the embedded 5,000 digits.

    python benchmarks/autoencoders.py --out runs/autoencoders [--seed 0]

Each kind of autoencoder is trained `--trainings` times for `--epochs` epochs of `--per-epoch` digits, the
sturdier readers on `--sturdier` digits by the recipe of the quick scale. Trained parts are kept in --out: a
second run only measures. What a training digit costs is measured apart, in processor time. Writes
benchmarks/results/autoencoders.json with the processor seconds of the run (one thread; of what it did itself,
parts that were there cost nothing) and the load of the machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path

import torch
from measured import about

from lightfast.base.files import write_json
from lightfast.data.images import ImageSet
from lightfast.report.tables import markdown_table
from lightfast.restore.denoise import fit_restorer
from lightfast.studies.mnist_c.autoencoders import AUTOENCODER_ROWS, AutoencoderRow, autoencoders_table
from lightfast.studies.mnist_c.networks import PAPER_MIX, Parts, mnist_c_plan
from lightfast.studies.mnist_c.sturdier import sturdier_table
from lightfast.studies.registry import StudyOptions
from lightfast.train.recipe import Training

PROBES = 2
OUT = Path(__file__).parent / "results" / "autoencoders.json"


def milliseconds(parts: Parts, kind: AutoencoderRow, train: ImageSet) -> list[float]:
    """Processor milliseconds of a training digit, its damage included, in each of `PROBES` short trainings of
    five epochs (the stacked one: each layer alone for one of them); one more warms up.
    """
    recipe = parts.plan.autoencoder.recipe.updated(["epochs=5"])
    plan = dataclasses.replace(
        parts.plan.autoencoder, model=kind.model, config=kind.config, recipe=recipe, per_epoch=128
    )
    found = []
    for _ in range(1 + PROBES):
        started = time.process_time()
        fit_restorer(train, train.take([]), PAPER_MIX, plan=plan, training=Training(device="cpu"))
        found.append(1000 * (time.process_time() - started) / (5 * 128))
    return found[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/autoencoders"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--per-epoch", type=int, default=2500)
    parser.add_argument("--sturdier", type=int, default=2000, help="training digits of those readers")
    parser.add_argument("--trainings", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    started, load = time.process_time(), os.getloadavg()[0]
    options = StudyOptions(given.out, "quick", given.seed)
    quick = mnist_c_plan("quick")
    recipe = quick.autoencoder.recipe.updated(
        [f"epochs={given.epochs}", "learning_rate=0.001", "schedule=constant", "weight_decay=0"]
    )
    plan = dataclasses.replace(
        quick,
        autoencoder=dataclasses.replace(quick.autoencoder, recipe=recipe, per_epoch=given.per_epoch),
        autoencoder_seeds=given.trainings,
        per_kind=500,
        held_out=500,
        sturdier=given.sturdier,
    )
    splits = options.pictures(plan.data).splits(given.seed, val=plan.val_share)
    parts = Parts(options, plan, splits)
    measured = {"autoencoders": autoencoders_table(parts), "sturdier": sturdier_table(parts)}
    for row, kind in zip(measured["autoencoders"][1][1:], AUTOENCODER_ROWS, strict=True):
        row["processor_ms_a_digit"] = milliseconds(parts, kind, splits.train)
    seconds = {"processor": time.process_time() - started}
    facts = about(splits.train.version, given.seed, seconds, ["python", *sys.argv])
    settings = {"epochs": given.epochs, "per_epoch": given.per_epoch, "trainings": given.trainings}
    loads = {"load_at_start": load, "load_at_end": os.getloadavg()[0], "cores": os.cpu_count(), "threads": 1}
    counts = {"n_train": len(splits.train), "n_val": len(splits.val), "data": plan.data}
    figures = {name: rows for name, (_, rows) in measured.items()}
    notes = {name: table.notes for name, (table, _) in measured.items()}
    write_json(OUT, {**settings, **counts, **loads, **figures, "notes": notes, "provenance": facts})
    print("\n".join(markdown_table(table) for table, _ in measured.values()))


if __name__ == "__main__":
    main()
