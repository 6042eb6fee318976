"""The list of benchmarks, how one is run, and what every result file says of itself."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lightfast.base.errors import UnknownName

PLACE = Path(__file__).resolve().parents[1] / "benchmarks"
RESULTS = sorted((PLACE / "results").glob("*.json"))
ASKED_SINCE = {"bf16", "commit"}
"""What no result said before it was asked for."""
LACKING = {
    "autoencoders": ASKED_SINCE | {"load"},
    "cluster-overhead": ASKED_SINCE | {"packages", "load", "date"},
    "clusters": ASKED_SINCE | {"load"},
    "coverage": ASKED_SINCE | {"load"},
    "examples": ASKED_SINCE | {"load"},
    "explain-speed": ASKED_SINCE | {"load"},
    "explain_coverage": ASKED_SINCE | {"spread", "load"},
    "feature-speed": ASKED_SINCE,
    "flat_maps": ASKED_SINCE | {"spread", "load"},
    "flaws": ASKED_SINCE | {"spread", "load"},
    "forest-memory": ASKED_SINCE | {"spread", "load"},
    "ingest-speed": ASKED_SINCE | {"load"},
    "library-reviewers": ASKED_SINCE | {"command", "n", "spread", "load"},
    "live_head": ASKED_SINCE | {"spread", "python", "packages", "load", "date"},
    "map_page": ASKED_SINCE | {"spread"},
    "map_speed": ASKED_SINCE | {"spread"},
    "objects": ASKED_SINCE | {"packages", "load", "date"},
    "peer-recipe": ASKED_SINCE | {"packages", "load", "date"},
    "persons_hour": ASKED_SINCE | {"n", "python", "packages", "load", "date"},
    "quickdraw-paper": ASKED_SINCE | {"load"},
    "repair-default": ASKED_SINCE | {"load"},
    "rotted": ASKED_SINCE | {"spread"},
    "scaling": ASKED_SINCE | {"spread", "packages", "load", "date"},
    "select": ASKED_SINCE | {"python", "packages", "load", "date"},
    "startup": ASKED_SINCE | {"n", "load"},
    "svhn-paper": ASKED_SINCE | {"load"},
    "tagging-speed": ASKED_SINCE | {"packages", "load", "date"},
    "text_search": ASKED_SINCE | {"spread", "python", "packages", "load", "date"},
    "tour": ASKED_SINCE | {"spread", "load"},
    "while-drawn": ASKED_SINCE,
}
"""What older results do not say. It may only shrink: by measuring again, never by writing into a file."""


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    names = ("listed", "measured", "beside")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLACE)
        patch.syspath_prepend(PLACE.parent)
        before = {name: sys.modules.pop(name, None) for name in names}
        found = {name: importlib.import_module(name) for name in names}
        yield {**found, "main": importlib.import_module("benchmarks.__main__")}
        for name in (*names, "benchmarks.__main__", "benchmarks"):
            sys.modules.pop(name, None)
        sys.modules.update({name: module for name, module in before.items() if module})


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_result_says_how_it_was_made(modules, path: Path):
    absent = set(modules["measured"].lacking(json.loads(path.read_text("utf-8"))))
    assert absent == LACKING.get(path.stem, set()), "measure it again, or take it from the list"


def test_the_list_of_what_is_lacking_names_no_other_file():
    assert set(LACKING) <= {path.stem for path in RESULTS}


def test_about_says_everything_but_what_only_the_benchmark_knows(modules):
    measured = modules["measured"]
    assert measured.lacking(measured.about("digits", 0)) == ("n", "spread")
    assert measured.lacking({"made": measured.about("", None, n=3, spread="none: counted")}) == ()


def test_a_seed_of_none_is_said_and_no_seed_is_not(modules):
    assert "seed" in modules["measured"].lacking({"command": "x"})
    assert "seed" not in modules["measured"].lacking({"made": {"seed": None}})


def test_every_result_is_of_a_benchmark_and_every_step_of_a_script(modules):
    benchmarks = modules["listed"].BENCHMARKS
    names = [one.name for one in benchmarks]
    assert len(set(names)) == len(names)
    assert {path.stem for path in RESULTS} <= set(names)
    scripts = {step.split()[0] for one in benchmarks for step in one.steps} - {"lightfast"}
    assert [name for name in sorted(scripts) if not (PLACE / name).is_file()] == []


def test_a_benchmark_that_needs_data_says_so_in_its_steps(modules):
    benchmarks = modules["listed"].BENCHMARKS
    assert all(one.data for one in benchmarks if any("{data}" in step for step in one.steps))


def test_every_requirement_is_pinned():
    for name in ("peers.txt", "extras.txt"):
        lines = (PLACE / name).read_text("utf-8").splitlines()
        wanted = [line for line in lines if line and not line.startswith("#")]
        assert wanted
        assert all(line.count("==") == 1 for line in wanted), name


def test_places_are_filled_in(modules):
    words = modules["main"].command("some.py --work {work} --peer {peer}", {"work": "w", "peer": "p"})
    assert words == [sys.executable, str(PLACE / "some.py"), "--work", "w", "--peer", "p"]
    assert modules["main"].command("lightfast train x", {})[1:3] == ["-m", "lightfast.cli"]


def test_without_a_name_the_benchmarks_are_listed(modules, capsys):
    assert modules["main"].main([]) == 0
    told = capsys.readouterr().out
    assert all(one.name in told and one.what in told for one in modules["listed"].BENCHMARKS)


def test_an_unknown_name_is_answered_with_the_closest(modules, capsys):
    with pytest.raises(UnknownName, match="corrupt_speed"):
        modules["main"].chosen("corrupt-speed")
    assert modules["main"].main(["corrupt-speed"]) == 2
    assert "corrupt_speed" in capsys.readouterr().err


def test_missing_data_is_refused_with_the_cure(modules, capsys, monkeypatch):
    monkeypatch.delenv("LIGHTFAST_DATA", raising=False)
    assert modules["main"].main(["rotted"]) == 2
    assert "Name the folder that holds them" in capsys.readouterr().err


def test_steps_run_in_order_with_an_empty_folder(modules, monkeypatch, tmp_path: Path):
    script = tmp_path / "step.py"
    script.write_text("import pathlib, sys\nopen(sys.argv[1] + '/seen', 'a').write(sys.argv[2])\n")
    main = modules["main"]
    monkeypatch.setattr(main, "HERE", tmp_path)
    monkeypatch.setattr(main, "BUILD", tmp_path / "build")
    benchmark = modules["listed"].Benchmark("x", "", ("step.py {work} a", "step.py {work} b"))
    for _ in range(2):
        main.run(benchmark)
    assert (tmp_path / "build" / "benchmarks" / "x" / "seen").read_text() == "ab"


def test_a_step_that_fails_stops_the_benchmark(modules, monkeypatch, tmp_path: Path):
    (tmp_path / "step.py").write_text("raise SystemExit(3)\n")
    monkeypatch.setattr(modules["main"], "HERE", tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        modules["main"].run(modules["listed"].Benchmark("x", "", ("step.py", "step.py")))


def test_peers_are_installed_again_only_when_their_list_changes(modules, monkeypatch, tmp_path: Path):
    main, made = modules["main"], []
    (tmp_path / "peers.txt").write_text("a==1\n")
    monkeypatch.setattr(main, "HERE", tmp_path)
    monkeypatch.setattr(main, "BUILD", tmp_path)

    def create(place: Path, **_: object) -> None:
        made.append(place)
        place.mkdir(exist_ok=True)

    monkeypatch.setattr(main.venv, "create", create)
    monkeypatch.setattr(main.subprocess, "run", lambda *_, **__: None)
    for _ in range(2):
        main.peers()
    assert len(made) == 1
    (tmp_path / "peers.txt").write_text("a==2\n")
    main.peers()
    assert len(made) == 2


def test_slower_and_worse_stand_first(modules):
    beside = modules["beside"]

    def read(name: str) -> object:
        return json.loads((PLACE / "results" / f"{name}.json").read_text("utf-8"))

    times = [one.times for one in beside.speeds(read)]
    assert times == sorted(times)
    assert len(times) == 19 + 2 + 1 + 1 + 7 + 4
    values = [one.value for one in beside.differences(read)]
    assert values == sorted(values)
