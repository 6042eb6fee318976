"""Training of two small CNNs: pictures a second of processor time, ours beside plain torch.

    python benchmarks/train_speed.py

Networks: three convolutions with batch norm (`cnn`), and the drawings paper's CNN of 19,322 parameters
(`drawing-cnn-2`); 28 × 28, batches of 128, AdamW, one thread, drawn pixels (their content does not change the
work). In turns (A B C … A B C …) after a warm-up, each in a process of its own, since ours changes how memory
is kept (`base/heap`):

- ours: `train` as `fit` calls it, precision as it chooses, and again with `precision=fp32`, which stands for
  a processor without bfloat16;
- torch with a DataLoader: the loop of any tutorial;
- torch tuned by hand: pictures in memory, no DataLoader, channels-last, fused AdamW; in fp32, and with
  autocast to bfloat16;
- skorch (extras.txt; without it that row is left out).

With `--together` all have their turns at once: on a machine that is full of other work they then meet the
same of it. Peers do neither clip gradients nor keep measures of their batches; ours does. Medians of
processor time with their spread; ratios are of the turns of one round. Writes
benchmarks/results/train_speed.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measured import about
from torch import Tensor, nn

from lightfast.base.files import write_json
from lightfast.data.preprocess import Preprocess
from lightfast.models.build import fresh_network
from lightfast.models.device import bf16_pays_for
from lightfast.train.loop import ArraySource, LoopContext, train
from lightfast.train.objectives import Classification
from lightfast.train.recipe import Recipe

OUT = Path(__file__).parent / "results" / "train_speed.json"
CPU, BATCH, SEED, MEAN, STD = torch.device("cpu"), 128, 0, 0.5, 0.29
RATE, DECAY = 3e-3, 1e-2
WANTED = {"with bf16 hardware, cnn": 3.0, "without, cnn": 1.3, "drawing-cnn-2": 1.3}
Turn = Callable[[], None]


def plain(name: str) -> nn.Sequential:
    """The same network, as one writes it in torch."""
    if name == "cnn":
        blocks = [
            layer
            for inputs, wide in ((1, 32), (32, 64), (64, 128))
            for layer in (
                nn.Conv2d(inputs, wide, 3, padding=1, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            )
        ]
        head = (
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(1152, 128),
            nn.ReLU(inplace=True),
            nn.Linear(128, 10),
        )
        return nn.Sequential(*blocks, *head)
    first = (nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2))
    second = (nn.Conv2d(4, 8, 2), nn.ReLU(inplace=True), nn.MaxPool2d(2))
    head = (nn.Flatten(), nn.Linear(288, 64), nn.ReLU(inplace=True), nn.Linear(64, 10))
    return nn.Sequential(*first, *second, *head)


def ours(name: str, images: Tensor, labels: Tensor, precision: str) -> Turn:
    """One epoch through THE loop, optimiser made within."""
    network = fresh_network(name, "classifier", (28, 28, 1), 10, {}, SEED)
    source = ArraySource((images, labels), (images[:0], labels[:0]))
    objective = Classification(Preprocess((28, 28), 1, (MEAN,), (STD,)))
    recipe = Recipe.of(
        epochs=1, batch_size=BATCH, learning_rate=RATE, weight_decay=DECAY, precision=precision
    )

    def turn() -> None:
        train(network, source, objective, recipe, seed=SEED, context=LoopContext(CPU))

    return turn


def with_loader(name: str, pixels: Tensor, labels: Tensor) -> Turn:
    """A DataLoader over tensors, and a step as in torch's tutorials."""
    network, data = plain(name), torch.utils.data.TensorDataset(pixels, labels)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True)

    def turn() -> None:
        for inputs, targets in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs), targets).backward()
            optimizer.step()

    return turn


def tuned(name: str, pixels: Tensor, labels: Tensor, bf16: bool) -> Turn:
    """What somebody who knows torch would do by hand."""
    network = plain(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rested = pixels.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, fused=True)

    def turn() -> None:
        order = torch.randperm(len(rested))
        for start in range(0, len(rested), BATCH):
            rows = order[start : start + BATCH]
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = nn.functional.cross_entropy(network(rested[rows]), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return turn


def by_skorch(name: str, pixels: Tensor, labels: Tensor) -> Turn:
    """skorch's classifier with its defaults, without its own validation."""
    import skorch

    learner = skorch.NeuralNetClassifier(
        plain(name),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=DECAY,
        lr=RATE,
        batch_size=BATCH,
        max_epochs=1,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    ).initialize()
    rows, targets = pixels.numpy(), labels.numpy()
    return lambda: learner.partial_fit(rows, targets)


CONTENDERS: dict[str, Callable[[str, Tensor, Tensor], Turn]] = {
    "ours": lambda name, images, labels: ours(name, images, labels, "auto"),
    "ours, fp32": lambda name, images, labels: ours(name, images, labels, "fp32"),
    "torch with DataLoader": lambda name, images, labels: with_loader(name, normalised(images), labels),
    "torch tuned by hand": lambda name, images, labels: tuned(name, normalised(images), labels, bf16=False),
    "torch tuned by hand, bf16": lambda name, images, labels: tuned(
        name, normalised(images), labels, bf16=True
    ),
    "skorch": lambda name, images, labels: by_skorch(name, normalised(images), labels),
}


def normalised(images: Tensor) -> Tensor:
    """float32 (N, 1, 28, 28)."""
    return ((images.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD).contiguous()


def contend(contender: str, plans: dict[str, int], line: Connection) -> None:
    """A process: a turn for every name of a network that comes, answered by its processor seconds."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    ready: dict[str, Turn] = {}
    while name := line.recv():
        if name not in ready:
            rng, count = np.random.default_rng(SEED), plans[name] * BATCH
            images = torch.from_numpy(rng.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8))
            ready[name] = CONTENDERS[contender](name, images, torch.from_numpy(rng.integers(0, 10, count)))
        started = time.process_time()
        ready[name]()
        line.send(time.process_time() - started)


@contextmanager
def lines_to(contenders: list[str], plans: dict[str, int]) -> Iterator[dict[str, Connection]]:
    """A process each, by name; they end with the context."""
    context, lines, processes = multiprocessing.get_context("spawn"), {}, []
    for one in contenders:
        lines[one], theirs = context.Pipe()
        processes.append(context.Process(target=contend, args=(one, plans, theirs), daemon=True))
        processes[-1].start()
    yield lines
    for line, process in zip(lines.values(), processes, strict=True):
        line.send("")
        process.join()


def rounds_of(name: str, rounds: int, lines: dict[str, Connection], together: bool) -> dict[str, list[float]]:
    """Processor seconds of the turns of every contender, a warm one before them left out."""
    took: dict[str, list[float]] = {one: [] for one in lines}
    for number in range(rounds + 1):
        for group in [list(lines)] if together else [[one] for one in lines]:
            for one in group:
                lines[one].send(name)
            for one in group:
                took[one].append(lines[one].recv())
        print(f"{name}: {f'round {number} of {rounds}' if number else 'warm'}", file=sys.stderr, flush=True)
    return {one: every[1:] for one, every in took.items()}


def measured(name: str, count: int, took: dict[str, list[float]]) -> dict[str, Any]:
    """One network: speeds of all, and how many times as fast as each peer ours is."""
    peers = [one for one in took if not one.startswith("ours")]
    in_fp32 = [one for one in peers if not one.endswith("bf16")]
    network = fresh_network(name, "classifier", (28, 28, 1), 10, {}, SEED)
    speeds = {one: spread([count / used for used in every]) for one, every in took.items()}
    return {
        "parameters": sum(one.numel() for one in network.parameters()),
        "pictures": count,
        "precision": "bf16" if bf16_pays_for(network, CPU) else "fp32",
        "pictures_per_second_of_processor_time": speeds,
        "best_peer": max(peers, key=lambda one: speeds[one]["median"]),
        "best_peer_fp32": max(in_fp32, key=lambda one: speeds[one]["median"]),
        "times": {one: times(took, one, "ours") for one in peers},
        "times_fp32": {one: times(took, one, "ours, fp32") for one in in_fp32},
    }


def times(took: dict[str, list[float]], peer: str, own: str) -> dict[str, float]:
    """How many times as fast as a peer, by round."""
    return spread([theirs / used for theirs, used in zip(took[peer], took[own], strict=True)])


def spread(values: list[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of every contender that are counted")
    parser.add_argument(
        "--steps", type=int, default=8, help="batches a turn of cnn; five times as many of the other"
    )
    parser.add_argument("--together", action="store_true", help="all contenders at once, not in turns")
    given = parser.parse_args()
    plans = {"cnn": given.steps, "drawing-cnn-2": 5 * given.steps}
    found = [one for one in CONTENDERS if one != "skorch" or importlib.util.find_spec("skorch")]
    with lines_to(found, plans) as lines:
        networks = {
            name: measured(name, steps * BATCH, rounds_of(name, given.rounds, lines, given.together))
            for name, steps in plans.items()
        }
    facts = about(
        "",
        SEED,
        None,
        ["python", "benchmarks/train_speed.py", *sys.argv[1:]],
        clock="processor time (user and system), one thread; each in a process of its own, "
        + ("all at once" if given.together else "in turns"),
        threads=1,
        n={name: f"{given.rounds} rounds of {steps} steps" for name, steps in plans.items()},
        spread="lowest and highest of the rounds",
        wanted_times_the_best_peer=WANTED,
        not_measured="Keras on TensorFlow; time to equal accuracy",
    )
    write_json(OUT, {"rounds": given.rounds, "batch": BATCH, "networks": networks, **facts})
    print(OUT.read_text())


if __name__ == "__main__":
    main()
