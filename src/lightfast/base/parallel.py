"""Independent tasks: who runs them is handed down, by default processes of one thread each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from lightfast.base.errors import SettingsError
from lightfast.base.progress import Reporter, silent

_Result = TypeVar("_Result")
_JOBLIB_CORES = "LOKY_MAX_CPU_COUNT"


class Executor(Protocol):
    """Runs independent tasks; handed down like the progress reporter, `in_parallel` by default."""

    def __call__(
        self,
        task: Callable[..., _Result],
        arguments: Sequence[tuple[Any, ...]],
        *,
        jobs: int | None = None,
        report: Reporter = silent,
        label: str = "tasks",
    ) -> list[_Result]:
        """`[task(*one) for one in arguments]`, in this order, wherever they are computed.

        Args:
            task: a function of a module; it and its arguments can be pickled.
            arguments: one tuple a call.
            jobs: calls at once at most; None = as many as there are places.
            report: told at the beginning and after every finished call.
            label: what the progress is called.

        An exception of a task ends the run and is raised here.
        """
        ...


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(
    task: Callable[..., _Result],
    arguments: Sequence[tuple[Any, ...]],
    *,
    jobs: int | None = None,
    report: Reporter = silent,
    label: str = "tasks",
) -> list[_Result]:
    """`[task(*one) for one in arguments]`, up to `jobs` at once; large arrays are shared through memory maps,
    not copied.

    Args:
        task: a function of a module (processes find it by name). What it computes with joblib (forests) takes
            one thread in a process of its own; the threads of torch it sets itself.
        arguments: one tuple a call.
        jobs: processes; None = one a usable core, 1 = here, one after the other.
        report: told after every finished task.
        label: what the progress is called.

    An exception of a task ends the run and is raised here; what other tasks have written stays.
    """
    if jobs is not None and jobs < 1:
        raise SettingsError(f"jobs {jobs}", expected="at least 1", cure="Leave it out for one job a core.")
    wanted = min(jobs or usable_cores(), max(1, len(arguments)))
    done: list[_Result] = []
    report(label, 0, len(arguments), "")
    for result in _results(task, arguments, wanted):
        done.append(result)
        report(label, len(done), len(arguments), f"{len(done)} of {len(arguments)}")
    return done


def _results(task: Callable[..., _Result], arguments: Sequence[tuple[Any, ...]], jobs: int) -> Any:
    if jobs == 1:
        return (task(*one) for one in arguments)
    from joblib import Parallel, delayed

    # joblib's annotations know only the word "auto" where it also takes numbers.
    one_by_one: dict[str, Any] = {"pre_dispatch": jobs, "batch_size": 1}
    return Parallel(n_jobs=jobs, return_as="generator", **one_by_one)(
        delayed(on_one_core)(task, *one) for one in arguments
    )


def on_one_core(task: Callable[..., _Result], *arguments: Any) -> _Result:
    """`task(*arguments)` in a process that is one of many: what joblib computes there takes one core."""
    with _one_core():
        return task(*arguments)


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """joblib in this process counts one core: each of many processes would
    otherwise start a thread for every core.
    """
    before = os.environ.get(_JOBLIB_CORES)
    os.environ[_JOBLIB_CORES] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_JOBLIB_CORES]
        else:
            os.environ[_JOBLIB_CORES] = before
