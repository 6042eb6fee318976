"""Processor seconds until a reader of digits is right on 99.4 % of MNIST's test digits, ours beside peers'
own recipes: benchmarks/results/time_to_accuracy.json.

    python benchmarks/time_to_accuracy.py DATA --peer PYTHON [--seeds N] [--peer-seeds N] [--work FOLDER]

Ours: `fit` with the registry's `cnn`, digits moved by up to two pixels, averaged weights, the last ones; a
whole training of each of `LENGTHS` epochs. It has reached the accuracy with the shortest whose mean over the
seeds has. 59,000 digits are learned from, 1,000 are for validation.

Peers (time_to_accuracy_peer.py), each its documented recipe, network and number of epochs: Keras on
TensorFlow (--peer, an interpreter that has them: peers.txt), the MNIST example of torch, and the network of
ours in the loop of a tutorial. They learn from 60,000 digits (Keras by its recipe from 54,000), and have
reached the accuracy after the first epoch that has it in that seed, which is more than ours is given. What
never has it says its best, and the seconds of its whole recipe are a lower bound.

One thread; processor time (user and system) of training alone, reading the test digits left out. Runs are
kept in --work: the same command goes on where it was. Wanted: a third of the best peer's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from measured import about

from lightfast.base.files import load_json, write_json

OUT = Path(__file__).parent / "results" / "time_to_accuracy.json"
GOAL, WANTED = 0.994, 3.0
LENGTHS = (3, 4, 5)
PEERS = {
    "keras": "Keras on TensorFlow, its MNIST convnet, 15 epochs",
    "torch-example": "torch, its MNIST example, 14 epochs",
    "torch-same-network": "torch, the network of ours, Adam at 1e-3, 15 epochs",
}
Curve = list[dict[str, float]]


def trained(digits: Path, epochs: int, seed: int) -> Curve:
    """One training of ours, whole."""
    import torch

    from lightfast.evaluate.predict import pred_probs
    from lightfast.runs.options import RunOptions
    from lightfast.runs.pictures import prepare
    from lightfast.train.fit import fit
    from lightfast.train.recipe import Recipe, Training

    torch.set_num_threads(1)
    splits = prepare(digits, RunOptions(), near="hashes").splits(seed, val=1 / 60)
    recipe = Recipe.of(epochs=epochs, augment="shift", averaging=0.99, keep="last")
    start = time.process_time()
    made = fit(splits.train, splits.val, model="cnn", recipe=recipe, training=Training(seed, "cpu"))
    seconds = time.process_time() - start
    right = pred_probs(made, splits.test.images).argmax(axis=1) == splits.test.require_labels()
    return [{"epochs": epochs, "seconds": seconds, "accuracy": float(right.mean())}]


def run(words: list[str], kept: Path) -> Curve:
    """What a command prints, or what is kept of it."""
    if not kept.is_file():
        places = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        answer = subprocess.run(words, env={**os.environ, **places}, stdout=subprocess.PIPE, check=True)
        write_json(kept, json.loads(answer.stdout))
    return load_json(kept)


def of_ours(runs: list[Curve]) -> dict[str, Any]:
    """Accuracy and seconds by number of epochs, over the seeds, and the shortest that reaches the goal."""
    rows = []
    for epochs in sorted({run[0]["epochs"] for run in runs}):
        these = [run[0] for run in runs if run[0]["epochs"] == epochs]
        shares, seconds = ([one[name] for one in these] for name in ("accuracy", "seconds"))
        rows.append(
            {
                "epochs": epochs,
                "accuracy": statistics.mean(shares),
                "accuracy_range": [min(shares), max(shares)],
                "seconds": statistics.median(seconds),
                "seconds_range": [min(seconds), max(seconds)],
                "trainings": len(these),
            }
        )
    return {"lengths": rows, "reached": next((row for row in rows if row["accuracy"] >= GOAL), None)}


def of_peer(title: str, runs: list[Curve]) -> dict[str, Any]:
    """The first epoch of each seed that has reached the goal; where some never has, a lower bound."""
    first = [next((one for one in run if one["accuracy"] >= GOAL), None) for run in runs]
    seconds = [
        run[-1]["seconds"] if one is None else one["seconds"] for one, run in zip(first, runs, strict=True)
    ]
    return {
        "title": title,
        "trainings": len(runs),
        "reached_in": sum(one is not None for one in first),
        "epochs": [None if one is None else one["epochs"] for one in first],
        "seconds": statistics.median(seconds),
        "seconds_range": [min(seconds), max(seconds)],
        "is_lower_bound": None in first,
        "best_accuracy": [max(one["accuracy"] for one in run) for run in runs],
        "last_accuracy": [run[-1]["accuracy"] for run in runs],
    }


def measured(given: argparse.Namespace) -> tuple[list[Curve], dict[str, list[Curve]]]:
    """All runs: those of ours, and those of each peer."""
    digits, here = given.data / "mnist.npz", Path(__file__)
    script, python = str(here.with_name("time_to_accuracy_peer.py")), sys.executable
    given.work.mkdir(parents=True, exist_ok=True)
    own, theirs = list[Curve](), {name: list[Curve]() for name in PEERS if given.peer or name != "keras"}
    for seed in range(max(given.seeds, given.peer_seeds)):
        for epochs in LENGTHS if seed < given.seeds else ():
            words = [python, str(here), str(given.data), "--one", str(epochs), str(seed)]
            own.append(run(words, given.work / f"ours-{epochs}-{seed}.json"))
            print("ours", own[-1], flush=True)
        for name, runs in theirs.items() if seed < given.peer_seeds else ():
            words = [given.peer if name == "keras" else python, script, name, str(seed), str(digits)]
            runs.append(run(words, given.work / f"{name}-{seed}.json"))
            print(name, runs[-1][-1], flush=True)
    return own, theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds mnist.npz")
    parser.add_argument("--peer", help="an interpreter with keras and tensorflow (benchmarks/peers.txt)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peer-seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/time_to_accuracy"))
    parser.add_argument("--one", nargs=2, type=int, metavar=("EPOCHS", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        sys.stdout.write(json.dumps(trained(given.data / "mnist.npz", *given.one)))
        return
    own, theirs = measured(given)
    ours, peers = of_ours(own), {name: of_peer(PEERS[name], runs) for name, runs in theirs.items()}
    best = min(peers, key=lambda name: (peers[name]["is_lower_bound"], peers[name]["seconds"]))
    ratio = ours["reached"] and peers[best]["seconds"] / ours["reached"]["seconds"]
    result = {"goal": GOAL, "n_test": 10_000, "wanted_times": WANTED, "ours": ours, "peers": peers}
    made = about(
        "mnist",
        0,
        n=f"10,000 test digits, {given.seeds} trainings of each of ours, {given.peer_seeds} of each peer",
        spread="lowest and highest",
        clock="processor time (user and system) of training, one thread",
        not_measured=None if given.peer else "Keras (no --peer)",
    )
    write_json(OUT, {**result, "best_peer": best, "times": ratio, "made": made})
    print(json.dumps({"ours": ours["reached"], "best": best, "peer": peers[best], "times": ratio}, indent=1))


if __name__ == "__main__":
    main()
