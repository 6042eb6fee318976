"""How often the 95 % intervals that Lightfast prints hold the truth, where pictures are few or hardly any is
misread.

    python benchmarks/coverage.py [--sims 600] [--seed 0]

Simulated readers with known accuracies, all through the functions that the verbs call: cross-validation (3 to
5 folds), macro F1, differences of accuracy, macro F1 and ROC area of two models, kappa of two readers, the
mean of a suite of damages, and learning curves whose points share their held-out pictures. Writes
benchmarks/results/coverage.json: coverage, mean width, and the share of intervals of width 0.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measured import about
from numpy.typing import NDArray
from scipy.special import ndtri

from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.evaluate.compare_many import compare
from lightfast.evaluate.macro import macro_f1_bounds
from lightfast.evaluate.metrics import confusion_matrix, score
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.robustness import robust_mean_interval
from lightfast.experiments.crossval import CrossValidation, Fold
from lightfast.statistics.agreement import cohen_kappa, fleiss_kappa
from lightfast.statistics.intervals import Interval
from lightfast.statistics.learning_curve import fit_learning_curve

OUT = Path(__file__).parent / "results" / "coverage.json"
SHARES = np.array([0.5, 0.3, 0.2])
"""Of three classes."""
RIGHT = (0.97, 0.99, 0.999, 1.0)
PICTURES = (6, 10, 30, 60, 200)
Simulation = Callable[[np.random.Generator], dict[str, tuple[Interval, float]]]
"""One data set: name of a figure → its interval and the truth."""


def readings(
    rng: np.random.Generator, labels: NDArray[np.int64], right: float, luck: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Predicted labels, right where `luck` (uniform, one a picture) is below `right`."""
    wrong = (labels + rng.integers(1, len(SHARES), size=len(labels))) % len(SHARES)
    return np.where(luck < right, labels, wrong)


def macro_f1_of(right: float) -> float:
    """Macro F1 of such a reader on very many pictures."""
    table = np.full((3, 3), (1 - right) / 2)
    np.fill_diagonal(table, right)
    table *= SHARES[:, None]
    return float(np.mean(2 * table.diagonal() / (table.sum(axis=0) + table.sum(axis=1))))


def predictions(labels: NDArray[np.int64], read: NDArray[np.int64], name: str = "one") -> Predictions:
    """Predictions of these labels, each with 0.9 for what was read."""
    probs = np.full((len(labels), 3), 0.05, np.float32)
    probs[np.arange(len(labels)), read] = 0.9
    return Predictions(probs, tuple("abc"), tuple(map(str, range(len(labels)))), labels, name)


def crossval_of(folds: int, n: int, right: float) -> Simulation:
    """One repeat; each fold's model has an accuracy of its own around `right`."""

    def once(rng: np.random.Generator) -> dict[str, tuple[Interval, float]]:
        labels, place = rng.choice(3, size=n, p=SHARES), np.arange(n) % folds
        own = np.clip(right + rng.normal(size=folds) * 0.25 * (1 - right), 0, 1)
        made = predictions(labels, readings(rng, labels, 1.0, rng.random(n) + 1 - own[place]))
        rows = []
        for fold in range(folds):
            found = score(made.take(np.flatnonzero(place == fold)))
            measures = (found.accuracy, found.macro_precision, found.macro_recall, found.macro_f1)
            rows.append(Fold(0, fold, n - found.n, 0, found.n, *measures, seconds=0.0))
        validated = CrossValidation("simulated", folds, 1, tuple(rows), made, 0)
        return {
            "crossval accuracy": (validated.interval(), right),
            "crossval macro F1": (validated.interval("macro_f1"), macro_f1_of(right)),
        }

    return once


def single_of(n: int, right: float) -> Simulation:
    """One model scored once."""

    def once(rng: np.random.Generator) -> dict[str, tuple[Interval, float]]:
        labels = rng.choice(3, size=n, p=SHARES)
        read = readings(rng, labels, right, rng.random(n))
        return {"macro F1": (macro_f1_bounds(confusion_matrix(labels, read, 3)), macro_f1_of(right))}

    return once


def pair_of(n: int, right: float, other: float) -> Simulation:
    """Two models that share half of their luck."""

    def once(rng: np.random.Generator) -> dict[str, tuple[Interval, float]]:
        labels, luck = rng.choice(3, size=n, p=SHARES), rng.random(n)
        mixed = np.where(rng.random(n) < 0.5, luck, rng.random(n))
        models = [
            predictions(labels, readings(rng, labels, *side), name)
            for name, side in (("one", (right, luck)), ("other", (other, mixed)))
        ]
        (pair,) = compare(models, seed=0, resamples=400).pairs
        return {
            "difference of accuracy": (pair.test.difference_interval, other - right),
            "difference of macro F1": (pair.macro_f1_interval, macro_f1_of(other) - macro_f1_of(right)),
        }

    return once


def kappa_of(n: int, right: float) -> Simulation:
    """Two readers, each right with this chance."""
    read = np.full((3, 3), (1 - right) / 2)
    np.fill_diagonal(read, right)
    joint = (read * SHARES[:, None]).T @ read
    chance = float((joint.sum(axis=0) ** 2).sum())
    truth = (float(joint.trace()) - chance) / (1 - chance)

    def once(rng: np.random.Generator) -> dict[str, tuple[Interval, float]]:
        answers = np.stack(np.divmod(rng.choice(9, size=n, p=joint.ravel()), 3), axis=1)
        return {
            "Cohen's kappa": (cohen_kappa(*answers.T).interval, truth),
            "Fleiss's kappa": (fleiss_kappa(answers).interval, truth),
        }

    return once


def suite_of(n: int, right: float) -> Simulation:
    """Fifteen damages of the same pictures, some of which are hard under all."""
    edge = float(ndtri(right))

    def once(rng: np.random.Generator) -> dict[str, tuple[Interval, float]]:
        latent = np.sqrt(0.7) * rng.normal(size=n) + np.sqrt(0.3) * rng.normal(size=(15, n))
        return {"mean under damage": (robust_mean_interval((latent < edge).mean(axis=0), 0), right)}

    return once


def curve_of(test_n: int, limit: float, repeats: int) -> Simulation:
    """A sweep over five sizes whose points share their held-out pictures; forecast of twice the largest."""

    def once(rng: np.random.Generator) -> dict[str, tuple[Interval, float]]:
        exponent, start = rng.uniform(0.3, 1.2), rng.uniform(0.4, 0.7)
        sizes = np.repeat([50.0, 100, 200, 400, 800], repeats)

        def law(n: Any) -> Any:
            return limit - (limit - start) * (n / 50) ** -exponent

        latent = np.sqrt(0.8) * rng.normal(size=test_n) + np.sqrt(0.2) * rng.normal(size=(len(sizes), test_n))
        read = (latent < ndtri(law(sizes))[:, None]).mean(axis=1)
        curve = fit_learning_curve(sizes, read, rng=rng, test_n=test_n, shared=True)
        told = curve.predict(1600)
        return {
            "learning curve: forecast": (Interval(told.low, told.high), float(law(1600))),
            "learning curve: limit": (curve.limit_interval, limit),
            "learning curve: fitted limit": (curve.limit_interval, curve.limit),
        }

    return once


def simulations() -> Iterator[tuple[str, Simulation]]:
    """(setting, simulation) of every row."""
    for n in PICTURES:
        for right in RIGHT:
            setting = f"n = {n}, accuracy {right:g}"
            yield setting, single_of(n, right)
            yield setting, kappa_of(n, right)
            yield setting, suite_of(n, right)
            yield f"{setting} and 0.97", pair_of(n, right, 0.97)
            for folds in (3, 4, 5):
                yield f"{setting}, {folds} folds", crossval_of(folds, n, right)
    for test_n in (100, 400, 2000):
        for limit in (0.85, 0.95, 0.999, 1.0):
            for repeats in (1, 3):
                yield (
                    f"{test_n} held out, limit {limit:g}, {repeats} repeat(s)",
                    curve_of(test_n, limit, repeats),
                )


def simulated(setting: str, simulation: Simulation, sims: int, seed: int) -> list[dict[str, Any]]:
    """One row a figure: coverage, mean width, share of intervals of width 0, over `sims` data sets."""
    rng = generator(seed, "coverage", setting)
    found: dict[str, list[tuple[bool, float]]] = {}
    for _ in range(sims):
        for what, (interval, truth) in simulation(rng).items():
            # The truth may lie on an end, up to rounding.
            held = interval.low - 1e-9 <= truth <= interval.high + 1e-9
            found.setdefault(what, []).append((held, interval.high - interval.low))
    return [
        {
            "what": what,
            "setting": setting,
            "sims": sims,
            "coverage": round(float(np.mean([held for held, _ in some])), 4),
            "width": round(float(np.mean([width for _, width in some])), 4),
            "of width 0": round(float(np.mean([width == 0 for _, width in some])), 4),
        }
        for what, some in found.items()
    ]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sims", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started, rows = time.perf_counter(), []
    for setting, simulation in simulations():
        rows += simulated(setting, simulation, given.sims, given.seed)
    lowest: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["coverage"] < lowest.setdefault(row["what"], row)["coverage"]:
            lowest[row["what"]] = row
    for what, row in lowest.items():
        print(f"{what:<30} lowest coverage {row['coverage']:.3f} ({row['setting']}), {row['sims']} data sets")
    made = about("", given.seed, {"total": time.perf_counter() - started}, ["python", *sys.argv])
    write_json(OUT, {"sims": given.sims, "lowest": lowest, "rows": rows, "made": as_json(made)})


if __name__ == "__main__":
    main()
