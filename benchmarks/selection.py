"""What to label next: how soon each strategy of `lightfast select` gets as far as pictures drawn by lot.

    LIGHTFAST_DATA=FOLDER python benchmarks/selection.py

prints a table and writes benchmarks/results/select.json. FOLDER holds `caltech20`, `intel-scenes`,
`clothing` and `smiles`. Of each at most 3,000 pictures are taken; in every repeat 70 % of them are the pool
and the others the test part. Everything starts without a label. B is the number of classes; the first B
pictures are chosen from nothing, and then a live head (`lightfast.curate.live_head`), fitted to what is
labelled so far, says what it thinks of the rest. All strategies are read by the same head on the same
EfficientNet-Lite0 features.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from measured import about  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from selection_sets import SETS, SHARE, LabelledFeatures, divided, kept_rows, load_features  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.base.randomness import derive_seed, generator  # noqa: E402
from lightfast.curate.live_head import LiveHead  # noqa: E402
from lightfast.curate.select import Known, select_next  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402

HANDFUL = 5
BUDGET = 10
"""Labels, times the number of classes, of the lot that the others are to match."""
WAYS: tuple[tuple[str, str, int | None, int], ...] = (
    # (row, strategy, pictures a round (None: B), labels at most, times B)
    ("random", "random", None, BUDGET),
    ("auto, five at a time", "auto", HANDFUL, 6),
    ("auto", "auto", None, 8),
    ("typical", "typical", None, 8),
    ("herding", "herding", None, 8),
    ("margin, five at a time", "margin", HANDFUL, 8),
    ("coreset", "coreset", None, 8),
    ("kmeans++", "kmeans++", None, 8),
)
OUT = Path(__file__).parent / "results" / "select.json"
Curve = dict[int, float]


def repeat(given: LabelledFeatures, seed: int) -> dict[str, Curve]:
    """{way: {number of labels: accuracy on the test part}} of one division of the pictures."""
    pool, test = divided(given, seed)
    start = LiveHead.start(given.features[pool], given.class_names)
    seen = start.features(given.features[test])
    return {
        way: curve(start, given, (pool, test), seen, (strategy, size, most, seed))
        for way, strategy, size, most in WAYS
    }


def curve(
    head: LiveHead,
    given: LabelledFeatures,
    rows: tuple[NDArray[np.intp], NDArray[np.intp]],
    seen: NDArray[np.float32],
    plan: tuple[str, int | None, int, int],
) -> Curve:
    """Accuracy on the test part by number of labels."""
    strategy, size, most, seed = plan
    classes = len(given.class_names)
    pool, test = rows
    found: Curve = {}
    while len(head.decided) < most * classes:
        first = not len(head.decided)
        count = classes if first or size is None else size
        # A margin needs a model that knows two classes.
        known_classes = len(np.unique(head.labels[head.decided]))
        chosen = "random" if strategy == "margin" and known_classes < 2 else strategy
        known = Known(head.labels, None, head.probs(), given.class_names)
        draw = derive_seed(seed, len(head.decided))
        picked = select_next(given.features[pool], count, known, strategy=chosen, seed=draw).rows
        head = head.decide(picked, [given.class_names[one] for one in given.labels[pool][picked]])
        head = head.refit(check=strategy in ("auto", "margin"))
        if head.fit is not None:
            solution = head.fit.solutions[0]
            said = (seen @ solution[:-1].astype(np.float32) + solution[-1]).argmax(axis=1)
        else:
            said = np.full(len(test), head.labels[head.decided[0]])
        found[len(head.decided)] = float((said == given.labels[test]).mean())
    return found


def mean_curve(
    curves: list[Curve], chosen: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(numbers of labels, mean accuracy over the chosen repeats)."""
    labels = np.array(list(curves[0]))
    return labels, np.mean([[curves[one][count] for count in labels] for one in chosen], axis=0)


def share_to_match(way: list[Curve], lot: list[Curve], chosen: NDArray[np.intp]) -> float:
    """Labels with which the mean curve first reaches what the lot has at its end, as a share of those of the
    lot; infinity where it never does.
    """
    sizes, wanted = mean_curve(lot, chosen)
    labels, accuracy = mean_curve(way, chosen)
    reached = np.flatnonzero(accuracy >= wanted[-1])
    if not len(reached):
        return float("inf")
    at = int(reached[0])
    if at == 0:
        return float(labels[0] / sizes[-1])
    part = (wanted[-1] - accuracy[at - 1]) / (accuracy[at] - accuracy[at - 1])
    return float((labels[at - 1] + part * (labels[at] - labels[at - 1])) / sizes[-1])


def row(name: str, curves: dict[str, list[Curve]], way: str, given: LabelledFeatures) -> dict[str, Any]:
    """What is reported of one way on one set, with percentile bootstrap intervals over the repeats."""
    mine, lot, classes = curves[way], curves["random"], len(given.class_names)
    pool = int(SHARE * len(given.labels))
    everything = np.arange(len(mine))
    rng = generator(0, "benchmark", "resamples", name, way)
    drawn = [rng.integers(len(mine), size=len(mine)) for _ in range(2000)]
    first = np.array([one[classes] for one in mine])
    shares = np.array([share_to_match(mine, lot, one) for one in drawn])
    low, high = np.quantile(shares, [0.025, 0.975], method="inverted_cdf")
    labels, accuracy = mean_curve(mine, everything)
    return {
        "data": name,
        "way": way,
        "n": {"pool": pool, "test": len(given.labels) - pool, "classes": classes},
        "first_labels": classes,
        "first_accuracy": _rounded(first.mean()),
        "first_interval": [
            _rounded(v) for v in np.quantile([first[one].mean() for one in drawn], [0.025, 0.975])
        ],
        "share_of_random": _rounded(share_to_match(mine, lot, everything)),
        "share_interval": [_rounded(low), _rounded(high)],
        "curve": {str(count): _rounded(value) for count, value in zip(labels, accuracy, strict=True)},
    }


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


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
        repeats = [repeat(given, seed) for seed in range(asked.repeats)]
        curves = {way: [one[way] for one in repeats] for way in repeats[0]}
        for way in curves:
            rows.append(row(name, curves, way, given))
            found = rows[-1]
            print(
                f"{name:13} {way:24} first B {found['first_accuracy']:.3f} {found['first_interval']}  "
                f"of random's labels at {BUDGET} B {found['share_of_random']} {found['share_interval']}",
                flush=True,
            )
        # After every set, so that a stopped run has cost one.
        write_json(asked.out, _result(rows, asked.repeats, time.perf_counter() - started))


def _result(rows: list[dict[str, Any]], repeats: int, seconds: float) -> dict[str, Any]:
    return {
        "command": "LIGHTFAST_DATA=FOLDER python benchmarks/selection.py",
        "seed": f"0..{repeats - 1}, one a repeat",
        "repeats": repeats,
        "intervals": "95 %, percentile bootstrap over the repeats (null: never reached within the budget)",
        "share_of_random": f"labels until the mean accuracy is that of {BUDGET} B by lot, over {BUDGET} B",
        "rows": rows,
        "seconds": round(seconds),
        "made": about(),
        "machine": f"{cpu_name()}, 1 thread, {platform.system()}",
    }


if __name__ == "__main__":
    main()
