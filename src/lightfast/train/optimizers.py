"""Optimiser, running average and compiler of torch as the loop uses them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from lightfast.base.errors import SettingsError
from lightfast.train.recipe import Recipe


class _Direct:
    """torch wraps these four for its compiler, and importing that takes longer than many a training here
    (1.3 s of processor time): they are called without the wrapping, where nothing is compiled.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    _load = inspect.unwrap(torch.optim.Optimizer.load_state_dict)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._load(state_dict)
        # A fused step goes through memory in order, and what comes from a file lies row by row: next to a
        # weight in channels_last each moment would meet another number than its own.
        for parameter, entry in cast(Any, self).state.items():
            for key, value in entry.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    entry[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


class _AdamW(_Direct, torch.optim.AdamW):
    _step = inspect.unwrap(torch.optim.AdamW.step)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        self._step(closure)


class _SGD(_Direct, torch.optim.SGD):
    _step = inspect.unwrap(torch.optim.SGD.step)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        self._step(closure)


def optimizer_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW or SGD with Nesterov momentum over the parameters that learn, one kernel a step (`fused`).

    Biases and norm parameters are not decayed: it only moves their scale.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        return _SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True, fused=True)
    return _AdamW(groups, lr=recipe.learning_rate, fused=True)


def compiled(network: nn.Module) -> nn.Module:
    """The network through torch's compiler, which on a graphics card also records its kernels as CUDA graphs;
    the weights stay those of `network`.
    """
    mode = "reduce-overhead" if next(network.parameters()).is_cuda else "default"
    return cast(nn.Module, torch.compile(network, mode=mode, dynamic=False))


@contextmanager
def compiler_failures() -> Iterator[None]:
    """What torch's compiler cannot do here (it needs a C++ compiler, on a graphics card Triton) as a
    SettingsError of one line.
    """
    try:
        yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        raise SettingsError(
            f"`recipe.compile`: torch's compiler does not work here ({str(error).splitlines()[0]})",
            cure="Set it to False, or install what it asks for.",
        ) from error


class RunningAverage:
    """The running mean of a network's weights and buffers, kept in a second network of the same shape.

    The running statistics of batch norm belong to the weights they were measured with: both are averaged
    alike.
    """

    def __init__(self, averaged: nn.Module, network: nn.Module) -> None:
        pairs = list(zip(averaged.state_dict().values(), network.state_dict().values(), strict=True))
        self._means, self._news = _split(pairs, floating=True)
        self._counts, self._counted = _split(pairs, floating=False)

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """One step on: mean = decay · mean + (1 − decay) · weights; counts are taken over."""
        torch._foreach_lerp_(self._means, self._news, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]
        for mean, now in zip(self._counts, self._counted, strict=True):
            mean.copy_(now)


def _split(pairs: Iterable[tuple[Tensor, Tensor]], floating: bool) -> tuple[list[Tensor], list[Tensor]]:
    chosen = [pair for pair in pairs if pair[0].is_floating_point() == floating]
    return [mean for mean, _ in chosen], [now for _, now in chosen]
