"""Groups on the map: take one, label all of it, take that back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from library.pictures import states
from serve.conftest import Running
from serve.web.conftest import Visitor

from lightfast.library.layout_file import SavedLayout, save_layout


@pytest.fixture
def mapped(waiting: Running) -> Running:
    """Thirty pictures in two groups of fifteen, of which ten each are the core."""
    _laid_out(waiting)
    return waiting


def _laid_out(waiting: Running) -> None:
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


def test_groups_are_there_before_the_finer_map_is(waiting: Running, visit: Callable[..., Visitor]):
    """Two maps are ordered: one that is there in a moment, with the groups, and the finer one behind it."""
    methods: list[str | None] = []
    visitor = visit(waiting, "/map")
    page = visitor.page
    jobs = iter(range(1, 9))

    def ordered(route: Any) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        methods.append(json.loads(route.request.post_data or "{}").get("method"))
        _laid_out(waiting)
        job = {"id": next(jobs), "kind": "map", "state": "running"}
        route.fulfill(status=202, content_type="application/json", body=json.dumps(job))

    def followed(route: Any) -> None:
        number = int(route.request.url.split("/")[-2])
        job = {"id": number, "kind": "map", "state": "running" if number == 3 else "done"}
        said = f"event: job\ndata: {json.dumps(job)}\n\n"
        route.fulfill(status=200, content_type="text/event-stream", body=said)

    page.route("**/api/map", ordered)
    page.route("**/api/clusters", ordered)
    page.route("**/api/jobs/*/events", followed)
    page.get_by_role("button", name="Group the pictures").click()
    page.wait_for_selector(".map-list button")
    assert methods[:2] == [None, "pca"]
    visitor.wait_until("document.querySelectorAll('#running .job').length === 1")
    assert methods == [None, "pca", "tsne"]
