"""Help, usage errors, and what happens when something fails that nobody foresaw."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lightfast.cli import app as cli

COMMANDS = [
    "demo",
    "train",
    "predict",
    "evaluate",
    "explain",
    "enhance",
    "corrupt",
    "repair",
    "export",
    "scorecard",
    "study",
    "data list",
    "data fetch",
    "data check",
]
# ---- help and usage


def test_version(type_in):
    assert type_in("--version").out == f"lightfast {cli.__version__}\n"


def test_the_package_itself_is_the_command_line_and_its_exit_code():
    said, refused = (
        subprocess.run(
            [sys.executable, "-m", "lightfast", word], capture_output=True, text=True, timeout=60, check=False
        )
        for word in ("--version", "--nonsense")
    )
    assert (said.returncode, said.stdout) == (0, f"lightfast {cli.__version__}\n")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--nonsense" in refused.stderr


def test_help_names_every_command(type_in):
    text = type_in("--help").out
    assert all(name.split()[0] in text for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name, type_in):
    said = type_in(f"{name} --help")
    assert said.code == 0
    assert f"Example: lightfast {name}" in " ".join(said.out.split())


def test_a_group_without_a_command_shows_its_help(type_in):
    said = type_in("data")
    assert (said.code, said.out) == (2, "")
    assert "check" in said.err


@pytest.mark.parametrize(
    "text, part",
    [
        ("trian x", "Did you mean 'train'?"),
        ("train", "Missing argument 'DATA'"),
        ("train x --out y --seed one", "--seed"),
        ("train x --out y --device tpu", "--device"),
        ("predict run x --format xml", "--format"),
        ("corrupt x --name fog --severity 9 --out y", "--severity"),
        ("study mnist-c --scale huge", "--scale"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(text, part, type_in):
    said = type_in(text)
    assert said.code == 2
    assert part in said.line()
    assert "--help" in said.line()


# ---- failures


@pytest.fixture
def broken(monkeypatch):
    """Makes `data check` fail in a way nobody foresaw."""

    def breaks(error: BaseException) -> None:
        def check(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("lightfast.data.check.check", check)

    return breaks


def test_an_unforeseen_error_is_one_line_and_code_1(broken, type_in):
    broken(ZeroDivisionError("surprise"))
    said = type_in("data check x")
    assert said.code == 1
    assert (
        said.line() == "lightfast: ZeroDivisionError: surprise (run with LIGHTFAST_DEBUG=1 for the traceback)"
    )


def test_the_traceback_comes_on_demand(broken, type_in, monkeypatch):
    monkeypatch.setenv(cli.DEBUG, "1")
    broken(ZeroDivisionError("surprise"))
    assert "Traceback (most recent call last)" in type_in("data check x").err


def test_ctrl_c_says_how_to_go_on(broken, type_in, monkeypatch):
    broken(KeyboardInterrupt())
    said = type_in("data check x")
    assert (said.code, said.line()) == (1, "lightfast: stopped")
    monkeypatch.setattr(
        "lightfast.runs.train.train_run", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt())
    )
    said = type_in("train x --out y")
    assert (said.code, said.line()) == (1, "lightfast: stopped; go on with --resume")
    monkeypatch.setattr(
        "lightfast.runs.predict.predict.tag_run", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt())
    )
    assert "the rows read so far stay in FILE.part" in type_in("predict x y --out z.csv").line()


def test_what_libraries_print_does_not_disturb_the_json(type_in, monkeypatch, blobs_npz):
    from lightfast.data import check as room

    real = room.check
    monkeypatch.setattr(room, "check", lambda *args, **kwargs: (print("noise"), real(*args, **kwargs))[1])
    said = type_in("data check blobs.npz --json")
    assert said.json["n"] == 80
    assert "noise" in said.err


def test_without_a_terminal_there_are_no_bars(type_in, blobs_npz, small):
    assert not sys.stderr.isatty()
    assert type_in(f"train blobs.npz --out run {small}").err == ""


def test_no_first_line_of_a_command_is_cut_in_80_columns(type_in, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    listed = type_in("--help").out.partition("Commands:")[2].partition("Start with")[0]
    assert "demo" in listed
    assert "..." not in listed
