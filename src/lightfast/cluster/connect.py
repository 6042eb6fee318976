"""Many machines: a Ray cluster that stands somewhere, or one that is started here for one command."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightfast.base.errors import ClusterError, SettingsError
from lightfast.base.parallel import Executor, usable_cores
from lightfast.cluster.executor import RayExecutor
from lightfast.cluster.redo import Redo
from lightfast.cluster.tagging import RayTagging

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint

LOCAL = "local"
"""The address that stands for a cluster on this machine, started for one command."""
_SECONDS = 5
_QUIET = {
    # Nothing is told to anybody: Ray would send its maker what it is used for.
    "RAY_USAGE_STATS_ENABLED": "0",
    # What Ray will change in a later version, which it warns of: cards are left as they are.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Machines:
    """An open cluster: what it offers takes the place of what a verb would do on this machine alone.

    Attributes:
        redo: how often and how long is waited for what was lost.
    """

    redo: Redo = field(default_factory=Redo)

    @cached_property
    def executor(self) -> Executor:
        """Independent trainings as tasks, a core each: takes the place of `base.parallel.in_parallel`."""
        return RayExecutor(self.redo)

    def tagging(self, keep: Path | None = None) -> RayTagging:
        """Files read by a model, blocks of them as tasks: takes the place of `tagging.stream.tag_files`; with
        `keep` what was finished is kept there, for the same work begun again.
        """
        return RayTagging(self.redo, keep)

    def fitting(self, processes: int | None = None) -> Callable[..., Checkpoint]:
        """One training in several processes, `cluster.fitting.RayFit`: takes the place of `train.fit.fit`."""
        from lightfast.cluster.fitting import RayFit

        return RayFit(self.redo, processes)


@contextmanager
def connect_cluster(address: str, redo: Redo | None = None) -> Iterator[Machines]:
    """The cluster at an address, left at the end.

    Args:
        address: "local" starts one on this machine, which ends with the block; HOST:PORT is a cluster that
            `ray start --head` began; "auto" the one that this machine belongs to, or to which this process is
            connected already (it then stays so).
        redo: how often and how long is waited for what was lost.

    Raises SettingsError where Ray is not installed, ClusterError where nothing answers at the address.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    try:
        import ray
    except ModuleNotFoundError as error:
        raise SettingsError(
            "`cluster`", expected="the package ray", cure="Install it: pip install 'lightfast[cluster]'."
        ) from error
    if address == "auto" and ray.is_initialized():
        yield Machines(redo or Redo())
        return
    _require_answer(address)
    own: dict[str, Any] = {}
    if address == LOCAL:
        own = {"num_cpus": usable_cores(), "include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_answer(address, str(error).splitlines()[0][:160]) from error
    try:
        yield Machines(redo or Redo())
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Refuse what is no address, and one where nobody listens: Ray itself asks for minutes."""
    if address in (LOCAL, "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise SettingsError(
            "`cluster`", expected="HOST:PORT, auto or local", got=repr(address), cure="E.g. 10.0.0.5:6379."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_answer(address, str(error)) from error


def _no_answer(address: str, why: str) -> ClusterError:
    return ClusterError(
        f"no cluster answers at {address} ({why})",
        cure="Start one by Ray's own command `ray start`, name its HOST:PORT, or use `cluster=local`.",
    )
