"""One cluster of two machines, both here, for the tests of this room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.exported import kit, small, tagger

from lightfast.cluster.connect import Machines, connect_cluster
from lightfast.cluster.redo import Redo

__all__ = ["kit", "small", "tagger"]
STORE = 100_000_000
"""Bytes of memory for objects on each machine."""


@pytest.fixture(scope="session")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A head that computes nothing, and two machines with one core each."""
    # So that also Ray's processes know the addresses of the tests.
    plugins = tmp_path_factory.mktemp("plugins")
    (plugins / "loopback-1.dist-info").mkdir()
    (plugins / "loopback-1.dist-info" / "METADATA").write_text("Name: loopback\nVersion: 1\n")
    (plugins / "loopback-1.dist-info" / "entry_points.txt").write_text(
        "[fsspec.specs]\nloopback = cluster_tasks:Loopback\n"
    )
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Ray's processes find this tree, and the tasks of the tests, as this process does.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parents[1]), str(plugins), os.environ.get("PYTHONPATH", "")]
    )
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE})
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=STORE)
    made.wait_for_nodes()
    yield made
    made.shutdown()


@pytest.fixture(scope="session")
def cluster(machines) -> Iterator[Machines]:
    with connect_cluster(machines.address, Redo(times=2, patience=5)) as opened:
        yield opened
