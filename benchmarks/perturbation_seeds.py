"""What a frozen classifier gains by an enhancer that learnt from the same pictures as it did, over seeds:
benchmarks/results/perturbation_seeds.json.

    LIGHTFAST_DATA=FOLDER python benchmarks/perturbation_seeds.py --work FOLDER [--seeds N]

The first subject of `study perturbations --scale cpu` (CIFAR-10, a linear head on Lite0), each seed with
pictures drawn anew (1,500 to learn from, 1,000 for validation, 2,000 to test), a classifier of its own, and
before it: our enhancer learnt on the classifier's own pictures, the paper's U-Net, and in their place the
control: the same head fitted anew on all 18,000 training pictures. Clean test pictures, read once by each.
Gains of a seed are paired (Newcombe); over seeds Student's t. Wanted of ours: 3 points.

Networks and readings are kept in --work: begun again it goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measured import about

from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predict import predict
from lightfast.restore.enhance import prepend_enhancer
from lightfast.statistics.intervals import student_mean
from lightfast.studies.perturbations.data import pictures_of
from lightfast.studies.perturbations.networks import OURS_EQUAL, PAPER_WAY, REFIT, classifier_of, learner_of
from lightfast.studies.perturbations.subjects import subjects
from lightfast.studies.registry import StudyOptions

OUT = Path(__file__).parent / "results" / "perturbation_seeds.json"
WANTED = 3.0
WAYS = {
    OURS_EQUAL: "ours, learnt on the classifier's own pictures",
    PAPER_WAY: "the paper's U-Net, likewise",
    REFIT: "control: the head fitted anew on 18,000 pictures, no enhancer",
}


def of_seed(work: Path, seed: int) -> dict[str, Any]:
    """The classifier alone, and the paired test of each way on its clean test pictures."""
    options = StudyOptions(work / f"seed-{seed}", "cpu", seed, device="cpu")
    pictures = pictures_of(options)
    subject = next(one for one in subjects(options.scale) if one.name == "cifar-head")
    given = pictures[subject.data]
    classifier, test = classifier_of(options, subject.row, given.splits), given.splits.test
    alone = predict(classifier, test)
    found: dict[str, Any] = {"seed": seed, "n": len(test), "before": float(alone.correct.mean())}
    for way in WAYS:
        learnt = learner_of(options, subject, way, given)
        behind = learnt if way == REFIT else prepend_enhancer(learnt, classifier)
        found[way] = as_json(mcnemar(alone, predict(behind, test)))
        print(seed, way, found[way]["difference"], found[way]["difference_interval"], flush=True)
    return found


def over_seeds(found: list[dict[str, Any]], way: str) -> Mapping[str, Any]:
    """The mean gain of a way in points, with its interval."""
    gains = [100 * one[way]["difference"] for one in found]
    return {
        "title": WAYS[way],
        "gain_points": sum(gains) / len(gains),
        "interval": student_mean(gains),
        "gains_by_seed": gains,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    found = [of_seed(asked.work, seed) for seed in range(asked.seeds)]
    made = about(
        "cifar10",
        0,
        n=f"{found[0]['n']:,} test pictures a seed, {asked.seeds} seeds",
        spread="95 % intervals: paired by seed, Student's t over seeds",
    )
    ways = [over_seeds(found, way) for way in WAYS]
    write_json(OUT, as_json({"wanted_points": WANTED, "ways": ways, "seeds": found, "made": made}))
    for one in ways:
        print(one["title"], round(one["gain_points"], 2), one["interval"])


if __name__ == "__main__":
    main()
