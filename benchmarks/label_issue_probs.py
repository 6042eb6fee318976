"""What benchmarks/label_issues.py judges by: out-of-fold probabilities under crowd and planted noise, kept.

    LIGHTFAST_DATA=FOLDER python benchmarks/label_issue_probs.py KEPT [--rows 10000] [SET ...]

FOLDER holds `cifar10-20k.npz`, `cifar10n-human-labels.npz`, `mnist.npz`, `quickdraw-34.npz`, `caltech20` and
`intel-scenes`. KEPT gets `features-SET.npz` (features, labels) and `SET-NOISE.npz` (given, clean, probs of
shape (R, N, K)); what is there is not computed again. Photographs are read by the frozen `lite0` backbone,
grey pictures by random Fourier features of their pixels (Rahimi and Recht 2007); a linear head of the house
reads each fold, its strength chosen in the first one. Clean labels plant the noise and judge it, nothing
else.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from lightfast.base.randomness import generator  # noqa: E402
from lightfast.data.dataset import ImageSpec  # noqa: E402
from lightfast.data.ingest import load_splits  # noqa: E402
from lightfast.models.build import fresh_network  # noqa: E402
from lightfast.models.transfer import load_weights, preprocess_of  # noqa: E402
from lightfast.train.features import FeatureExtractor, embedding  # noqa: E402
from lightfast.train.linear import LinearData, LinearSettings, fit_linear  # noqa: E402

SEED, FOLDS, SIDE, GREY_ROWS, PLANTED_ROWS = 0, 5, 160, 3000, 4000
SHARES, KINDS = (0.05, 0.1, 0.2, 0.4), ("uniform", "pair")
PLANTED = ("caltech20", "intel-scenes", "cifar10", "mnist", "quickdraw")
CROWD = ("aggre", "worse")
DRAWINGS = "airplane,alarm clock,banana,bicycle,bird,bowtie,cat,dog,fish,flower".split(",")
# Directions that heads of planted noise learn from, so that 40 sets of folds take minutes.
WIDTH = 384


def plant(clean: NDArray[np.int64], classes: int, kind: str, share: float) -> NDArray[np.int64]:
    """Labels of which `share` are wrong: the next class ("pair"), or any other ("uniform")."""
    rng = generator(SEED, "planted", kind, int(share * 100))
    given = clean.copy()
    rows = rng.choice(len(clean), round(share * len(clean)), replace=False)
    given[rows] = (clean[rows] + (1 if kind == "pair" else rng.integers(1, classes, len(rows)))) % classes
    return given


def out_of_fold(
    features: NDArray[np.float32], labels: NDArray[np.int64], classes: int, repeats: int
) -> NDArray[np.float32]:
    """(R, N, K), every row by a head that was neither fitted nor chosen on it."""
    probs = np.zeros((repeats, len(labels), classes), np.float32)
    strength: tuple[float, ...] | None = None
    for repeat in range(repeats):
        order = generator(repeat, "folds").permutation(len(labels))
        fold_of = np.empty(len(labels), int)
        fold_of[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % FOLDS
        for fold in range(FOLDS):
            rest = np.flatnonzero(fold_of != fold)
            shuffled = rest[generator(repeat, "val", fold).permutation(len(rest))]
            parts = np.split(shuffled, [max(len(rest) // 8, classes)])
            val, fit = (LinearData(features[rows], labels[rows]) for rows in parts)
            settings = LinearSettings() if strength is None else LinearSettings(strengths=strength)
            head = fit_linear(fit, val, classes, settings)
            strength = (head.strength,)
            held = fold_of == fold
            probs[repeat, held] = head.probs(features[held])
    return probs


def enlarged(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Small photographs at SIDE pixels."""
    return np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for one in images])


def cifar_features(data: Path, rows: int) -> dict[str, NDArray]:
    """Features of the first `rows` training pictures, in steps."""
    shape = (SIDE, SIDE, 3)
    network = fresh_network("lite0", "classifier", shape, 2, {}, 0)
    load_weights(network, "lite0", {})
    preprocess = dataclasses.replace(preprocess_of("lite0", shape, {}), size=(SIDE, SIDE))
    extractor = FeatureExtractor(network, preprocess, torch.device("cpu"))
    pictures = np.load(data / "cifar10-20k.npz")

    def read(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        steps = range(0, len(images), 500)
        return np.concatenate([extractor.features(enlarged(images[start : start + 500])) for start in steps])

    return {
        "features": read(pictures["train_images"][:rows]),
        "labels": pictures["train_labels"][:rows].astype(np.int64),
    }


def grey_features(data: Path, name: str) -> dict[str, NDArray]:
    """Random Fourier features of pixels, and the pixels' 60 widest directions for the neighbours."""
    if name == "mnist":
        pictures = np.load(data / "mnist.npz")
        images, labels = pictures["train_images"][:GREY_ROWS], pictures["train_labels"][:GREY_ROWS]
    else:
        pictures = np.load(data / "quickdraw-34.npz")
        wanted = [list(pictures["class_names"]).index(one) for one in DRAWINGS]
        rng, every = np.random.default_rng(SEED), pictures["labels"]
        each = GREY_ROWS // len(wanted)
        rows = np.concatenate(
            [rng.choice(np.flatnonzero(every == one), each, replace=False) for one in wanted]
        )
        rng.shuffle(rows)
        images, labels = pictures["images"][rows], np.array([wanted.index(one) for one in every[rows]])
    pixels = images.reshape(len(images), -1).astype(np.float32) / 255
    pixels -= pixels.mean(axis=0)
    reduced = pixels @ np.linalg.eigh(pixels.T @ pixels)[1][:, ::-1][:, :60]
    gaps = ((reduced[:200, None] - reduced[None, :200]) ** 2).sum(axis=2)
    rng, width = np.random.default_rng(1), np.sqrt(np.median(gaps)) / 2
    waves = reduced @ rng.normal(size=(60, 512)) / width + rng.uniform(0, 2 * np.pi, 512)
    return {"features": np.cos(waves).astype(np.float32), "labels": labels.astype(np.int64), "near": reduced}


def folder_features(data: Path, name: str) -> dict[str, NDArray]:
    """Lite0 features of a folder of classes."""
    pictures = load_splits(f"{data / name}", ImageSpec((224, 224), 3)).part("all")
    return {"features": embedding()(pictures.images), "labels": pictures.require_labels()}


def features_of(kept: Path, data: Path, name: str, rows: int) -> dict[str, NDArray]:
    """The features of a set, computed once."""
    path = kept / f"features-{name}.npz"
    if not path.is_file():
        grey = name in ("mnist", "quickdraw")
        made = (
            cifar_features(data, rows)
            if name == "cifar10"
            else (grey_features if grey else folder_features)(data, name)
        )
        np.savez(path, **made)
    return dict(np.load(path))


def narrowed(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The widest directions, turned at random: heads standardise columns, which would stretch narrow ones."""
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread > 1e-6, spread, 1)
    widest = scaled @ np.linalg.eigh(scaled.T @ scaled)[1][:, ::-1][:, :WIDTH]
    turn = np.linalg.qr(np.random.default_rng(SEED).normal(size=(widest.shape[1],) * 2))[0]
    return (widest @ turn).astype(np.float32)


def keep(kept: Path, name: str, labels: tuple[NDArray, NDArray], features: NDArray, repeats: int) -> None:
    """`NAME.npz` of (given, clean) labels, unless it is there."""
    path, (given, clean) = kept / f"{name}.npz", labels
    if path.is_file():
        return
    probs = out_of_fold(features, given, int(clean.max()) + 1, repeats)
    np.savez(path, given=given, clean=clean, probs=probs)
    print(
        f"{name}: {(probs.mean(axis=0).argmax(axis=1) == clean).mean():.3f} of clean labels read", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kept", type=Path)
    parser.add_argument("sets", nargs="*", default=["crowd", *PLANTED])
    parser.add_argument("--rows", type=int, default=10_000, help="CIFAR-10 rows with crowd labels")
    options, data = parser.parse_args(), Path(os.environ["LIGHTFAST_DATA"])
    options.kept.mkdir(parents=True, exist_ok=True)
    for name in options.sets:
        found = features_of(options.kept, data, "cifar10" if name == "crowd" else name, options.rows)
        if name == "crowd":
            crowd, n = np.load(data / "cifar10n-human-labels.npz"), len(found["labels"])
            for kind in CROWD:
                pair = (
                    crowd[f"{kind}_label"][:n].astype(np.int64),
                    crowd["clean_label"][:n].astype(np.int64),
                )
                keep(options.kept, f"cifar10-crowd-{kind}", pair, found["features"], 2)
            continue
        labels = found["labels"][:PLANTED_ROWS]
        features = found["features"][:PLANTED_ROWS]
        features = features if name in ("mnist", "quickdraw") else narrowed(features)
        for share in SHARES:
            for kind in KINDS:
                given = plant(labels, int(labels.max()) + 1, kind, share)
                keep(options.kept, f"{name}-{kind}-{int(share * 100)}", (given, labels), features, 3)


if __name__ == "__main__":
    main()
