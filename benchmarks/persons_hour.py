"""A person's hour, simulated: how many decisions it takes from a folder without labels to the accuracy of all
labels minus two points.

    LIGHTFAST_DATA=FOLDER python benchmarks/persons_hour.py

prints a table and writes benchmarks/results/persons_hour.json. Sets, features and divisions are those of
`selection.py`. The person sees the picture and what the live head takes it for: saying yes is a confirmation,
anything else a single label; in 2 % of all cases the answer is a wrong class, drawn by lot. Two ways: single
pictures from the first on (`select`, B pictures, then ten at a time), and clusters first (k-means with six
clusters a class, the tightest first, until they hold 60 % of the pool): one decision, the class of most of
the pictures in it, labels all of them. The test part is read after every round to see when the wanted
accuracy is reached and held in the next round too; nothing is chosen by it.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from measured import about  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from selection_sets import SETS, LabelledFeatures, divided, kept_rows, load_features  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.base.randomness import derive_seed, generator  # noqa: E402
from lightfast.curate.embed import unit_rows  # noqa: E402
from lightfast.curate.live_head import LiveHead  # noqa: E402
from lightfast.curate.select import Known, select_next  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402
from lightfast.statistics.intervals import bootstrap_mean  # noqa: E402

ERRS, POINTS = 0.02, 0.02
ROUND, MOST = 10, 0.4
"""Pictures a round; share of the pool after which a simulation gives up."""
PER_CLASS, COVERED = 6, 0.6
WAYS = ("single pictures", "clusters first")
OUT = Path(__file__).parent / "results" / "persons_hour.json"


@dataclass
class Person:
    """Who answers, and what was asked of them."""

    truth: NDArray[np.int64]
    classes: int
    rng: np.random.Generator
    asked: Counter[str] = field(default_factory=Counter)

    def answer(self, true: int) -> int:
        """The class, or in 2 % of cases another one."""
        if self.rng.random() >= ERRS:
            return true
        return int((true + self.rng.integers(1, self.classes)) % self.classes)

    def picture(self, row: int, proposed: int | None) -> int:
        """The answer about one picture, counted by what it took."""
        said = self.answer(int(self.truth[row]))
        self.asked["confirmations" if said == proposed else "single labels"] += 1
        return said

    def cluster(self, rows: NDArray[np.intp]) -> int:
        """The answer about many pictures at once."""
        self.asked["cluster labels"] += 1
        return self.answer(int(np.bincount(self.truth[rows]).argmax()))


def clusters(features: NDArray[np.float32], count: int, seed: int) -> list[NDArray[np.intp]]:
    """The tightest clusters first, until they hold COVERED of the rows."""
    vectors = unit_rows(features - features.mean(axis=0))
    found = KMeans(count, n_init=1, max_iter=50, random_state=seed).fit(vectors)
    near = (vectors * unit_rows(found.cluster_centers_)[found.labels_]).sum(axis=1)
    members = [np.flatnonzero(found.labels_ == one) for one in range(count)]
    members = sorted((one for one in members if len(one) > 1), key=lambda one: -near[one].mean())
    sizes = np.cumsum([len(one) for one in members])
    return members[: int(np.searchsorted(sizes, COVERED * len(features))) + 1]


def accuracy(head: LiveHead, seen: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """On the test part, whose features on the head's axes are `seen`."""
    if head.fit is None:
        return 0.0
    solution = head.fit.solutions[0].astype(np.float32)
    return float(((seen @ solution[:-1] + solution[-1]).argmax(axis=1) == labels).mean())


def hour(given: LabelledFeatures, seed: int, way: str) -> dict[str, Any]:
    """One simulation: what was asked when the wanted accuracy was reached (None: not within MOST)."""
    pool, test = divided(given, seed)
    names, labels = given.class_names, given.labels
    start = LiveHead.start(given.features[pool], names)
    seen = start.features(given.features[test])
    everything = start.decide(np.arange(len(pool)), [names[one] for one in labels[pool]]).refit(check=False)
    full = accuracy(everything, seen, labels[test])
    person = Person(labels[pool], len(names), generator(seed, "person", way))
    head, reached = start, None
    if way == "clusters first":
        for rows in clusters(given.features[pool], PER_CLASS * len(names), derive_seed(seed, "k") % 2**32):
            head = head.decide(rows, names[person.cluster(rows)], together=True)
        head = head.refit()
    while person.asked.total() < MOST * len(pool) and len(head.decided) < len(pool):
        now = accuracy(head, seen, labels[test])
        if now < full - POINTS:
            reached = None
        elif reached is not None:
            break
        else:
            reached = dict(person.asked)
        head = asked_round(head, given.features[pool], person, derive_seed(seed, person.asked.total()))
    return {"full": full, "pool": len(pool), "asked": reached}


def asked_round(head: LiveHead, features: NDArray[np.float32], person: Person, seed: int) -> LiveHead:
    """The next pictures decided and the head fitted to them."""
    probs = head.probs()
    count = min(ROUND if len(head.decided) else person.classes, len(features) - len(head.decided))
    rows = select_next(features, count, Known(head.labels, None, probs, head.class_names), seed=seed).rows
    proposed = [None] * len(rows) if probs is None else probs[rows].argmax(axis=1).tolist()
    said = [person.picture(row, one) for row, one in zip(rows.tolist(), proposed, strict=True)]
    return head.decide(rows, [head.class_names[one] for one in said]).refit()


def row(name: str, way: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the simulations with bootstrap intervals."""
    rng = generator(0, "benchmark", "hour", name, way)
    pool, whole = found[0]["pool"], [one for one in found if one["asked"] is not None]
    totals = np.array([sum(one["asked"].values()) for one in whole], float)
    kinds = ("single labels", "confirmations", "cluster labels")
    told = {
        "data": name,
        "way": way,
        "pool": pool,
        "full_accuracy": round(float(np.mean([one["full"] for one in found])), 4),
        "simulations": len(found),
        "not_reached": len(found) - len(whole),
    }
    if not whole:
        return told | {"share": None}
    low, high = bootstrap_mean(totals / pool, rng)
    means = {kind: round(float(np.mean([one["asked"].get(kind, 0) for one in whole])), 1) for kind in kinds}
    return told | {
        "decisions": round(float(totals.mean()), 1),
        **means,
        "share": round(float(totals.mean() / pool), 4),
        "share_interval": [round(low, 4), round(high, 4)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--kept", type=Path, help="folder in which features are kept between runs")
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    data, started, rows = Path(os.environ["LIGHTFAST_DATA"]), time.perf_counter(), []
    rows += kept_rows(asked.out, asked.sets, asked.repeats)
    for name in asked.sets:
        given = load_features(name, data, asked.kept)
        for way in WAYS:
            rows.append(row(name, way, [hour(given, seed, way) for seed in range(asked.repeats)]))
            print(*(f"{key} {value}" for key, value in rows[-1].items()), sep="  ", flush=True)
    result = {
        "command": "LIGHTFAST_DATA=FOLDER python benchmarks/persons_hour.py",
        "seed": f"0..{asked.repeats - 1}, one a simulation",
        "repeats": asked.repeats,
        "wanted": f"accuracy of all labels minus {100 * POINTS:.0f} points on the test part",
        "errors": f"the person errs in {100 * ERRS:.0f} % of cases",
        "intervals": "95 %, percentile bootstrap over the simulations that reached it",
        "rows": rows,
        "seconds": round(time.perf_counter() - started),
        "made": about(),
        "machine": f"{cpu_name()}, 1 thread, {platform.system()}",
    }
    write_json(asked.out, result)


if __name__ == "__main__":
    main()
