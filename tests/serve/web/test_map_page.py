"""Groups on the map: take one, label all of it, take that back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from library.pictures import states
from serve.conftest import Running
from serve.web.conftest import Visitor

from lightfast.library.layout_file import SavedLayout, save_layout


@pytest.fixture
def mapped(waiting: Running) -> Running:
    """Thirty pictures in two groups of fifteen, of which ten each are the core."""
    ids = np.arange(1, 31)
    group, core = (ids - 1) // 15, (ids - 1) % 15 < 10
    facts = {"made_at": "2026-01-01T00:00:00+00:00", "source": "test", "notes": []}
    card = {
        "size": 15,
        "core": 10,
        "purity": 0.9,
        "names": ["dark"],
        "says": "",
        "medoids": [1],
        "edges": [2],
    }
    arrays = {"asset_ids": ids, "assignment": group, "core": core, "firmness": np.ones(30, np.float32)}
    clusters = {**facts, "clusters": [{**card, "number": 0}, {**card, "number": 1, "names": []}]}
    save_layout(waiting.library, "clusters", SavedLayout(clusters, arrays))
    places = {"asset_ids": ids, "coordinates": np.stack([group * 4.0, ids % 15], 1).astype(np.float32)}
    laid = {**facts, "method": "pca", "verdict": "", "trust": {}}
    save_layout(waiting.library, "map", SavedLayout(laid, places))
    return waiting


@pytest.fixture
def cartographer(mapped: Running, visit: Callable[..., Visitor]) -> Visitor:
    visitor = visit(mapped, "/map")
    visitor.page.wait_for_selector(".map-list button")
    return visitor


def confirmed(served: Running) -> set[int]:
    return {asset for (asset, _), state in states(served.library).items() if state == "confirmed"}


def test_the_core_of_a_group_is_labelled_by_its_name_and_taken_back(mapped: Running, cartographer: Visitor):
    page = cartographer.page
    page.locator(".map-list button").first.click()
    assert "10 pictures chosen" in cartographer.text(".map-says")
    page.get_by_role("button", name="Label all “dark”").click()
    cartographer.wait_until(
        "document.getElementById('say').textContent.includes('10 pictures labelled dark')"
    )
    assert confirmed(mapped) == set(range(1, 11))
    page.locator("#say button").click()
    cartographer.wait_until("document.getElementById('say').textContent.includes('10 decisions taken back')")
    assert confirmed(mapped) == set()


def test_what_is_in_view_is_labelled_by_keyboard(mapped: Running, cartographer: Visitor):
    page = cartographer.page
    page.locator(".map-over").focus()
    page.keyboard.press("v")
    assert "30 pictures chosen" in cartographer.text(".map-says")
    page.fill(".map-label", "everything")
    page.keyboard.press("Enter")
    cartographer.wait_until("document.getElementById('say').textContent.includes('30 pictures labelled')")
    assert len(confirmed(mapped)) == 30
