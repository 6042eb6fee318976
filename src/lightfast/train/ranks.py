"""One training in several processes: what each takes of a batch, and what they have to agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, distributed, nn

from lightfast.base.errors import CheckpointError, LightfastError
from lightfast.train.objectives import Batch


@dataclass(frozen=True)
class Ranks:
    """This process among those of one training: `rank` of `size`.

    Batches are those of one process, divided row by row, and gradients are averaged over all their rows, so
    that the recipe means the same. Batch norm measures the rows of its own process; its running statistics
    are those of the first.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def of_process(cls) -> Self:
        """The ranks of torch's process group, where this process is in one."""
        if distributed.is_available() and distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size())
        return cls()

    @property
    def together(self) -> bool:
        """Whether there are others."""
        return self.size > 1

    @property
    def words(self) -> tuple[int, ...]:
        """What the randomness of this process is derived from in addition: the first draws as one alone."""
        return (self.rank,) * (self.rank > 0)

    def replicated(self, network: nn.Module) -> nn.Module:
        """`network` as one that averages its gradients with the others (torch's DistributedDataParallel)."""
        if not self.together:
            return network
        return nn.parallel.DistributedDataParallel(network)

    def part(self, batch: Batch) -> Batch:
        """The rows of a batch that this process takes."""
        return tuple(rows[self.rank :: self.size] for rows in batch) if self.together else batch

    def weight(self, taken: int, rows: int) -> float:
        """What the mean loss of `taken` of `rows` counts: the mean over processes is then that over rows."""
        return taken * self.size / rows

    def totals(self, sums: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Every sum, over all processes."""
        return {name: self._sum(sums[name].clone()) for name in sorted(sums)} if self.together else dict(sums)

    def filled(self, values: Tensor) -> Tensor:
        """float (N,): every value from the process that has it; NaN where none has."""
        if not self.together:
            return values
        there = ~values.isnan()
        total, count = self._sum(torch.where(there, values, 0.0)), self._sum(there.float())
        return torch.where(count > 0, total / count.clamp(min=1), torch.nan)

    @torch.no_grad()
    def average_buffers(self, *networks: nn.Module) -> None:
        """Bring the running statistics of batch norms, which the last step left apart, to their mean."""
        if self.together:
            buffers = {id(one): one for network in networks for one in network.buffers()}
            for one in buffers.values():
                if one.is_floating_point():
                    one.copy_(self._sum(one.clone()) / self.size)

    def of_first(self, measures: dict[str, float]) -> dict[str, float]:
        """The measures of the first process: what follows from them is then decided alike."""
        if self.together:
            told: list[Any] = [measures]
            distributed.broadcast_object_list(told)
            return told[0]
        return measures

    def require_equal(self, epoch: int, place: str) -> None:
        """Raise CheckpointError where the processes found different states in `place`."""
        found = self._gathered(epoch)
        if len(set(found)) > 1:
            raise CheckpointError(
                f"{place} is not the same on all machines (epochs {', '.join(map(str, found))})",
                cure="Put `out` on a folder that all machines see.",
            )

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        """A block in which one process can fail alone (a full disk): its LightfastError is raised in all, at
        the end of the block. Else the others would wait for it in the next sum. All have to enter the block.
        """
        failed: LightfastError | None = None
        try:
            yield
        except LightfastError as error:
            failed = error
        told = next((one for one in self._gathered(failed) if one is not None), None)
        if told is not None:
            raise failed or told

    def total(self, value: float) -> float:
        """The sum of a figure over all processes."""
        return sum(self._gathered(value))

    def _gathered(self, value: Any) -> list[Any]:
        """What every process gives, by rank."""
        found: list[Any] = [value] * self.size
        if self.together:
            distributed.all_gather_object(found, value)
        return found

    def _sum(self, value: Tensor) -> Tensor:
        distributed.all_reduce(value)
        return value
