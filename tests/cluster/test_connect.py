"""The door to a cluster: what is no address, where nobody answers, and what is not installed."""

from __future__ import annotations

import socket
import sys

import pytest

from lightfast.base.errors import ClusterError, SettingsError
from lightfast.cli.app import main
from lightfast.cluster.connect import connect_cluster


def test_an_address_where_nobody_listens_is_one_line_with_the_cure():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (
        pytest.raises(ClusterError, match=f"^no cluster answers at {address} .*Start one"),
        connect_cluster(address),
    ):
        pass


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port", ""])
def test_what_is_no_address_is_refused(address):
    with (
        pytest.raises(SettingsError, match="expected HOST:PORT, auto or local, got"),
        connect_cluster(address),
    ):
        pass


def test_without_ray_one_line_names_the_cure(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["crossval", "mnist-5k", "--cluster", "local"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "lightfast: --cluster: expected the package ray. Install it: pip install 'lightfast[cluster]'.\n"
    )
