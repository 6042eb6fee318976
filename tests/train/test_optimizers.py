"""The loop's optimisers step as torch's do."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from lightfast.base.errors import SettingsError
from lightfast.data.preprocess import Preprocess
from lightfast.train.loop import ArraySource, LoopContext, train
from lightfast.train.objectives import Classification
from lightfast.train.optimizers import RunningAverage, optimizer_of
from lightfast.train.recipe import Recipe

LOADED = """
import sys, torch
from torch import nn
from lightfast.train.optimizers import optimizer_of
from lightfast.train.recipe import Recipe
network = nn.Linear(2, 2)
for name in ("adamw", "sgd"):
    optimizer = optimizer_of(network, Recipe.of(optimizer=name))
    optimizer.zero_grad()
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""


def by_torch(name: str, network: nn.Module) -> torch.optim.Optimizer:
    if name == "sgd":
        return torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    return torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.01)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_steps_are_those_of_torch(name):
    ours = nn.Linear(3, 2, bias=False).double()
    theirs = copy.deepcopy(ours)
    recipe = Recipe.of(optimizer=name, learning_rate=0.1, weight_decay=0.01)
    for network, optimizer in ((ours, optimizer_of(ours, recipe)), (theirs, by_torch(name, theirs))):
        for _ in range(3):
            optimizer.zero_grad()
            (network(torch.ones(1, 3, dtype=torch.float64)) ** 2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_moments_from_a_file_meet_their_own_weights(name):
    through = nn.Conv2d(3, 4, 3, bias=False).double().to(memory_format=torch.channels_last)
    resumed, recipe = copy.deepcopy(through), Recipe.of(optimizer=name, learning_rate=0.1)
    pictures = torch.randn(2, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for network, stops in ((through, False), (resumed, True)):
        optimizer = optimizer_of(network, recipe)
        for _ in range(3):
            if stops:
                state, optimizer = optimizer.state_dict(), optimizer_of(network, recipe)
                # A file keeps numbers row by row.
                for entry in state["state"].values():
                    entry |= {key: value.contiguous() for key, value in entry.items()}
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            (network(pictures) ** 2).sum().backward()
            optimizer.step()
    assert torch.equal(through.weight, resumed.weight)


def test_torchs_compiler_is_not_loaded_for_a_step():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_weights_and_statistics_are_averaged_and_counts_taken_over():
    network = nn.BatchNorm1d(1)
    average = copy.deepcopy(network)
    with torch.no_grad():
        network.weight.fill_(3.0), network.running_mean.fill_(2.0), network.num_batches_tracked.fill_(7)
    RunningAverage(average, network).follow(0.75)
    assert (average.weight.item(), average.running_mean.item()) == (1.5, 0.5)
    assert average.num_batches_tracked.item() == 7


def test_a_machine_without_a_compiler_is_told_in_one_line(monkeypatch):
    failure = type("InductorError", (RuntimeError,), {"__module__": "torch._inductor.exc"})

    class Uncompiled(nn.Module):
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            raise failure("No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1")

    monkeypatch.setattr("lightfast.train.loop.compiled", lambda _: Uncompiled())
    rows = torch.zeros(4, 8, 8, 1, dtype=torch.uint8), torch.arange(4) % 2
    network, objective = (
        nn.Sequential(nn.Flatten(), nn.Linear(64, 2)),
        Classification(Preprocess.identity((8, 8, 1))),
    )
    context = LoopContext(torch.device("cpu"))
    with pytest.raises(
        SettingsError, match=r"compiler does not work here \(No working C\+\+ compiler found\)"
    ):
        train(
            network,
            ArraySource(rows, rows),
            objective,
            Recipe(epochs=1, compile=True),
            seed=0,
            context=context,
        )
