"""Label issues: ranking, cut, counts, suggestions and clean-up on crowd and planted noise, beside cleanlab.

    python benchmarks/label_issues.py KEPT [--peer PYTHON] [--out FILE] [--jobs 1]

judges what benchmarks/label_issue_probs.py left in KEPT, prints a table and writes
benchmarks/results/label-issues.json. PYTHON is the interpreter of another environment that has cleanlab 2.9
(AGPL: never one of ours); both are given the same out-of-sample probabilities. AP: average precision of
finding the wrong labels. Intervals: 95 %, paired bootstrap over pictures for AP, Newcombe for accuracies. The
clean-up is cross-validated: heads are fitted on four fifths of the given labels, with and without the label
issues, and read the clean labels of the last fifth. What was judged by the same code is kept in KEPT/judged
and not judged again.

The sets themselves hold wrong labels, which count as false positives. own_errors.json lists pictures that a
viewer saw to be no such thing, among the first 40 false positives of the combined score and of single ones
(intel: the combined score's with its suggestion shown, the last 18, of single scores, with labels alone;
quickdraw: labels alone); "without_own_errors" leaves them out on both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from label_issue_probs import narrowed  # noqa: E402
from measured import about  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from lightfast.base.files import json_digest, load_json, write_json  # noqa: E402
from lightfast.base.parallel import in_parallel  # noqa: E402
from lightfast.base.plain import as_json  # noqa: E402
from lightfast.base.randomness import generator  # noqa: E402
from lightfast.curate import issues as label_issues  # noqa: E402
from lightfast.curate.issues import LabelIssues, find_label_issues  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402
from lightfast.statistics.intervals import difference_interval  # noqa: E402
from lightfast.train.linear import LinearData, LinearSettings, fit_linear  # noqa: E402

SEED, RESAMPLES, MANY = 0, 500, 1_000_000
OUT = Path(__file__).parent / "results" / "label-issues.json"
OWN_ERRORS = Path(__file__).parent / "own_errors.json"
CHOSEN_ON, CHOSEN_ROWS = ("caltech20", "intel-scenes", "cifar10-pair-10", "cifar10-pair-20"), 5_000
"""Sets, and rows of both crowds, on which the share of guessed labels of `NoiseModel.judged` was chosen."""
PEER = """
import sys, time, json, numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
d = np.load(sys.argv[1]); y, p = d["given"], d["probs"]
find_label_issues(y[:2000], p[:2000], n_jobs=1)
started = time.process_time()
out = {"default_mask": find_label_issues(y, p, n_jobs=1)}
told = {"mask_seconds": time.process_time() - started}
started = time.process_time()
out["self_confidence"] = get_label_quality_scores(y, p, method="self_confidence")
told["score_seconds"] = time.process_time() - started
if len(y) < 200000:
    for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        for adjust in (False, True):
            if not (adjust and method == "confidence_weighted_entropy"):
                name = method + "_adjusted" * adjust
                out[name] = get_label_quality_scores(y, p, method=method, adjust_pred_probs=adjust)
np.savez(sys.argv[2], **out); print(json.dumps(told))
"""


def precision_curve(score: NDArray, wrong: NDArray[np.bool_], weights: NDArray | None = None) -> float:
    """Average precision of finding `wrong` by the lowest scores first, rows counted `weights` times."""
    return precision_of(np.argsort(np.nan_to_num(score, nan=np.inf), kind="stable"), wrong, weights)


def precision_of(order: NDArray[np.int64], wrong: NDArray[np.bool_], weights: NDArray | None = None) -> float:
    """Average precision of finding `wrong` in this order."""
    counts = np.ones(len(order)) if weights is None else weights[order]
    hits = counts * wrong[order]
    return float((hits * np.cumsum(hits) / np.maximum(np.cumsum(counts), 1)).sum() / max(hits.sum(), 1))


def best_f1(score: NDArray, wrong: NDArray[np.bool_]) -> float:
    """The best F1 of any threshold."""
    found = np.cumsum(wrong[np.argsort(score, kind="stable")])
    return float((2 * found / (np.arange(1, len(wrong) + 1) + wrong.sum())).max())


def f1(mask: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> float:
    """F1 of a set of rows."""
    return float(2 * (mask & wrong).sum() / max(int(mask.sum() + wrong.sum()), 1))


def gain(score: NDArray, other: NDArray, wrong: NDArray[np.bool_]) -> dict[str, Any]:
    """AP of `score` less that of `other`, with its interval."""
    rng = generator(SEED, "resamples")
    draws = [rng.multinomial(len(wrong), np.full(len(wrong), 1 / len(wrong))) for _ in range(RESAMPLES)]
    orders = [np.argsort(np.nan_to_num(one, nan=np.inf), kind="stable") for one in (score, other)]
    first, second = ([precision_of(order, wrong, one) for one in draws] for order in orders)
    gaps = np.subtract(first, second)
    low, high = np.percentile(gaps, [2.5, 97.5])
    value = precision_curve(score, wrong) - precision_curve(other, wrong)
    return {"gain": value, "interval": [float(low), float(high)]}


def peer_scores(
    python: str | None, given: NDArray, probs: NDArray
) -> tuple[dict[str, NDArray], dict[str, float]]:
    """What cleanlab says of the same probabilities, and its seconds; nothing without an interpreter."""
    if python is None:
        return {}, {}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/in.npz", given=given, probs=probs)
        ran = subprocess.run(
            [python, "-c", PEER, f"{folder}/in.npz", f"{folder}/out.npz"],
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(np.load(f"{folder}/out.npz")), json.loads(ran.stdout.splitlines()[-1])


def cleaned(features: NDArray, given: NDArray, clean: NDArray, issues: LabelIssues) -> dict[str, Any]:
    """Accuracy on clean labels of heads fitted on everything and without the issues, cross-validated."""
    classes = len(issues.class_names)
    fold_of = generator(SEED, "clean-up").permutation(len(given)) % 5
    correct = np.zeros((2, len(given)), dtype=bool)
    settings = LinearSettings(strengths=(0.1,))
    for fold in range(5):
        held = fold_of == fold
        for which, kept in enumerate((~held, ~held & ~issues.is_issue)):
            rows = generator(SEED, "val", fold).permutation(np.flatnonzero(kept))
            val, fit = (LinearData(features[part], given[part]) for part in np.split(rows, [len(rows) // 8]))
            head = fit_linear(fit, val, classes, settings)
            correct[which, held] = head.probs(features[held]).argmax(axis=1) == clean[held]
    before, after = (float(one.mean()) for one in correct)
    interval = difference_interval(correct[0], correct[1])
    return {
        "all": before,
        "cleaned": after,
        "gain": after - before,
        "interval": list(interval),
        "n": len(given),
    }


def ranked(
    issues: LabelIssues, alone: LabelIssues, peers: dict[str, NDArray], wrong: NDArray
) -> dict[str, Any]:
    """Average precision of every score, and what the combined one gains over the others."""
    quality = issues.label_quality
    singles = {key: precision_curve(one, wrong) for key, one in issues.scores.items()}
    rivals = {key: precision_curve(one, wrong) for key, one in peers.items() if one.dtype != bool}
    single, peer = (max(found, key=lambda key: found[key], default=None) for found in (singles, rivals))
    assert single is not None, "there are single scores"
    return {
        "average_precision": {
            "combined": precision_curve(quality, wrong),
            "combined, probabilities alone": precision_curve(alone.label_quality, wrong),
            **singles,
        },
        "peer_average_precision": rivals,
        "over_self_confidence": gain(quality, issues.scores["self_confidence"], wrong),
        "over_best_single": {"score": single, **gain(quality, issues.scores[single], wrong)},
        "over_best_peer": peer and {"score": peer, **gain(quality, peers[peer], wrong)},
        "alone_over_self_confidence": gain(alone.label_quality, issues.scores["self_confidence"], wrong),
    }


def without_own_errors(
    name: str, issues: LabelIssues, peers: dict[str, NDArray], wrong: NDArray
) -> dict[str, Any] | None:
    """The ranking without the pictures whose own label was seen to be wrong; None where nobody has looked."""
    seen = next((one for key, one in load_json(OWN_ERRORS).items() if name.startswith(key)), None)
    if seen is None:
        return None
    kept = np.setdiff1d(np.arange(len(wrong)), seen["wrong"])
    quality, truth = issues.label_quality[kept], wrong[kept]
    rivals = {key: one[kept] for key, one in peers.items() if one.dtype != bool}
    best = max(rivals, key=lambda key: precision_curve(rivals[key], truth), default=None)
    mask = issues.is_issue[kept]
    return {
        "seen": seen["seen"],
        "left_out": len(wrong) - len(kept),
        "average_precision": precision_curve(quality, truth),
        "over_self_confidence": gain(quality, issues.scores["self_confidence"][kept], truth),
        "over_best_peer": best and {"score": best, **gain(quality, rivals[best], truth)},
        "cut_share": f1(mask, truth) / best_f1(quality, truth),
    }


def cuts(
    issues: LabelIssues, alone: LabelIssues, peers: dict[str, NDArray], wrong: NDArray, fresh: NDArray | None
) -> dict[str, Any]:
    """F1 of every cut, beside the best that a threshold on its score reaches; `fresh`: rows not chosen on."""
    confidence, quality = issues.scores["self_confidence"], issues.label_quality
    candidates = {
        "ours": (issues.is_issue, quality),
        "ours, probabilities alone": (alone.is_issue, alone.label_quality),
        "argmax is not the label": (issues.pred_probs.argmax(axis=1) != issues.given_label, confidence),
    }
    if "default_mask" in peers:
        candidates["peer, default"] = (peers["default_mask"], peers["self_confidence"])
    if fresh is not None:
        candidates["ours, rows not chosen on"] = (issues.is_issue[fresh], quality[fresh])
    found = {}
    for key, (mask, score) in candidates.items():
        truth = wrong if len(mask) == len(wrong) else wrong[fresh]
        found[key] = {"f1": f1(mask, truth), "best_f1": best_f1(score, truth), "issues": int(mask.sum())}
        found[key]["share"] = found[key]["f1"] / found[key]["best_f1"]
    return found


def counted(issues: LabelIssues, clean: NDArray, wrong: NDArray) -> dict[str, Any]:
    """Estimated numbers, what is found first, suggestions."""
    first, n, k = np.argsort(issues.label_quality, kind="stable"), len(wrong), int(wrong.sum())
    by_class = np.bincount(issues.given_label, weights=wrong, minlength=len(issues.class_names))
    inside = [
        one.interval.low <= count <= one.interval.high
        for one, count in zip(issues.wrong_by_class, by_class, strict=True)
    ]
    return {
        "estimated_wrong": issues.wrong.wrong,
        "estimated_interval": list(issues.wrong.interval),
        "classes_inside": [sum(inside), len(inside)],
        "found_in_first_tenth": float(wrong[first[: n // 10]].sum() / k),
        "precision_at_k": float(wrong[first[:k]].mean()),
        "suggestion_right": float((issues.suggested_label == clean)[wrong].mean()),
    }


def measured(kept: Path, path: Path, python: str | None) -> dict[str, Any]:
    """All figures of one set under one noise."""
    data, name = np.load(path), path.stem
    given, clean, repeats = data["given"], data["clean"], data["probs"]
    wrong, n, probs = given != clean, len(given), repeats.mean(axis=0)
    source = next(one for one in sorted(kept.glob("features-*.npz")) if name.startswith(one.stem[9:]))
    features = dict(np.load(source))
    near = features.get("near", features["features"])[:n]
    started = time.process_time()
    issues = find_label_issues(probs, given, features=near, repeats=repeats)
    seconds = time.process_time() - started
    alone = find_label_issues(probs, given)
    peers, _ = peer_scores(python, given, probs.astype(np.float64))
    head = near if "near" in features else narrowed(features["features"][:n])
    row = {
        "set": name,
        "chosen_on": name.startswith(CHOSEN_ON),
        "n": n,
        "wrong": int(wrong.sum()),
        "read": float((probs.argmax(axis=1) == clean).mean()),
        "seconds": seconds,
        **ranked(issues, alone, peers, wrong),
        "cut": cuts(issues, alone, peers, wrong, np.arange(n) >= CHOSEN_ROWS if "crowd" in name else None),
        **counted(issues, clean, wrong),
        "without_own_errors": without_own_errors(name, issues, peers, wrong),
        "clean_up": cleaned(np.asarray(head, dtype=np.float32), given, clean, issues),
    }
    print(summary(row), flush=True)
    return row


def code_digest() -> str:
    """Of what decides the figures: the room `curate`, the linear heads, and this file."""
    source = Path(label_issues.__file__).parent
    files = [*sorted(source.glob("*.py")), source.parent / "train" / "linear.py", Path(__file__), OWN_ERRORS]
    return json_digest({str(number): one.read_text() for number, one in enumerate(files)}, 8)


def measured_once(kept: Path, path: Path, python: str | None, digest: str) -> dict[str, Any]:
    """`measured`, or what KEPT/judged holds of this set, judged by the same code."""
    place = kept / "judged" / f"{path.stem}.json"
    if place.is_file() and (found := load_json(place))["digest"] == digest:
        return found["row"]
    row = as_json(measured(kept, path, python))
    place.parent.mkdir(exist_ok=True)
    write_json(place, {"digest": digest, "row": row})
    return row


def speed(python: str | None) -> dict[str, Any]:
    """Processor seconds for a million rows of ten classes; the peer's are those of its mask and one score."""
    rng = np.random.default_rng(SEED)
    clean = rng.integers(0, 10, MANY)
    given = np.where(rng.random(MANY) < 0.1, rng.integers(0, 10, MANY), clean)
    logits = rng.normal(size=(MANY, 10)) * 1.5
    logits[np.arange(MANY), clean] += 4
    probs = np.exp(logits)
    probs = (probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    find_label_issues(probs[:2000], given[:2000])
    ours, theirs = [], []
    for _ in range(5):
        started = time.process_time()
        find_label_issues(probs, given)
        ours.append(time.process_time() - started)
        told = peer_scores(python, given, probs)[1]
        theirs.append(sum(told.values()))
    return {
        "n": MANY,
        "classes": 10,
        "ours": float(np.median(ours)),
        "peer": float(np.median(theirs)),
        "runs": 5,
        "all_ours": ours,
        "all_peer": theirs,
    }


def summary(row: dict[str, Any]) -> str:
    """One set in a line."""
    ap, cut, clean = row["average_precision"], row["cut"]["ours"], row["clean_up"]
    low, high = clean["interval"]
    return (
        f"{row['set']:24s} n {row['n']:6d} wrong {row['wrong']:5d} AP {ap['combined']:.3f} "
        f"(self {ap['self_confidence']:.3f}, best single {row['over_best_single']['gain']:+.3f}) "
        f"cut {cut['share']:.3f} of {cut['best_f1']:.3f}, estimated {row['estimated_wrong']:.0f}, "
        f"clean-up {clean['gain']:+.3f} ({low:+.3f} to {high:+.3f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kept", type=Path)
    parser.add_argument("--peer", help="interpreter of an environment with cleanlab 2.9")
    parser.add_argument("--jobs", type=int, default=1, help="sets at once")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    paths = sorted(one for one in options.kept.glob("*.npz") if not one.stem.startswith("features-"))
    digest = code_digest()
    tasks = [(options.kept, path, options.peer, digest) for path in paths]
    result = {
        "command": "python benchmarks/label_issues.py KEPT --peer PYTHON",
        "seed": SEED,
        "resamples": RESAMPLES,
        "made": about(),
        "machine": cpu_name(),
        "python": platform.python_version(),
        "peer": None if options.peer is None else "cleanlab 2.9.0",
        "sets": in_parallel(measured_once, tasks, jobs=options.jobs),
        "speed": speed(options.peer),
    }
    write_json(options.out, as_json(result))


if __name__ == "__main__":
    main()
