"""From a few labelled photographs to a tagged folder: a pretrained backbone, one ONNX file, tags. Ten seconds
or so on one core; offline.

The same as `lightfast train`, `export` and `predict`; docs/photographs.md tells the whole of it. Writes into
a temporary folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import lightfast as lf
from lightfast.data.duplicates.search import with_near_groups
from lightfast.data.ingest import load_splits
from lightfast.evaluate.predict import pred_probs
from lightfast.export.check import compare_graph
from lightfast.export.graph import export_graph
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import tag_run
from lightfast.tagging.runtime import load_tagger

SIDE, EACH = 64, 20


def stripes(rng: np.random.Generator) -> np.ndarray:
    """float (SIDE, SIDE), -1..1: waves in some direction."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    angle = rng.uniform(0, np.pi)
    return np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * rng.uniform(0.5, 0.9))


def dots(rng: np.random.Generator) -> np.ndarray:
    """float (SIDE, SIDE), -1..1: round spots here and there."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    spots = [np.hypot(rows - y, columns - x) < rng.uniform(3, 6) for y, x in rng.uniform(0, SIDE, (14, 2))]
    return np.where(np.any(spots, axis=0), 1.0, -1.0)


def clouds(rng: np.random.Generator) -> np.ndarray:
    """float (SIDE, SIDE), -1..1: coarse noise, made smooth."""
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) / 127.5 - 1


def make_a_library(folder: Path, each: int, seed: int) -> None:
    """Stand-in for your photographs: JPEG files in class folders; one of them twice, resized;
    and one file that is no picture.
    """
    rng = np.random.default_rng(seed)
    for make in (stripes, dots, clouds):
        (folder / make.__name__).mkdir(parents=True)
        for number in range(each):
            shades = (
                make(rng)[..., None] * rng.uniform(20, 60, 3)
                + rng.uniform(70, 185, 3)
                + rng.normal(0, 6, (SIDE, SIDE, 3))
            )
            pixels = shades.clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / make.__name__ / f"{number}.jpg")
    Image.open(folder / "dots" / "0.jpg").resize((80, 80)).save(folder / "dots" / "again.jpg", quality=60)
    (folder / "clouds" / "broken.jpg").write_bytes(b"<html>404</html>")


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        labelled, new = Path(place, "labelled"), Path(place, "new")
        make_a_library(labelled, EACH, seed=0)
        make_a_library(new, 10, seed=1)

        # What `train` does as well: pictures that are nearly the same get one number, and stay on one side of
        # the split.
        loaded, near = with_near_groups(load_splits(labelled))
        images = loaded.train
        print(f"{len(images)} pictures; not read: {loaded.unreadable[0].reason}")
        print(f"nearly the same: {[[images.ids[row] for row in group] for group in near.groups]}")

        # EfficientNet-Lite0, its ImageNet weights from an installed package; frozen, a linear head on its
        # features.
        parts = lf.split(images, val=0.2, test=0.3, seed=0)
        checkpoint = lf.calibrate(lf.fit(parts.train, parts.val, model="lite0"), parts.val)
        evaluation = lf.evaluate(checkpoint, parts.test)
        low, high = evaluation.accuracy_interval
        print(
            f"accuracy {evaluation.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}, n = {evaluation.n})"
        )

        # One file with everything in it, and the proof that it decides as its original does.
        tagger = load_tagger(export_graph(checkpoint, Path(place, "textures.onnx")))
        pixels = parts.test.images
        check = compare_graph(pred_probs(checkpoint, pixels), tagger.probs(pixels), tagger.card)
        print(
            f"exported: {check.same} of {check.n} decisions the same, probabilities within "
            f"{check.max_difference:.0e}"
        )

        # Any number of files, as a stream: read, tagged, written.
        tagged = tag_run(
            str(Path(place, "textures.onnx")), [str(new)], RunOptions(out=Path(place, "tags.csv"))
        )
        print(f"{tagged.n} new pictures tagged: {tagged.classes}; not read: {len(tagged.unreadable)}")
        print(
            *Path(place, "tags.csv").read_text(encoding="utf-8").replace(place, "…").splitlines()[:3],
            sep="\n",
        )


if __name__ == "__main__":
    main()
