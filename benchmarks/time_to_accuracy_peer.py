"""Trainings of digit readers by peers' own recipes: run by time_to_accuracy.py. Knows nothing of Lightfast.

    PYTHON benchmarks/time_to_accuracy_peer.py CONTENDER SEED MNIST.npz

prints JSON: [{epochs, seconds, accuracy}], processor seconds of training up to the end of each epoch, and the
accuracy on the test digits then.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Curve = list[dict[str, float]]


def digits(path: str) -> dict[str, np.ndarray]:
    """The arrays of the file: uint8 pictures (N, 28, 28) and whole labels, of training and test."""
    with np.load(path, allow_pickle=False) as held:
        names = ("train_images", "train_labels", "test_images", "test_labels")
        return {name: held[name] for name in names}


def followed(epochs: int, train: Callable[[], None], accuracy: Callable[[], float]) -> Curve:
    """Train so many epochs, and read the test digits after each, off the clock."""
    curve, seconds = Curve(), 0.0
    for epoch in range(1, epochs + 1):
        start = time.process_time()
        train()
        seconds += time.process_time() - start
        curve.append({"epochs": epoch, "seconds": seconds, "accuracy": accuracy()})
        print(curve[-1], file=sys.stderr, flush=True)
    return curve


def keras(given: dict[str, np.ndarray], seed: int) -> Curve:
    """Keras's "Simple MNIST convnet": two convolutions, dropout, Adam, batches of 128, 15 epochs, a tenth of
    the training digits for validation.
    """
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(seed)
    train, test = (given[f"{part}_images"].astype("float32")[..., None] / 255 for part in ("train", "test"))
    network = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    network.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    learn = {"batch_size": 128, "epochs": 1, "validation_split": 0.1, "verbose": 0}

    def accuracy() -> float:
        return float(network.evaluate(test, given["test_labels"], verbose=0)[1])

    return followed(15, lambda: network.fit(train, given["train_labels"], **learn), accuracy)


def torch_example(given: dict[str, np.ndarray], seed: int) -> Curve:
    """The MNIST example of pytorch/examples: two convolutions, dropout, Adadelta from 1.0 down by .7 an
    epoch, batches of 64, 14 epochs.
    """
    import torch
    from torch import nn

    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    optimizer = torch.optim.Adadelta(network.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.7)
    return _in_torch(given, network, (optimizer, schedule), batch=64, epochs=14)


def torch_same_network(given: dict[str, np.ndarray], seed: int) -> Curve:
    """The three convolutions of ours in the loop of a tutorial: Adam at 1e-3, batches of 128, 15 epochs."""
    import torch
    from train_speed import plain

    torch.manual_seed(seed)
    network = plain("cnn")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    return _in_torch(given, network, (optimizer, None), batch=128, epochs=15)


def _in_torch(
    given: dict[str, np.ndarray], network: Any, steps: tuple[Any, Any], *, batch: int, epochs: int
) -> Curve:
    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)
    optimizer, schedule = steps
    train, test = (
        (torch.from_numpy(given[f"{part}_images"]).float()[:, None] / 255 - 0.1307) / 0.3081
        for part in ("train", "test")
    )
    labels, answers = (torch.from_numpy(given[f"{part}_labels"]).long() for part in ("train", "test"))
    loader = DataLoader(TensorDataset(train, labels), batch_size=batch, shuffle=True)

    def epoch() -> None:
        network.train()
        for inputs, targets in loader:
            optimizer.zero_grad()
            cross_entropy(network(inputs), targets).backward()
            optimizer.step()
        if schedule is not None:
            schedule.step()

    @torch.no_grad()
    def accuracy() -> float:
        network.eval()
        read = torch.cat([network(part).argmax(dim=1) for part in test.split(1000)])
        return float((read == answers).float().mean())

    return followed(epochs, epoch, accuracy)


PEERS = {"keras": keras, "torch-example": torch_example, "torch-same-network": torch_same_network}


def main() -> None:
    contender, seed, path = sys.argv[1:]
    sys.stdout.write(json.dumps(PEERS[contender](digits(path), int(seed))))


if __name__ == "__main__":
    main()
