"""How pure the clusters of `lightfast.curate.clusters` are, and how well that is said beforehand.

    LIGHTFAST_DATA=FOLDER python benchmarks/clusters.py [--kept FOLDER] [--seeds 3] [--learn]

FOLDER of LIGHTFAST_DATA holds caltech20, intel-scenes, clothing, quickdraw-34.npz, cifar10-20k.npz and so
on; a set that is not there is left out and named. Features: the pooled ones of EfficientNet-Lite0 with its
ImageNet weights, pictures at 224 px, kept as NAME.npz in `--kept`. Six clusters a class; the labels serve to
judge.

Purity at 60 % coverage: clusters are labelled as a whole by their commonest class, the firmest first, until
60 % of all pictures have a label; the share of right ones. Peer: k-means of the same features and number of
clusters, the tightest first, whole clusters. Predicted purity: the weights are learned on the other sets
(those of clothing count as one), never on the set itself; its error
is also given after two pairs a cluster were checked. `--learn` learns on all sets and writes
src/lightfast/curate/cluster_purity.json. Intervals: bootstrap over the seeds' clusterings. Prints a table and
writes benchmarks/results/clusters.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from measured import about  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.base.plain import as_json  # noqa: E402
from lightfast.base.randomness import generator  # noqa: E402
from lightfast.curate import clusters as clustering  # noqa: E402
from lightfast.curate.cluster_checks import pairs_to_check, with_checked_pairs  # noqa: E402
from lightfast.curate.cluster_purity import PURITY_FILE, cluster_signs, learned_weights  # noqa: E402
from lightfast.curate.clusters import Clusters, find_clusters, k_means, picture_space  # noqa: E402
from lightfast.curate.embed import backbone_embedder  # noqa: E402
from lightfast.curate.neighbours import nearest  # noqa: E402
from lightfast.data.dataset import ImageSpec  # noqa: E402
from lightfast.data.images import sample  # noqa: E402
from lightfast.data.ingest import load_splits  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "clusters.json"
WEIGHTS = Path(clustering.__file__).parent / PURITY_FILE
SETS = {
    "caltech20": None,
    "intel-scenes": None,
    "clothing": None,
    "quickdraw-34.npz": 1_700,
    "cifar10-20k.npz": 1_500,
    "english-handwritten-62.npz": 1_800,
}
JUNK = ("Not_sure", "Skip", "Other")
"""Of clothing: no kind of garment."""
COVERAGE = 0.6


def features_of(
    name: str, limit: int | None, kept: Path
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
    """(features (N, 1280), labels, class names) of a set, computed once."""
    place = kept / f"{name.removesuffix('.npz')}.npz"
    if not place.exists():
        source = Path(os.environ["LIGHTFAST_DATA"]) / name
        images = sample(load_splits(source, ImageSpec((224, 224), 3)).part("all"), limit, 0)
        vectors = backbone_embedder().compute(images.images)
        np.savez(place, X=vectors, y=images.require_labels(), names=np.array(images.class_names))
    with np.load(place) as found:
        return found["X"], found["y"], list(map(str, found["names"]))


def covered(labels: NDArray[np.int64], groups: list[NDArray[np.int64]]) -> tuple[float, float, int]:
    """(share right, share of pictures labelled, groups used) at 60 % coverage, groups in their order."""
    wanted, labelled, right, used = COVERAGE * len(labels), 0.0, 0.0, 0
    for rows in groups:
        share = min(1.0, (wanted - labelled) / len(rows)) if len(rows) else 0.0
        labelled += share * len(rows)
        right += share * np.bincount(labels[rows]).max() if len(rows) else 0
        used += len(rows) > 0
        if labelled >= wanted - 1e-9:
            break
    return right / labelled, labelled / len(labels), used


def peer(vectors: NDArray[np.float32], labels: NDArray[np.int64], count: int, seed: int) -> float:
    """Plain k-means, whole clusters, the tightest first."""
    space = picture_space(vectors)
    assignment = k_means(space, count, seed)
    members = [np.flatnonzero(assignment == number) for number in range(count)]
    tight = [np.square(space[rows] - space[rows].mean(axis=0)).sum(axis=1).mean() for rows in members]
    return covered(labels, [members[number] for number in np.argsort(tight)])[0]


def measured(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], seed: int
) -> tuple[Clusters, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(clusters, their signs (K, 6), true purity of the cores (K,), sizes of the cores)."""
    found = find_clusters(vectors, classes=len(np.unique(labels)), seed=seed)
    near = nearest(vectors, min(clustering.NEAR, len(vectors) - 1))
    signs = cluster_signs(picture_space(vectors), found.assignment, found.core, found.firmness, near)
    cores = [labels[found.members(number)] for number in range(len(found.clusters))]
    sizes = np.array([len(core) for core in cores], dtype=np.float64)
    purity = np.array([np.bincount(core).max() / len(core) if len(core) else 0.0 for core in cores])
    return found, signs.table(), purity, sizes


def error_of(
    predicted: NDArray[np.float64], purity: NDArray[np.float64], sizes: NDArray[np.float64]
) -> dict[str, Any]:
    """How far predicted and true purity are apart: by cluster, by picture, over fifths of the clusters."""
    order = np.argsort(predicted)
    fifths = [part for part in np.array_split(order, 5) if len(part)]
    bins = [
        {
            "predicted": round(float(np.average(predicted[part], weights=sizes[part])), 4),
            "true": round(float(np.average(purity[part], weights=sizes[part])), 4),
            "clusters": len(part),
        }
        for part in fifths
    ]
    gaps = [abs(one["predicted"] - one["true"]) for one in bins]
    return {
        "mean_absolute": round(float(np.abs(predicted - purity).mean()), 4),
        "mean_absolute_by_picture": round(float(np.average(np.abs(predicted - purity), weights=sizes)), 4),
        "bias": round(float(np.average(predicted - purity, weights=sizes)), 4),
        "by_bins": round(float(np.mean(gaps)), 4),
        "bins": bins,
    }


def interval(values: list[float], seed: int) -> dict[str, Any]:
    """Mean and 95 % bootstrap interval over seeds."""
    rng, given = generator(seed, "interval"), np.array(values)
    means = given[rng.integers(0, len(given), (2_000, len(given)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": round(float(given.mean()), 4), "interval": [round(float(low), 4), round(float(high), 4)]}


def collected(kept: Path, seeds: int) -> tuple[dict[str, list[Any]], list[str]]:
    """Name → (labels, peer, what `measured` gives) of every seed; the sets that are not there."""
    made: dict[str, list[Any]] = {}
    missing = []
    for name, limit in SETS.items():
        plain = name.removesuffix(".npz")
        if not (kept / f"{plain}.npz").exists() and not (Path(os.environ["LIGHTFAST_DATA"]) / name).exists():
            missing.append(plain)
            continue
        vectors, labels, names = features_of(name, limit, kept)
        chosen = {plain: np.ones(len(labels), dtype=bool)}
        if plain == "clothing":
            chosen["clothing, garments only"] = ~np.isin(labels, [names.index(one) for one in JUNK])
        for title, rows in chosen.items():
            own = np.unique(labels[rows], return_inverse=True)[1]
            count = clustering.PER_CLASS * (int(own.max()) + 1)
            made[title] = []
            for seed in range(seeds):
                here = (own, peer(vectors[rows], own, count, seed), *measured(vectors[rows], own, seed))
                made[title].append(here)
                print(f"{title}, seed {seed}", flush=True)
    return made, missing


def learn(made: Mapping[str, list[Any]], without: str = "") -> dict[str, Any]:
    """Weights from all sets but those of one name; every set counts alike."""
    used = {title: runs for title, runs in made.items() if title.split(",")[0] != without}
    parts = [(signs, purity, sizes) for runs in used.values() for _, _, _, signs, purity, sizes in runs]
    share = [1 / sum(sizes.sum() for *_, sizes in runs) for runs in used.values() for _ in runs]
    rows = [np.concatenate([part[place] for part in parts]) for place in (0, 1, 2)]
    weights = np.concatenate([part[2] * one for part, one in zip(parts, share, strict=True)])
    weight, offset = learned_weights(rows[0], rows[1], weights / weights.mean())
    return {"weights": weight, "offset": offset, "sets": sorted(used), "n": len(rows[0])}


def _checked(
    found: Clusters, predicted: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The predictions once two pairs of each core have been called alike or not."""
    clusters = tuple(
        dataclasses.replace(one, purity=float(value))
        for one, value in zip(found.clusters, predicted, strict=True)
    )
    pairs = pairs_to_check(found, 2)
    moved = with_checked_pairs(
        dataclasses.replace(found, clusters=clusters), pairs, labels[pairs[:, 0]] == labels[pairs[:, 1]]
    )
    return np.array([one.purity for one in moved.clusters])


def row(title: str, runs: list[Any], made: Mapping[str, list[Any]]) -> dict[str, Any]:
    """One set: purity at 60 % coverage beside the peer's, and the error of what was said beforehand."""
    learned = learn(made, title.split(",", maxsplit=1)[0])
    ours, peers, used, said, checked = [], [], [], [], []
    for labels, plain, found, signs, purity, sizes in runs:
        score = 1 / (1 + np.exp(-(signs @ np.array(learned["weights"]) + learned["offset"])))
        predicted = np.maximum(score, 1 / np.maximum(sizes, 1))
        reached, coverage, count = covered(labels, [found.members(one.number) for one in found.clusters])
        ours.append(reached)
        peers.append(plain)
        used.append(count)
        some = sizes > 0
        said.append((predicted[some], purity[some], sizes[some]))
        checked.append((_checked(found, predicted, labels)[some], purity[some], sizes[some]))
        print(f"{title}: {reached:.3f} at {coverage:.2f}, peer {plain:.3f}")
    errors = [
        error_of(*(np.concatenate([one[place] for one in runs_]) for place in (0, 1, 2)))
        for runs_ in (said, checked)
    ]
    return {
        "set": title,
        "n": len(runs[0][0]),
        "classes": int(runs[0][0].max()) + 1,
        "clusters": len(runs[0][2].clusters),
        "purity_at_60": interval(ours, 0),
        "peer_purity_at_60": interval(peers, 0),
        "clusters_labelled": round(float(np.mean(used)), 1),
        "predicted_purity_error": errors[0],
        "after_checking_two_pairs_a_cluster": errors[1],
        "learned_on": learned["sets"],
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kept", type=Path, default=Path("features-of-benchmarks"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--learn", action="store_true")
    given = parser.parse_args()
    given.kept.mkdir(parents=True, exist_ok=True)
    made, missing = collected(given.kept, given.seeds)
    rows = [row(title, runs, made) for title, runs in made.items()]
    if given.learn:
        write_json(WEIGHTS, learn(made))
    command = ["python", "benchmarks/clusters.py", "--seeds", str(given.seeds)]
    shared = {"seeds": given.seeds, "coverage": COVERAGE, "missing": missing, "rows": rows}
    write_json(RESULTS, {**shared, **as_json(about("", 0, None, command))})


if __name__ == "__main__":
    main()
