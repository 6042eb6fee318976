"""THE loop: classifier, detector and restorer are trained here alike;
only the source of batches and the objective differ.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError, SettingsError, TrainingError
from lightfast.base.heap import heap_kept
from lightfast.base.progress import Reporter, silent
from lightfast.base.randomness import derive_seed
from lightfast.models.device import bf16_pays_for, resolve_device
from lightfast.models.tensors import save_tensors
from lightfast.train.margins import save_epoch_margins
from lightfast.train.objectives import LABELLED, ROW_MARGINS, Batch, Objective
from lightfast.train.optimizers import RunningAverage, compiled, compiler_failures, optimizer_of
from lightfast.train.ranks import Ranks
from lightfast.train.recipe import Recipe, Training

STATE_FILE = "training.safetensors"


class BatchSource(Protocol):
    """Where the pictures come from: whole arrays,
    since small data sets live best as one uint8 tensor on the device.
    """

    def epoch(self, number: int) -> Batch:
        """All training rows of epoch `number` (from 0), on the CPU; the same number gives the same rows."""
        ...

    def validation(self) -> Batch:
        """All validation rows; always the same. May be empty."""
        ...


@dataclass(frozen=True)
class ArraySource:
    """The simplest source: the same rows every epoch."""

    train: Batch
    val: Batch

    def epoch(self, number: int) -> Batch:
        """The training rows, whatever the number."""
        return self.train

    def validation(self) -> Batch:
        """The validation rows."""
        return self.val


@dataclass
class LoopState:
    """What is known between two epochs, all of it written to the state file."""

    epoch: int = 0
    best: float = math.inf
    best_epoch: int = -1
    worse: int = 0
    factor: float = 1.0
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class LoopContext:
    """Where a training computes and keeps itself: device, folder of the state file (None = not kept),
    resume or not, reporter and label.
    """

    device: torch.device
    folder: Path | None = None
    resume: bool = False
    report: Reporter = silent
    label: str = "train"

    @classmethod
    def of(cls, training: Training, label: str) -> Self:
        """The loop's view of `training`; every network of a run keeps its state in a folder of its label."""
        folder = training.folder / ".training" / label if training.folder else None
        return cls(resolve_device(training.device), folder, training.resume, training.report, label)


def train(
    network: nn.Module,
    source: BatchSource,
    objective: Objective,
    recipe: Recipe,
    *,
    seed: int,
    context: LoopContext,
) -> list[dict[str, Any]]:
    """Fit `network` in place; it ends in eval mode with the weights of its best validation epoch (or its
    last: `recipe.keep`).

    In one of several processes that torch has put into a group (`train.ranks`) this is one training: each
    takes its share of every batch, and all end with the same weights.

    The same seed gives the same weights, and a training that was interrupted and resumed ends in the same
    weights as one that ran through: all randomness of an epoch is derived from (seed, epoch).

    Returns: one mapping an epoch (epoch, learning_rate, train_*, val_*, seconds by the clock,
    processor_seconds of all threads of all processes, pictures_per_second).

    Raises:
        TrainingError: the loss became infinite or not a number.
        CheckpointError: `context.resume` with a state file of another recipe, seed or network.
        StorageError: the state cannot be written. What one of several processes meets is raised in all.
    """
    with heap_kept() if context.device.type == "cpu" else nullcontext(), compiler_failures():
        return _Training(network, source, objective, recipe, seed, context).run()


@dataclass
class _Training:
    network: nn.Module
    source: BatchSource
    objective: Objective
    recipe: Recipe
    seed: int
    context: LoopContext

    def __post_init__(self) -> None:
        recipe, context = self.recipe, self.context
        self.ranks = Ranks.of_process()
        self.network.to(context.device).to(memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.network) if recipe.averaging else self.network
        self.bf16 = recipe.precision == "bf16" or (
            recipe.precision == "auto" and bf16_pays_for(self.network, context.device)
        )
        self.replica = self.ranks.replicated(compiled(self.network) if recipe.compile else self.network)
        self.optimizer = optimizer_of(self.network, recipe)
        self.average = RunningAverage(self.averaged, self.network) if recipe.averaging else None
        self.state = LoopState()
        self.resting: tuple[Batch, Batch] = (), ()
        self.best: dict[str, Tensor] = {}
        self.val = tuple(rows.to(context.device) for rows in self.source.validation())
        if recipe.schedule == "plateau" and not len(self.val[0]):
            raise SettingsError(
                "schedule=plateau watches validation, and there are no validation pictures",
                cure="Use schedule=one-cycle, or give more pictures.",
            )

    def run(self) -> list[dict[str, Any]]:
        if self.context.resume:
            with self.ranks.failing_together():
                self._load()
            self.ranks.require_equal(self.state.epoch, str(self.context.folder))
        while self.state.epoch < self.recipe.epochs and not self.state.finished:
            self._one_epoch()
            with self.ranks.failing_together():
                self._save()
        if self.best:
            self.network.load_state_dict(self.best)
        self.optimizer.zero_grad()
        self.network.eval()
        return self.state.history

    def _one_epoch(self) -> None:
        started, number = (time.perf_counter(), time.process_time()), self.state.epoch
        rows = self._on_device(self.source.epoch(number))
        # Dropout draws from torch's global generator: give it the epoch's own seed, and the caller's state
        # back afterwards.
        with torch.random.fork_rng(
            devices=[self.context.device] if self.context.device.type == "cuda" else []
        ):
            torch.manual_seed(derive_seed(self.seed, "dropout", number, *self.ranks.words))
            measured = self._learn(rows, number)
        self.ranks.average_buffers(self.network, self.averaged)
        row = {"epoch": number + 1, **measured, **self.ranks.of_first(self._validate())}
        row["seconds"] = round(time.perf_counter() - started[0], 3)
        row["processor_seconds"] = round(self.ranks.total(time.process_time() - started[1]), 3)
        row["pictures_per_second"] = round(len(rows[0]) / max(row["seconds"], 1e-9), 1)
        self.state.history.append(row)
        self.state.epoch += 1
        self._judge(row)
        shown = ", ".join(f"{key} {row[key]:.4f}" for key in row if key.startswith("val_"))
        self.context.report(self.context.label, self.state.epoch * 1000, self.recipe.epochs * 1000, shown)

    def _on_device(self, rows: Batch) -> Batch:
        """The rows where the loop computes; the same ones as in the last epoch rest there."""
        given, _ = self.resting
        if len(given) != len(rows) or any(one is not other for one, other in zip(given, rows, strict=True)):
            self.resting = rows, tuple(part.to(self.context.device) for part in rows)
        return self.resting[1]

    def _drawn(self, count: int, number: int) -> tuple[Tensor, torch.Generator]:
        """The order of the rows of an epoch, and what its augmentation draws from."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", number))
        order = torch.randperm(count, generator=generator).to(self.context.device)
        if self.ranks.words:
            generator.manual_seed(derive_seed(self.seed, "order", number, *self.ranks.words))
        if self.context.device.type == "cuda":
            # What is drawn for augmentation is drawn on the card: a copy from here would be waited for.
            words = ("augment", number, *self.ranks.words)
            generator = torch.Generator(self.context.device).manual_seed(derive_seed(self.seed, *words))
        return order, generator

    def _learn(self, rows: Batch, number: int) -> dict[str, float]:
        order, generator = self._drawn(len(rows[0]), number)
        batches = _batches(len(order), self.recipe.batch_size, self.ranks.size)
        self.network.train()
        sums: dict[str, Tensor] = {}
        margins = torch.full((len(order),), math.nan, device=self.context.device)
        seen, rate = 0, 0.0
        for index, (start, stop) in enumerate(batches):
            rate = self.state.factor * learning_rate(self.recipe, number + index / len(batches))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            (mine,) = self.ranks.part((order[start:stop],))
            weight = self.ranks.weight(len(mine), stop - start)
            batch = tuple(part[mine] for part in rows)
            measures = self._step(batch, generator, number * len(batches) + index, weight)
            if ROW_MARGINS in measures:
                margins[mine] = measures.pop(ROW_MARGINS)
            for key, value in measures.items():
                sums[key] = sums.get(key, torch.zeros((), device=value.device)) + value * len(mine)
            seen += stop - start
            self.context.report(
                self.context.label,
                number * 1000 + 1000 * index // len(batches),
                self.recipe.epochs * 1000,
                "",
            )
        margins = self.ranks.filled(margins)
        with self.ranks.failing_together():
            if self.context.folder is not None and self.ranks.rank == 0 and not margins.isnan().all():
                save_epoch_margins(self.context.folder, number, margins.cpu().numpy())
        means = {f"train_{key}": float(value) / seen for key, value in self.ranks.totals(sums).items()}
        if not math.isfinite(means["train_loss"]):
            raise TrainingError(
                f"{self.context.label}: the loss of epoch {number + 1} is not finite",
                cure=f"Lower the step size: learning_rate={self.recipe.learning_rate / 10:g}.",
            )
        if (labelled := means.pop(f"train_{LABELLED}", 0.0)) > 0:
            means["train_accuracy"] /= labelled
        return {"learning_rate": rate, **means}

    def _step(self, batch: Batch, generator: torch.Generator, step: int, weight: float) -> dict[str, Tensor]:
        with torch.autocast(self.context.device.type, torch.bfloat16, enabled=self.bf16):
            loss, measures = self.objective(self.replica, batch, generator)
        self.optimizer.zero_grad()
        (loss * weight if self.ranks.together else loss).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        if self.average is not None:
            self.average.follow(min(self.recipe.averaging, (1 + step) / (10 + step)))
        return {"loss": loss.detach(), **measures}

    @torch.inference_mode()
    def _validate(self) -> dict[str, float]:
        if not len(self.val[0]):
            return {}
        self.averaged.eval()
        sums: dict[str, Tensor] = {}
        for start in range(0, len(self.val[0]), 256):
            batch = tuple(part[start : start + 256] for part in self.val)
            with torch.autocast(self.context.device.type, torch.bfloat16, enabled=self.bf16):
                loss, measures = self.objective(self.averaged, batch, None)
            for key, value in {"loss": loss, **measures}.items():
                # Added up in double precision where the batches are, read once at the end: a graphics card is
                # not waited for.
                sums[key] = sums.get(key, 0) + value.double() * len(batch[0])
        return {f"val_{key}": float(value) / len(self.val[0]) for key, value in sums.items()}

    def _judge(self, row: dict[str, Any]) -> None:
        """Keep the best weights; step the plateau schedule; decide on stopping."""
        value = row.get("val_loss", -self.state.epoch)
        if not math.isfinite(value):
            raise TrainingError(
                f"{self.context.label}: the validation loss is not finite", cure="Lower the step size."
            )
        value = -self.state.epoch if self.recipe.keep == "last" else value
        if value < self.state.best:
            self.state.best, self.state.best_epoch, self.state.worse = value, self.state.epoch, 0
            self.best = {key: tensor.detach().clone() for key, tensor in self.averaged.state_dict().items()}
            return
        self.state.worse += 1
        if self.recipe.schedule == "plateau":
            self.state.finished = self.state.factor < 1.0
            self.state.factor *= 0.1
        elif self.recipe.patience is not None:
            self.state.finished = self.state.worse >= self.recipe.patience

    def _signature(self) -> dict[str, Any]:
        shapes = {name: list(tensor.shape) for name, tensor in self.network.state_dict().items()}
        # Compiled or not it is the same training, which states of before `compile` say nothing of.
        told = {"recipe": self.recipe.model_dump(exclude={"compile"}), "seed": self.seed}
        return told | {"shapes": shapes, "rows": [len(part) for part in self.val]}

    def _save(self) -> None:
        if self.context.folder is None or self.ranks.rank:
            return
        tensors = dict(_prefixed("net", self.network.state_dict())) | dict(_prefixed("best", self.best))
        tensors |= dict(_prefixed("avg", self.averaged.state_dict())) if self.recipe.averaging else {}
        for number, entry in self.optimizer.state_dict()["state"].items():
            tensors |= {
                f"opt.{number}.{key}": torch.as_tensor(value)
                for key, value in entry.items()
                if value is not None
            }
        packed = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
        note = {"progress": json.dumps(asdict(self.state)), "signature": json.dumps(self._signature())}
        save_tensors(self.context.folder / STATE_FILE, packed, note)

    def _load(self) -> None:
        path = (self.context.folder or Path()) / STATE_FILE
        if self.context.folder is None or not path.is_file():
            return
        try:
            with safe_open(path, framework="pt") as stream:
                note = stream.metadata()
                tensors = {name: stream.get_tensor(name).to(self.context.device) for name in stream.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise CheckpointError(
                f"{path} is damaged ({error})", cure="Start over without `resume`."
            ) from error
        if json.loads(note["signature"]) != json.loads(json.dumps(self._signature())):
            raise CheckpointError(
                f"{path} belongs to a training with another recipe, seed, model or data",
                cure="Give the same settings, or start over without `resume`.",
            )
        self.state = LoopState(**json.loads(note["progress"]))
        self.network.load_state_dict(_part(tensors, "net"))
        self.best = _part(tensors, "best")
        if self.recipe.averaging:
            self.averaged.load_state_dict(_part(tensors, "avg"))
        described = self.optimizer.state_dict()
        for name, tensor in _part(tensors, "opt").items():
            number, key = name.split(".", 1)
            described["state"].setdefault(int(number), {})[key] = tensor
        self.optimizer.load_state_dict(described)


def learning_rate(recipe: Recipe, position: float) -> float:
    """The scheduled step size at `position` (in epochs, fractional), before the plateau factor.

    One-cycle (Smith & Topin 2018): from 1/10 of the peak up in the first quarter, then down to 1/1000, both
    along a cosine.
    """
    if recipe.schedule != "one-cycle":
        return recipe.learning_rate
    share = position / recipe.epochs
    low, start, turn = 0.001, 0.1, 0.25
    if share < turn:
        return recipe.learning_rate * (start + (1 - start) * 0.5 * (1 - math.cos(math.pi * share / turn)))
    return recipe.learning_rate * (
        low + (1 - low) * 0.5 * (1 + math.cos(math.pi * (share - turn) / (1 - turn)))
    )


def _batches(count: int, size: int, ranks: int = 1) -> list[tuple[int, int]]:
    """(start, stop) of every step; a last batch of fewer than two pictures a process is left out, since batch
    norm cannot normalise one.
    """
    edges = [(start, min(start + size, count)) for start in range(0, count, size)]
    edges = edges[:-1] if len(edges) > 1 and edges[-1][1] - edges[-1][0] < 2 * ranks else edges
    if ranks > 1 and edges[0][1] - edges[0][0] < 2 * ranks:
        raise SettingsError(
            f"batches of {edges[0][1] - edges[0][0]} pictures for {ranks} processes",
            expected="two pictures a process",
            cure="Use fewer processes, or a larger `recipe.batch_size`.",
        )
    return edges


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    return ((f"{prefix}.{name}", tensor) for name, tensor in tensors.items())


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): one for name, one in tensors.items() if name.startswith(start)}
