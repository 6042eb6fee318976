"""Independent tasks: results in order, errors raised here, one core a process."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.parallel import in_parallel, usable_cores


def slow_first(number: int, pixels: np.ndarray) -> tuple[int, float, bool, int]:
    from joblib import cpu_count

    return number, float(pixels.sum()) * number, pixels.flags.writeable, cpu_count()


def process_of(number: int) -> int:
    return os.getpid()


def marked(folder: Path, number: int) -> int:
    if number == 2:
        raise DataError("picture 2 is torn")
    (folder / str(number)).touch()
    return number


def test_one_job_runs_here_in_order_and_tells_every_step():
    told: list[tuple[str, int, int]] = []
    pixels = np.ones(3)
    done = in_parallel(
        slow_first,
        [(number, pixels) for number in (3, 1, 2)],
        jobs=1,
        label="cuts",
        report=lambda label, at, total, detail="": told.append((label, at, total)),
    )
    assert [one[:2] for one in done] == [(3, 9.0), (1, 3.0), (2, 6.0)]
    assert told == [("cuts", 0, 3), ("cuts", 1, 3), ("cuts", 2, 3), ("cuts", 3, 3)]
    assert set(in_parallel(process_of, [(1,), (2,)], jobs=1)) == {os.getpid()}


def test_a_single_task_needs_no_process_and_no_tasks_give_nothing():
    assert in_parallel(process_of, [(1,)], jobs=4) == [os.getpid()]
    assert in_parallel(process_of, [], jobs=4) == []


def test_two_jobs_give_the_results_of_one_in_order_with_shared_arrays_and_one_core_each(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    pixels = np.ones(500_000)
    done = in_parallel(slow_first, [(number, pixels) for number in (3, 1, 2)], jobs=2)
    assert [one[:2] for one in done] == [(3, 1.5e6), (1, 5e5), (2, 1e6)]
    # A memory map of the 4 MB is not writable; a forest that asks for all cores in its process gets one.
    assert {one[2:] for one in done} == {(False, 1)}
    assert "LOKY_MAX_CPU_COUNT" not in os.environ


def test_the_error_of_a_task_is_raised_here_and_what_was_written_stays(tmp_path: Path):
    with pytest.raises(DataError, match="picture 2 is torn"):
        in_parallel(marked, [(tmp_path, number) for number in range(4)], jobs=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_jobs_is_refused_with_a_cure(jobs: int):
    with pytest.raises(SettingsError, match=rf"jobs {jobs}: expected at least 1\. Leave it out"):
        in_parallel(process_of, [(1,)], jobs=jobs)


def test_usable_cores_are_those_of_this_process():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
