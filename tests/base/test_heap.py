"""Freed memory is kept within, and given back after."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lightfast.base.heap import _glibc, heap_kept

WORK = """
import sys
from lightfast.base.heap import heap_kept
import numpy as np

def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])

before = resident()
with heap_kept():
    block = np.ones(16_000_000)
    del block
    within = resident()
print(within - before, resident() - before)
"""


@pytest.mark.skipif(_glibc() is None, reason="malloc is not glibc's")
def test_a_large_block_stays_within_and_is_given_back_after():
    unset = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True, env=unset)
    within, after = map(int, done.stdout.split())
    assert within > 100_000
    assert after < 20_000


def test_a_malloc_that_somebody_set_is_left_alone(monkeypatch):
    called = []
    monkeypatch.setattr("lightfast.base.heap._glibc", type("C", (), {"mallopt": called.append}))
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    with heap_kept():
        pass
    assert called == []
