"""Records as plain JSON values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightfast.base.plain import FLAT, HIDDEN, OPTIONAL, as_json, fields_json
from lightfast.base.settings import Settings


@dataclass(frozen=True)
class Inner:
    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low

    JSON_PROPERTIES = ("span",)


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner = field(metadata=FLAT)
    beside: Inner | None = field(default=None, metadata=OPTIONAL)
    pictures: Any = field(default=None, metadata=HIDDEN)
    rows: tuple[Inner, ...] = ()


class Own:
    def as_json(self) -> dict[str, int]:
        return {"own": 1}


class Told(Settings):
    epochs: int = 3


def test_fields_flat_hidden_optional_and_computed():
    record = Outer("a", Inner(1.0, 3.0), pictures=np.zeros(3), rows=(Inner(0.0, 1.0),))
    inner = {"low": 0.0, "high": 1.0, "span": 1.0}
    assert as_json(record) == {"name": "a", "low": 1.0, "high": 3.0, "span": 2.0, "rows": [inner]}
    assert as_json(Outer("a", Inner(0.0, 1.0), Inner(0.0, 1.0)))["beside"] == inner


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.arange(3), [0, 1, 2]),
        (np.float32(0.5), 0.5),
        (Path("a") / "b", "a/b"),
        ({1: (2, 3)}, {"1": [2, 3]}),
        (Own(), {"own": 1}),
        (Told(), {"epochs": 3}),
        (None, None),
    ],
)
def test_values_of_every_kind(value, plain):
    assert as_json(value) == plain
    json.dumps(as_json(value))


def test_a_record_that_says_itself_may_build_on_its_fields():
    assert fields_json(Inner(1.0, 2.0)) == {"low": 1.0, "high": 2.0, "span": 1.0}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_what_is_plain_stays_as_it_is(value):
    assert as_json(value) == value
