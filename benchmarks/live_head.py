"""How soon a live head is fitted again after a handful of decisions, and how true what it says of itself is.

    LIGHTFAST_DATA=FOLDER python benchmarks/live_head.py

writes benchmarks/results/live_head.json. Speed: 10,000 drawn pictures with 1,280 features each, whose
variances fall off as those of a network do, in 20 classes, 9,950, 2,000 or 200 of them decided; five more
are decided and the head is fitted to all, with cross-validation and calibration, as the review page does
after every handful. Truth: the sets of `selection.py`, labelled by `select` in handfuls; the cross-validated
accuracy of the decided pictures and what the head expects of the others beside what is true of those.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "2")

import numpy as np  # noqa: E402
from measured import about  # noqa: E402
from selection_sets import SETS, divided, load_features  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.base.randomness import generator  # noqa: E402
from lightfast.curate.live_head import LiveHead  # noqa: E402
from lightfast.curate.select import Known, select_next  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402

PICTURES, WIDTH, CLASSES = 10_000, 1_280, 20
DECIDED, HANDFUL, REFITS = (9_950, 2_000, 200), 5, 7
OUT = Path(__file__).parent / "results" / "live_head.json"


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """(float32 (10,000, 1,280), classes): correlated, overlapping."""
    rng = generator(0, "benchmark", "live head")
    labels = rng.integers(CLASSES, size=PICTURES)
    centres = rng.normal(size=(CLASSES, WIDTH))
    turned = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0] * np.arange(1, WIDTH + 1) ** -0.7 * 20
    noise = rng.normal(size=(PICTURES, WIDTH)) @ turned
    return (0.12 * centres[labels] + noise + 1).astype(np.float32), labels


def speed(decided: int, start: LiveHead, labels: np.ndarray) -> dict[str, Any]:
    """Seconds of `refit` after each handful: median and range, wall and processor."""
    names = start.class_names
    head = start.decide(np.arange(decided), [names[one] for one in labels[:decided]])
    begun = time.perf_counter()
    head = head.refit()
    first, wall, processor = time.perf_counter() - begun, [], []
    for number in range(REFITS):
        rows = np.arange(decided + HANDFUL * number, decided + HANDFUL * (number + 1))
        begun, burnt = time.perf_counter(), time.process_time()
        head = head.decide(rows, [names[one] for one in labels[rows]]).refit()
        head.probs()
        wall.append(time.perf_counter() - begun)
        processor.append(time.process_time() - burnt)
    assert head.fit is not None
    assert head.fit.accuracy is not None
    return {
        "decided": decided,
        "first_seconds": round(first, 3),
        "refit_seconds": round(float(np.median(wall)), 3),
        "refit_range": [round(min(wall), 3), round(max(wall), 3)],
        "refit_processor_seconds": round(float(np.median(processor)), 3),
        "cross_validated_accuracy": round(head.fit.accuracy.value, 4),
    }


def truth(name: str, data: Path, kept: Path | None, repeats: int) -> list[dict[str, Any]]:
    """What the head says of itself and what is true, at 3, 6 and 10 labels a class."""
    given, found = load_features(name, data, kept), []
    classes = len(given.class_names)
    rows: dict[int, list[tuple[float, ...]]] = {times: [] for times in (3, 6, 10)}
    for seed in range(repeats):
        pool, _ = divided(given, seed)
        labels = given.labels[pool]
        head = LiveHead.start(given.features[pool], given.class_names)
        while len(head.decided) < max(rows) * classes:
            known = Known(head.labels, None, head.probs(), given.class_names)
            picked = select_next(given.features[pool], classes, known, seed=seed).rows
            head = head.decide(picked, [given.class_names[one] for one in labels[picked]]).refit()
            times = len(head.decided) // classes
            if times in rows:
                left, probs = np.flatnonzero(head.labels < 0), head.probs()
                assert head.fit is not None
                assert head.fit.accuracy is not None
                assert probs is not None
                true = float((probs[left].argmax(axis=1) == labels[left]).mean())
                said = head.expected_accuracy()
                assert said is not None
                rows[times].append((head.fit.accuracy.value, said, true))
    for times, values in rows.items():
        cross, expected, true = np.mean(values, axis=0)
        off = np.abs(np.array(values)[:, 1] - np.array(values)[:, 2])
        found.append(
            {
                "data": name,
                "labels": times * classes,
                "repeats": repeats,
                "accuracy_of_the_others": round(float(true), 4),
                "expected_of_the_others": round(float(expected), 4),
                "expected_off_by": round(float(off.mean()), 4),
                "cross_validated_of_the_decided": round(float(cross), 4),
            }
        )
        print(*(f"{key} {value}" for key, value in found[-1].items()), sep="  ", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kept", type=Path, help="folder in which features are kept between runs")
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    features, labels = drawn()
    begun = time.perf_counter()
    start = LiveHead.start(features, [f"class {one}" for one in range(CLASSES)])
    begin_seconds = round(time.perf_counter() - begun, 2)
    speeds = []
    for decided in DECIDED:
        speeds.append(speed(decided, start, labels))
        print(*(f"{key} {value}" for key, value in speeds[-1].items()), sep="  ", flush=True)
    data = Path(os.environ["LIGHTFAST_DATA"])
    rows = [one for name in asked.sets for one in truth(name, data, asked.kept, asked.repeats)]
    result = {
        "command": "LIGHTFAST_DATA=FOLDER python benchmarks/live_head.py",
        "seed": f"0 (speed), 0..{asked.repeats - 1}, one a repeat (truth)",
        "n": {
            "pictures": PICTURES,
            "features": WIDTH,
            "classes": CLASSES,
            "axes": start.features.values.shape[1],
        },
        "start_seconds": begin_seconds,
        "speed": speeds,
        "truth": rows,
        "made": about(),
        "machine": f"{cpu_name()}, {os.environ['OMP_NUM_THREADS']} threads, {platform.system()}, shared with "
        "other work",
    }
    write_json(asked.out, result)


if __name__ == "__main__":
    main()
