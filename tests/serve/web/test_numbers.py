"""How pages write numbers: by one module, with the minus of the house."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from serve.conftest import Running
from serve.web.conftest import Visitor

from lightfast.report.tables import MINUS
from lightfast.serve.web.pages import STATIC_FOLDER

_WRITTEN = """async (said) => { const numbers = await import('/static/numbers.js');
return said.map(([name, ...given]) => numbers[name](...given)); }"""


def test_numbers_are_written_as_the_reports_write_them(empty: Running, visit: Callable[..., Visitor]):
    visitor = visit(empty, "/login")
    paired = {"difference": -0.0312, "difference_interval": [-0.1, 0.0375]}
    expected = {
        ("fixed", -0.1234, 2): f"{MINUS}0.12",
        ("fixed", -0.0004, 2): "0.00",
        ("fixed", 1234567): "1,234,567",
        ("fixed", None): "",
        ("points", -0.0312): f"{MINUS}3.1",
        ("points", 0.1524): "+15.2",
        ("points", -0.0001): "0.0",
        ("percent", 0.999): "> 99 %",
        ("tenths", 0.2): "20.0 %",
        ("counted", 1, "class", "classes"): "1 class",
        ("counted", 1200, "class", "classes"): "1,200 classes",
    }
    assert visitor.page.evaluate(_WRITTEN, [list(one) for one in expected]) == list(expected.values())
    between = visitor.page.evaluate(_WRITTEN, [["pointsBetween", paired], ["between", [0.1, 0.25]]])
    assert between == [f"{MINUS}3.1 ({MINUS}10.0 to +3.8)", "10.0 – 25.0"]


@pytest.mark.parametrize("name", sorted(one.name for one in STATIC_FOLDER.glob("*.js")))
def test_no_other_module_writes_numbers_of_its_own(name: str):
    text = (STATIC_FOLDER / name).read_text(encoding="utf-8")
    wrong = re.findall(r"\.toFixed\(|\.toLocale\w+\(", text)
    assert wrong == [] or name == "numbers.js"
