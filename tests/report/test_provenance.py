from __future__ import annotations

import getpass
import json
import platform
from importlib.metadata import version
from pathlib import Path

import pytest

from lightfast.report.provenance import package_versions, provenance, shown_command


def test_the_record_is_json_and_says_where_the_numbers_come_from():
    record = json.loads(
        json.dumps(provenance("3f9a", 7, {"train": 1.234567}, ["lightfast", "demo"]), allow_nan=False)
    )
    assert (record["data_version"], record["seed"], record["command"]) == ("3f9a", 7, "lightfast demo")
    assert record["seconds"] == {"train": 1.23}
    assert record["date"].endswith("UTC")
    assert record["python"] == platform.python_version()


def test_versions_are_those_installed_and_absent_packages_are_left_out():
    assert package_versions(("numpy", "no-such-package-here")) == {"numpy": version("numpy")}


def test_neither_host_nor_home_is_told():
    text = json.dumps(
        provenance(
            "3f9a", 7, {}, ["lightfast", "train", str(Path.home() / "pictures"), f"--out={Path.home()}/run"]
        )
    )
    told = [str(Path.home()) + "/", platform.node() or "no-node-name"]
    assert [name for name in told if name in text] == []
    assert f"/{getpass.getuser()}/" not in text


@pytest.mark.parametrize(
    "words, shown",
    [
        (["/usr/bin/lightfast", "repair", "/home/me/run", "data.csv"], "lightfast repair run data.csv"),
        (["lightfast", "--out=/tmp/secret/run", "--set", "lr=0.1"], "lightfast --out=run --set lr=0.1"),
        (["lightfast", "C:\\Users\\me\\run", "~/pictures", "../other/run"], "lightfast run pictures run"),
    ],
)
def test_of_paths_only_the_last_name_is_kept(words, shown):
    assert shown_command(words) == shown
