"""Tasks on a cluster: the results of one machine, in order, whatever is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cluster_tasks import (
    absolute,
    killed_first,
    marked,
    out_of_memory,
    seen_from,
    slow_when_first,
    torn_while_the_first_is_slow,
    weighted,
)

from lightfast.base.errors import ClusterError, DataError, SettingsError
from lightfast.base.parallel import in_parallel
from lightfast.cluster import redo
from lightfast.cluster.redo import Redo, in_order

# Processes start slowly on a busy machine.
pytestmark = pytest.mark.timeout(600)


def test_a_cluster_gives_the_results_of_this_machine_in_order_with_shared_arrays_and_one_core_each(cluster):
    pixels, told = np.ones(500_000), []
    tasks = [(number, pixels) for number in (3, 1, 2)]
    done = cluster.executor(
        weighted,
        tasks,
        label="cuts",
        report=lambda label, at, total, detail="": told.append((label, at, total)),
    )
    assert [one[:2] for one in done] == [one[:2] for one in in_parallel(weighted, tasks, jobs=1)]
    assert {one[2:] for one in done} == {(False, 1)}
    assert told == [("cuts", 0, 3), ("cuts", 1, 3), ("cuts", 2, 3), ("cuts", 3, 3)]
    assert cluster.executor(weighted, []) == []


def test_an_error_of_a_task_is_raised_as_it_was_and_what_others_wrote_stays(cluster, tmp_path: Path):
    with pytest.raises(DataError, match=r"^picture 2 is torn\. Mend it\.$") as raised:
        cluster.executor(marked, [(tmp_path, number) for number in range(4)], jobs=1)
    assert raised.value.exit_code == 2
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}
    with pytest.raises(SettingsError, match="jobs 0"):
        cluster.executor(marked, [(tmp_path, 0)], jobs=0)


def test_what_comes_before_an_error_comes_first_and_nothing_is_begun_after_it(cluster):
    import ray

    remote, begun = ray.remote(torn_while_the_first_is_slow), list[int]()

    def begin(number: int) -> Any:
        begun.append(number)
        return remote.remote(number)

    results = in_order(begin, range(99), Redo(), at_once=lambda: 2)
    assert next(results) == 0
    with pytest.raises(DataError, match=r"^picture 1 is torn"):
        next(results)
    # While the first was awaited there was time for all of them.
    assert len(begun) < 20


def test_a_task_whose_worker_is_killed_is_begun_again(cluster, tmp_path: Path):
    done = cluster.executor(killed_first, [(tmp_path, number, 2) for number in range(3)])
    assert done == [0, 10, 20]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_task_that_is_lost_again_and_again_ends_the_run_in_one_line(cluster, tmp_path: Path):
    with pytest.raises(
        ClusterError, match=r"^folds: number 2 was lost 3 times \(.*\)\. Give the machines"
    ) as raised:
        cluster.executor(killed_first, [(tmp_path, number, 9) for number in range(2)], label="folds")
    assert "\n" not in str(raised.value)
    with pytest.raises(ClusterError, match=r"was lost 3 times .cannot allocate 9 TiB."):
        cluster.executor(out_of_memory, [(number,) for number in range(2)])


def test_a_slow_worker_holds_up_nobody(cluster):
    assert cluster.executor(slow_when_first, [(number,) for number in range(6)]) == list(range(6))


def test_results_larger_than_the_memory_of_the_cluster_arrive(cluster):
    # 4 x 60 MB through stores of 100 MB on two machines: what does not fit goes to the disk and back.
    done = cluster.executor(seen_from, [(number, 60) for number in range(4)])
    assert [(number, int(found.sum()) >> 20) for number, found in done] == [
        (one, 60 * one) for one in range(4)
    ]


def test_a_cluster_whose_machines_are_all_gone_is_one_line_after_some_patience(cluster, monkeypatch):
    import ray

    # A core that no machine has: the call waits for ever, as it would where all machines went.
    waits = ray.remote(num_cpus=0, resources={"gone": 1})(absolute)
    monkeypatch.setattr(redo, "cluster_cores", lambda: 0)
    with pytest.raises(
        ClusterError, match=r"^no machine of the cluster has been there for 1 seconds\. Start"
    ):
        list(in_order(waits.remote, [1], Redo(patience=1), at_once=lambda: 0))


def test_what_is_known_already_takes_its_place_among_what_is_computed(cluster):
    import ray

    remote = ray.remote(absolute)
    found = in_order(lambda one: one if one % 2 else remote.remote(-one), range(6), Redo(), at_once=lambda: 2)
    assert list(found) == [0, 1, 2, 3, 4, 5]
