"""Independent tasks on the machines of a cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lightfast.base.errors import SettingsError
from lightfast.base.parallel import on_one_core
from lightfast.base.progress import Reporter, silent
from lightfast.cluster.redo import Redo, cluster_cores, in_order

_Result = TypeVar("_Result")
_PLAIN = (str, bytes, int, float, bool, type(None))


@dataclass(frozen=True)
class RayExecutor:
    """`base.parallel.Executor` over Ray: every task is a remote call with one core.

    What several tasks are given (pictures, a plan) is put into the cluster's memory once, and read there
    without a copy. A task whose worker or machine is lost is begun again.
    """

    redo: Redo

    def __call__(
        self,
        task: Callable[..., _Result],
        arguments: Sequence[tuple[Any, ...]],
        *,
        jobs: int | None = None,
        report: Reporter = silent,
        label: str = "tasks",
    ) -> list[_Result]:
        """`[task(*one) for one in arguments]`, up to `jobs` at once; None = as many as the cluster has cores.

        An exception of a task ends the run and is raised here; what other tasks have written stays. Raises
        ClusterError for a task that was lost more often than is allowed.
        """
        import ray

        if jobs is not None and jobs < 1:
            raise SettingsError(f"jobs {jobs}", expected="at least 1", cure="Leave it out for all cores.")
        shared = _put_shared(arguments)
        remote = ray.remote(num_cpus=1, max_retries=0)(on_one_core)

        def begin(one: tuple[Any, ...]) -> Any:
            return remote.remote(task, *(shared.get(id(part), part) for part in one))

        done: list[_Result] = []
        report(label, 0, len(arguments), "")
        at_once = cluster_cores if jobs is None else lambda: jobs
        for result in in_order(begin, arguments, self.redo, at_once=at_once, what=f"{label}: number"):
            done.append(result)
            report(label, len(done), len(arguments), f"{len(done)} of {len(arguments)}")
        return done


def _put_shared(arguments: Sequence[tuple[Any, ...]]) -> dict[int, Any]:
    """References to what several tasks are given, by the `id` of the object."""
    import ray

    parts = {id(part): part for one in arguments for part in one if not isinstance(part, _PLAIN)}
    counts = Counter(id(part) for one in arguments for part in one)
    return {key: ray.put(part) for key, part in parts.items() if counts[key] > 1}
