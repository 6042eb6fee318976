"""Files of counters: those of processes that are no more are taken out, whoever else does it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightfast.serve.metrics import METRICS_FOLDER, forget_dead


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the counters, with those of this process and of one that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    monkeypatch.setenv(METRICS_FOLDER, str(tmp_path))
    for kind in ("gauge_livesum", "gauge_liveall", "counter"):
        for number in (os.getpid(), ended.pid):
            (tmp_path / f"{kind}_{number}.db").touch()
    return tmp_path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.stem.endswith(f"_{os.getpid()}"))


def test_what_a_dead_process_had_under_work_goes_and_what_it_counted_stays(counters: Path):
    forget_dead()
    assert [name.partition("_")[0] for name in left(counters)] == ["counter"]
    assert len(list(counters.glob(f"*_{os.getpid()}.db"))) == 3


def test_another_process_may_take_a_file_out_first(counters: Path, monkeypatch: pytest.MonkeyPatch):
    remove = os.remove

    def too_late(path: str) -> None:
        remove(path)
        remove(path)

    monkeypatch.setattr(os, "remove", too_late)
    forget_dead()
    assert [name.partition("_")[0] for name in left(counters)] == ["counter"]


def test_a_process_of_somebody_else_is_alive(counters: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(number: int, signal: int) -> None:
        raise PermissionError(number, signal)

    monkeypatch.setattr(os, "kill", refused)
    forget_dead()
    assert len(left(counters)) == 3


def test_on_windows_no_process_is_asked_by_a_signal(counters: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    monkeypatch.setattr(os, "kill", lambda number, _: asked.append(number))
    monkeypatch.setattr(sys, "platform", "win32")
    forget_dead()
    assert asked == []
    assert len(left(counters)) == 3
