"""Wishes that contradict themselves are refused before anything is read."""

from __future__ import annotations

import pytest

from lightfast.base.errors import SettingsError
from lightfast.runs.enhance_plan import EnhanceWish


def test_a_gate_for_degraded_pictures_wants_degraded_pictures():
    with pytest.raises(SettingsError, match="--degrade none makes none"):
        EnhanceWish(gate="degraded", degrade="none")
