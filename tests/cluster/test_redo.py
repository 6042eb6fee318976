"""Calls that are lost and made again: in order, each result once, and one line where nothing can go on."""

from __future__ import annotations

import pytest
from cluster_tasks import absolute

from lightfast.base.errors import ClusterError
from lightfast.cluster import redo
from lightfast.cluster.redo import Redo, in_order


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
