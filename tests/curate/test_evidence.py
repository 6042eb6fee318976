"""Columns are matched by class name, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.curate.evidence import matched_columns

PROBS = np.array([[0.1, 0.2, 0.7]])


def test_columns_come_into_the_order_of_the_labels():
    assert matched_columns(PROBS, ["cat", "dog", "eel"], ["eel", "cat", "dog"]).tolist() == [[0.7, 0.1, 0.2]]


@pytest.mark.parametrize(
    "names", [["cat", "dog"], ["cat", "dog", "eel", "fox"], ["cat", "dog", "fox"], ["cat"] * 3]
)
def test_other_names_are_refused(names: list[str]):
    with pytest.raises(DataError, match="columns of `pred_probs`"):
        matched_columns(PROBS, ["cat", "dog", "eel"], names)
